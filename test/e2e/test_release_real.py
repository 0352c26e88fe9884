"""What `kubectl apply -f config/release/latest.yaml` gives: the manager under its own account, and nothing more."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from test.e2e import processes
from test.e2e.cluster import Cluster, Namespace
from test.e2e.manifests import a_secret, a_task, an_agent, an_llm
from test.e2e.model import ANSWER, MockModel
from test.e2e.processes import Program

pytestmark = pytest.mark.real

CONFIG = Path(__file__).resolve().parents[2] / "config"
RELEASE = CONFIG / "release" / "latest.yaml"
SYSTEM_NAMESPACE = "kubechain-system"


@pytest.fixture(scope="module")
def account(cluster: Cluster) -> Iterator[str]:
    """Name of the manager's ServiceAccount, the release being installed; the admission policies go again after it."""
    cluster.kubectl("apply", "-f", str(RELEASE))
    cluster.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
    said = cluster.kubectl("-n", SYSTEM_NAMESPACE, "get", "deployment", "-o", "json").out
    [deployment] = json.loads(said)["items"]
    yield deployment["spec"]["template"]["spec"]["serviceAccountName"]
    cluster.kubectl("delete", "-k", str(CONFIG / "admission"))


@pytest.fixture
def restricted(cluster: Cluster, account: str, manager: Program, tmp_path: Path) -> Iterator[Program]:
    """The manager with the account's token, started, in place of the session's."""
    assert manager.stop() == 0
    program = processes.manager(
        kubeconfig_of(cluster, account, tmp_path),
        tmp_path / "manager.log",
        "--leader-elect",
        f"--leader-election-namespace={SYSTEM_NAMESPACE}",
    )
    program.start()
    yield program
    program.kill()
    manager.start()


def kubeconfig_of(cluster: Cluster, account: str, folder: Path, namespace: str = SYSTEM_NAMESPACE) -> Path:
    """A kubeconfig that differs from the administrator's in nothing but the token."""
    token = cluster.kubectl("-n", namespace, "create", "token", account).out.strip()
    config = json.loads(cluster.kubectl("config", "view", "--raw", "-o", "json").out)
    config["users"] = [{"name": user["name"], "user": {"token": token}} for user in config["users"]]
    path = folder / "kubeconfig"
    path.touch(mode=0o600)
    path.write_text(json.dumps(config))
    return path


def test_the_walk_through_passes_under_exactly_the_released_rights(
    namespace: Namespace, restricted: Program, model: MockModel
) -> None:
    namespace.apply(a_secret(), an_llm(base_url=model.base_url), an_agent(), a_task())
    assert namespace.finished("hello-world-task-1")["status"]["output"] == ANSWER
    namespace.wait_for_event(
        "TaskRun",
        "hello-world-task-1",
        ("Normal", "LLMFinalAnswer", "LLM response received successfully", "taskrun-controller"),
    )
    namespace.kubectl("delete", "task,agent,llm,secret", "--all")
    namespace.until(lambda: namespace.list("taskrun") == [], watch="taskrun", what="the run goes with its task")
    assert restricted.stop() == 0
    assert "forbidden" not in restricted.log.read_text().lower()


@pytest.mark.parametrize(
    ("verb", "what"),
    [
        pytest.param("delete", "secrets", id="delete a Secret"),
        pytest.param("create", "pods", id="create a Pod"),
        pytest.param("update", "agents.kubechain.humanlayer.dev", id="change what a person wrote"),
        pytest.param("*", "*", id="anything at all"),
    ],
)
def test_the_manager_may_not(cluster: Cluster, account: str, verb: str, what: str) -> None:
    user = f"--as=system:serviceaccount:{SYSTEM_NAMESPACE}:{account}"
    said = cluster.kubectl("auth", "can-i", verb, what, "--all-namespaces", user, fails=True)
    assert said.out.strip() == "no"
