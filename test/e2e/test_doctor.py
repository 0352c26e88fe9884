"""`kubechain doctor` on a healthy control plane, and with one fault at a time that is put in on purpose.

No manager runs here: what it would have written is written by hand, so that each fault stays as it is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from kubechain.runtime.leases import micro_time
from test.e2e.cluster import Cluster, Namespace
from test.e2e.conftest import CRDS
from test.e2e.manifests import API_VERSION, an_agent, an_llm
from test.e2e.test_release_real import kubeconfig_of
from test.e2e.test_views import kubechain

CONFIG = CRDS.parents[1]
SYSTEM = "kubechain-system"
LEASE = "kubechain.humanlayer.dev"
ADMISSION = CONFIG / "admission"
ROLE = "kubechain-manager-role"


@pytest.fixture(scope="module")
def installed(unmanaged_cluster: Cluster) -> Iterator[Cluster]:
    """What the release installs, but for the Deployment: no Pod would run. The policies go again after it."""
    cluster = unmanaged_cluster
    cluster.kubectl("apply", "-f", str(CONFIG / "manager" / "namespace.yaml"))
    if cluster.is_real:
        cluster.kubectl("apply", "-k", str(CONFIG / "rbac"))
        cluster.kubectl("apply", "-k", str(ADMISSION))
    yield cluster
    if cluster.is_real:
        cluster.kubectl("delete", "-k", str(ADMISSION))


@pytest.fixture
def healthy(installed: Cluster, make_unmanaged_namespace: Callable[[str], Namespace]) -> Iterator[Namespace]:
    """A namespace with an LLM and an Agent that are ready, and a leader that has just renewed."""
    space = make_unmanaged_namespace("doctor")
    space.apply(an_llm(base_url="https://example.com"), an_agent())
    for kind, name in (("llm", "gpt-4o"), ("agent", "my-assistant")):
        says(space, kind, name, "Ready", "it can be used")
    renew(installed)
    yield space
    installed.kubectl("-n", SYSTEM, "delete", "lease", LEASE, "--ignore-not-found")


def says(space: Namespace, kind: str, name: str, status: str, detail: str) -> None:
    """Write a status as the manager would."""
    patch = {"status": {"status": status, "statusDetail": detail, "ready": status == "Ready"}}
    space.kubectl("patch", kind, name, "--subresource=status", "--type=merge", "-p", json.dumps(patch))


def renew(cluster: Cluster, *, ago: timedelta = timedelta(), holder: str = "manager-a_1") -> None:
    """Write the Lease as a leader would have, some time ago."""
    at = micro_time(datetime.now(UTC) - ago)
    lease = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": LEASE, "namespace": SYSTEM},
        "spec": {"holderIdentity": holder, "leaseDurationSeconds": 600, "acquireTime": at, "renewTime": at},
    }
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=json.dumps(lease))


def examined(space: Namespace, *, status: int) -> list[dict[str, str]]:
    return json.loads(kubechain(space, "doctor", "-o", "json", status=status).out)


def found(space: Namespace, subject: str, verdict: str) -> dict[str, str]:
    """The one check that is not ok, which must be this one."""
    wrong = [each for each in examined(space, status=int(verdict == "fail")) if each["verdict"] != "ok"]
    assert [(each["subject"], each["verdict"]) for each in wrong] == [(subject, verdict)], wrong
    assert wrong[0]["repair"]
    return wrong[0]


def test_a_healthy_control_plane_gives_no_warning(healthy: Namespace) -> None:
    found = examined(healthy, status=0)
    assert [each for each in found if each["verdict"] != "ok"] == []
    assert {"versions", "clock", "kinds", "policies", "your rights", "manager's rights", "leader", "LLM"} <= {
        each["subject"] for each in found
    }
    said = kubechain(healthy, "doctor").out
    assert f"ok    {'kinds':<16}  all 12 kinds are served" in said
    assert "\033" not in said


def test_fault_1_an_llm_without_its_secret(healthy: Namespace) -> None:
    says(healthy, "llm", "gpt-4o", "Error", 'Secret "openai" not found')
    check = found(healthy, "LLM", "fail")
    assert 'Secret "openai" not found' in check["said"]
    assert check["repair"].startswith("kubectl create secret generic openai --from-literal=OPENAI_API_KEY=YOUR_KEY")


def test_fault_2_an_mcp_server_that_cannot_be_reached(healthy: Namespace) -> None:
    spec = {"type": "http", "url": "https://mcp.example.com"}
    healthy.apply({"apiVersion": API_VERSION, "kind": "MCPServer", "metadata": {"name": "far"}, "spec": spec})
    says(healthy, "mcpserver", "far", "Error", "connection refused")
    assert "connection refused" in found(healthy, "MCPServer", "fail")["said"]


def test_fault_3_a_leader_that_stopped(healthy: Namespace) -> None:
    renew(healthy.cluster, ago=timedelta(hours=1))
    assert "manager-a_1 has not renewed Lease" in found(healthy, "leader", "fail")["said"]


def test_fault_4_a_lease_that_nobody_holds(healthy: Namespace) -> None:
    renew(healthy.cluster, holder="")
    assert "no manager runs" in found(healthy, "leader", "fail")["said"]


def test_fault_5_a_manager_whose_clock_is_wrong(healthy: Namespace) -> None:
    renew(healthy.cluster, ago=-timedelta(minutes=30))
    assert "the clock of the manager manager-a_1 is" in found(healthy, "leader", "warn")["said"]


def test_fault_6_a_kind_that_is_not_served(healthy: Namespace) -> None:
    crd = CRDS / "kubechain.humanlayer.dev_approvalpolicies.yaml"
    healthy.kubectl("delete", "-f", str(crd))
    try:
        assert found(healthy, "kinds", "fail")["said"] == "1 kind not served: approvalpolicies"
    finally:
        restore(healthy.cluster, crd)


def test_fault_7_a_kind_of_an_older_version(healthy: Namespace) -> None:
    crd = CRDS / "kubechain.humanlayer.dev_approvalpolicies.yaml"
    definition: dict[str, Any] = yaml.safe_load(crd.read_text())
    spec = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    del spec["properties"]["tools"]
    definition["spec"]["versions"][0]["additionalPrinterColumns"] = []
    try:
        healthy.kubectl("replace", "-f", "-", stdin=json.dumps(definition))
        assert "approvalpolicies in the cluster is older" in found(healthy, "kinds", "warn")["said"]
    finally:
        restore(healthy.cluster, crd)


def restore(cluster: Cluster, crd: Path) -> None:
    """Install a kind as it was, and wait until it is served."""
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(crd))
    cluster.kubectl("wait", "--for=condition=Established", "-f", str(crd), "--timeout=60s")


@pytest.mark.real
def test_fault_8_policies_that_are_not_installed(healthy: Namespace) -> None:
    healthy.cluster.kubectl("delete", "-k", str(ADMISSION))
    try:
        assert "is not installed" in found(healthy, "policies", "warn")["said"]
    finally:
        healthy.cluster.kubectl("apply", "-k", str(ADMISSION))


@pytest.mark.real
def test_fault_9_policies_that_only_warn(healthy: Namespace) -> None:
    what = ("validatingadmissionpolicybinding", "kubechain-human-requests")
    patch = {"spec": {"validationActions": ["Warn"]}}
    healthy.cluster.kubectl("patch", *what, "--type=merge", "-p", json.dumps(patch))
    try:
        assert "the binding does not deny" in found(healthy, "policies", "warn")["said"]
    finally:
        healthy.cluster.kubectl("apply", "-k", str(ADMISSION))


@pytest.mark.real
def test_fault_10_a_manager_that_lost_a_right(healthy: Namespace) -> None:
    role = json.loads(healthy.cluster.kubectl("get", "clusterrole", ROLE, "-o", "json").out)
    role["rules"] = [each for each in role["rules"] if "batch" not in each["apiGroups"]]
    try:
        healthy.cluster.kubectl("replace", "-f", "-", stdin=json.dumps(role))
        check = found(healthy, "manager's rights", "fail")
        assert "may not create jobs.batch, delete jobs.batch, get jobs.batch" in check["said"]
    finally:
        healthy.cluster.kubectl("apply", "-k", str(CONFIG / "rbac"))


@pytest.mark.real
def test_fault_11_a_user_who_may_do_nothing(healthy: Namespace, tmp_path: Path) -> None:
    healthy.kubectl("create", "serviceaccount", "looker")
    config = kubeconfig_of(healthy.cluster, "looker", tmp_path, healthy.name)
    looker = Namespace(replace(healthy.cluster, kubeconfig=config), healthy.name)
    wrong = {each["subject"]: each for each in examined(looker, status=1) if each["verdict"] != "ok"}
    assert wrong["your rights"]["verdict"] == "fail"
    assert f"--user=system:serviceaccount:{healthy.name}:looker" in wrong["your rights"]["repair"]
    assert "cannot be told: " in wrong["manager's rights"]["said"]


@pytest.mark.real
def test_faults_12_and_13_pods_that_are_not_ready_and_metrics_that_do_not_answer(healthy: Namespace) -> None:
    files = [str(CONFIG / "manager" / name) for name in ("deployment.yaml", "metrics_service.yaml")]
    for file in files:
        healthy.cluster.kubectl("apply", "-f", file)
    try:
        wrong = {each["subject"]: each for each in examined(healthy, status=1) if each["verdict"] != "ok"}
        assert set(wrong) == {"manager", "metrics"}
        assert "0 of 1 ready" in wrong["manager"]["said"]
        assert "does not answer" in wrong["metrics"]["said"]
    finally:
        for file in files:
            healthy.cluster.kubectl("delete", "-f", file)


def test_no_lease_is_no_warning_where_a_manager_was_seen(healthy: Namespace) -> None:
    healthy.cluster.kubectl("-n", SYSTEM, "delete", "lease", LEASE)
    said = {each["subject"]: each for each in examined(healthy, status=0)}
    assert said["leader"]["said"] == "a manager without a Lease has looked at 2 objects"
