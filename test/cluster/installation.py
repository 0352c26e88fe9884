"""The release as it is installed in a cluster: what an administrator does with it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kubechain.controllers.authority import POLICY, enforcement_of
from test.e2e.cluster import Cluster, Namespace, Said

SYSTEM_NAMESPACE = "kubechain-system"
DEPLOYMENT = "deployment/kubechain-controller-manager"
LEASE = "kubechain.humanlayer.dev"
LIMIT = "--timeout=110s"


@dataclass(frozen=True, slots=True)
class Installation:
    """One in the namespace kubechain-system."""

    cluster: Cluster

    def kubectl(self, *arguments: str) -> Said:
        """Run kubectl in its namespace."""
        return self.cluster.kubectl("--namespace", SYSTEM_NAMESPACE, *arguments)

    def install(self, release: Path) -> None:
        """Apply a release, and return when its manager is Ready."""
        self.cluster.kubectl("apply", "-f", str(release))
        self.cluster.kubectl("wait", "--for=condition=Established", "crd", "--all", LIMIT)
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        """Return when the newest Pods of the manager are Ready, and no others are left."""
        self.kubectl("rollout", "status", DEPLOYMENT, LIMIT)
        namespace = Namespace(self.cluster, SYSTEM_NAMESPACE)
        namespace.until(
            lambda: not any("deletionTimestamp" in pod["metadata"] for pod in self.pods()),
            watch="pods",
            what="the Pods of before are gone",
        )

    def set_image(self, name: str) -> None:
        """Run the manager in another image, as an upgrade does."""
        self.kubectl("set", "image", DEPLOYMENT, f"manager={name}")
        self.wait_until_ready()

    def restart(self) -> None:
        """Replace the Pods, as an upgrade does."""
        self.kubectl("rollout", "restart", DEPLOYMENT)
        self.wait_until_ready()

    def scale(self, replicas: int) -> None:
        """Let so many managers run."""
        self.kubectl("scale", DEPLOYMENT, f"--replicas={replicas}")
        self.wait_until_ready()

    def lease(self) -> dict[str, Any]:
        """The spec of the leader's Lease."""
        return json.loads(self.kubectl("get", "lease", LEASE, "-o", "json").out)["spec"]

    def leader(self) -> str:
        """The name of the Pod that leads; empty if none does."""
        return self.lease().get("holderIdentity", "").rpartition("_")[0]

    def pods(self) -> list[dict[str, Any]]:
        """The Pods of the manager."""
        chosen = "--selector=app.kubernetes.io/component=manager"
        return json.loads(self.kubectl("get", "pods", chosen, "-o", "json").out)["items"]

    def images(self) -> list[str]:
        """The image of each manager that is Ready."""
        ready = [pod for pod in self.pods() if pod["status"]["containerStatuses"][0]["ready"]]
        return [pod["spec"]["containers"][0]["image"] for pod in ready]

    def wait_until_decisions_are_verified(self) -> None:
        """Return when the admission policies hold for every request that is made from now on."""
        kinds = ("validatingadmissionpolicy", "validatingadmissionpolicybinding")
        more = ("-o", "json", "--show-managed-fields")
        found = enforcement_of(*(json.loads(self.kubectl("get", kind, POLICY, *more).out) for kind in kinds))
        since = found.since
        assert since is not None, found.weakness
        namespace = Namespace(self.cluster, SYSTEM_NAMESPACE)
        namespace.until(lambda: datetime.now(UTC) > since, watch="configmap", what="the policies are in force")

    def log(self) -> str:
        """What the manager has said since its container started."""
        return self.kubectl("logs", DEPLOYMENT, "--tail=-1").out
