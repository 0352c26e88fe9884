"""A hardened manager on kube-apiserver: a decision counts only where the API server compared who made it.

The manager has the rights of its ServiceAccount and `--require-verified-approvals`; the admission policies come later.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from test.e2e import processes
from test.e2e.cluster import Cluster, Namespace
from test.e2e.manifests import a_builtin, a_secret, a_task, a_taskrun, an_agent, an_llm, refs
from test.e2e.model import Ask, MockModel, asks
from test.e2e.processes import Program
from test.e2e.test_approvers_real import remove_policies, wait_until_requests_are_verified
from test.e2e.test_deciding import kubechain
from test.e2e.test_release_real import SYSTEM_NAMESPACE, kubeconfig_of

pytestmark = pytest.mark.real

CONFIG = Path(__file__).resolve().parents[2] / "config"


@contextmanager
def a_hardened_manager(cluster: Cluster, manager: Program, folder: Path, *flags: str) -> Generator[Program]:
    """The manager, started in place of the session's, on a cluster that has all of the release but the policies."""
    cluster.kubectl("apply", "-k", str(CONFIG / "default"))
    remove_policies(cluster)
    assert manager.stop() == 0
    program = processes.manager(
        kubeconfig_of(cluster, "kubechain-manager", folder),
        folder / "manager.log",
        "--leader-elect",
        f"--leader-election-namespace={SYSTEM_NAMESPACE}",
        "--require-verified-approvals",
        *flags,
    )
    program.start()
    yield program
    program.kill()
    remove_policies(cluster)
    manager.start()


def install_the_policies(space: Namespace) -> None:
    """The admission policies, in force for every request that is made from now on."""
    for folder in ("admission", "admission-stamps"):
        space.cluster.kubectl("apply", "-k", str(CONFIG / folder))
    wait_until_requests_are_verified(space)


@pytest.fixture
def hardened(cluster: Cluster, manager: Program, tmp_path: Path) -> Iterator[Program]:
    with a_hardened_manager(cluster, manager, tmp_path) as program:
        yield program


def asked(space: Namespace, run: str) -> str:
    """The request of a run's first call, made."""
    name = f"{run}-t0-c0"
    space.until(lambda: name in space.kubectl("get", "hr", "-o", "name").out, watch="hr", what=f"{name} is made")
    return name


def ended(space: Namespace, run: str) -> dict[str, str]:
    """The status of a run's first call, once the run is over."""
    space.finished(run)
    return space.get("trtc", f"{run}-t0-c0")["status"]


@pytest.mark.timeout(300)
def test_only_a_decision_that_the_api_server_compared_lets_a_call_happen(
    hardened: Program, make_namespace: Callable[[str], Namespace], model: MockModel
) -> None:
    space = make_namespace("verified")
    call = asks(Ask("add", {"a": 2, "b": 3}))
    model["a-hardened-one"].answers += [call, "No.", call, call, "No.", "5"]
    space.apply(
        a_secret(),
        an_llm(base_url=model.base_url, model="a-hardened-one"),
        a_builtin("add", requiresApproval=True),
        an_agent(tools=refs("add")),
        a_task("sum"),
    )
    kubechain(space, "approve", asked(space, "sum-1"))
    unverified = ended(space, "sum-1")
    assert unverified["phase"] == "ToolCallRejected"
    assert "kubechain-human-requests is not installed" in unverified["error"]

    space.apply(a_taskrun("older", task="sum"))
    older = asked(space, "older")
    install_the_policies(space)
    # Whoever creates a run is not who decides about it.
    by_alice = ("--as=alice", "--as-group=system:masters")
    space.kubectl("create", "-f", "-", *by_alice, stdin=json.dumps(a_taskrun("newer", task="sum")))
    newer = asked(space, "newer")
    kubechain(space, "approve", older)
    refused = ended(space, "older")
    assert refused["phase"] == "ToolCallRejected"
    assert "the request is older than the admission policies" in refused["error"]

    kubechain(space, "approve", newer)
    assert ended(space, "newer")["phase"] == "Succeeded"
    assert space.get("hr", newer)["status"]["identity"] == "Verified"
