"""What the API server has of the objects of MCPServers in Pods: the caches, limited by label, and their meaning.

Called from `observe` and `setup`. What must not go here: requests, and what the objects should be (`manifests`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from kubechain.api.mcpserver import MCPServer
from kubechain.api.names import LABEL_MCP_SERVER, mcp_pod_name
from kubechain.controllers.mcpserver.manifests import DIGEST, SERVER, Manifest
from kubechain.controllers.workloads import Deployment, Pod
from kubechain.runtime.keys import Request
from kubechain.runtime.metadata import Metadata, PartialObject
from kubechain.runtime.resource import Resource, metadata_only
from kubechain.runtime.store import Lister

_DEPLOYMENT, _POD = msgspec.json.Decoder(Deployment), msgspec.json.Decoder(Pod)

DEPLOYMENTS = Resource(
    "apps",
    "v1",
    "Deployment",
    "deployments",
    decode=_DEPLOYMENT.decode,
    is_frozen=True,
    label_selector=LABEL_MCP_SERVER,
)
PODS = Resource("", "v1", "Pod", "pods", decode=_POD.decode, is_frozen=True, label_selector=LABEL_MCP_SERVER)


def _identified(group: str, kind: str, plural: str) -> Resource[PartialObject]:
    whole: Resource[Any] = Resource(
        group, "v1", kind, plural, decode=_DEPLOYMENT.decode, label_selector=LABEL_MCP_SERVER
    )
    return metadata_only(whole)


SERVICES = _identified("", "Service", "services")
SERVICE_ACCOUNTS = _identified("", "ServiceAccount", "serviceaccounts")
NETWORK_POLICIES = _identified("networking.k8s.io", "NetworkPolicy", "networkpolicies")

OWNED: tuple[Resource[Any], ...] = (SERVICE_ACCOUNTS, NETWORK_POLICIES, SERVICES, DEPLOYMENTS)
"""What a server in a Pod owns besides its Secret, which is never changed."""


class Listers(Protocol):
    """Where the caches are; the manager satisfies it."""

    def lister(self, resource: Resource[Any]) -> Lister[Any]:
        """Return the reader of a kind's cache."""
        ...


@dataclass(frozen=True, slots=True)
class Owned:
    """The objects of servers in Pods, as the caches have them."""

    by_kind: Mapping[str, Lister[Any]]
    pods: Lister[Pod]

    @classmethod
    def of(cls, listers: Listers) -> Owned:
        """Make the caches, before the manager starts."""
        return cls({each.kind: listers.lister(each) for each in OWNED}, listers.lister(PODS))

    def deployment(self, server: MCPServer) -> Deployment | None:
        """The Deployment of a server; None when it has none."""
        return self._get("Deployment", server)

    def outdated(self, server: MCPServer, wanted: tuple[Manifest, ...]) -> tuple[Manifest, ...]:
        """Those of the wanted objects that are missing, or differ from what is wanted."""
        return tuple(one for one in wanted if self._digest(one.kind, server) != one.digest)

    def left_over(self, server: MCPServer) -> tuple[str, ...]:
        """The kinds of which the server owns an object."""
        return tuple(kind for kind in self.by_kind if self._get(kind, server) is not None)

    def trouble(self, server: MCPServer) -> str:
        """Why the Pod of a server is not ready, in the words of Kubernetes; empty where nothing says it."""
        deployment = self.deployment(server)
        pods = [
            pod
            for pod in self.pods.list(server.metadata.namespace)
            if request_of_pod(pod)[0].name == server.metadata.name
        ]
        return (deployment.trouble if deployment else "") or next((pod.trouble for pod in pods if pod.trouble), "")

    def _get(self, kind: str, server: MCPServer) -> Any:
        found: Any = self.by_kind[kind].get(server.metadata.namespace, mcp_pod_name(server.metadata.name))
        return found if found is not None and is_owned(found.metadata, server.metadata.uid) else None

    def _digest(self, kind: str, server: MCPServer) -> str | None:
        found: PartialObject | Deployment | None = self._get(kind, server)
        return (found.metadata.annotations or {}).get(DIGEST) if found is not None else None


def is_owned(metadata: Metadata, uid: str) -> bool:
    """Whether the MCPServer with this uid owns an object."""
    return any(owner.uid == uid for owner in metadata.owner_references or ())


def request_of_pod(pod: Pod) -> list[Request]:
    """The MCPServer of a Pod."""
    return [Request(pod.metadata.namespace, (pod.metadata.annotations or {}).get(SERVER, ""))]
