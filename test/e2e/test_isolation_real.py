"""An MCPServer in a Pod of its own, under the rights of config/hardened: kube-apiserver takes each of its objects.

No kubelet runs here. The test is the Deployment's controller and the kubelet: it starts the real bridge with the real
server, as the Deployment says, and writes what they would write.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from test.e2e import processes
from test.e2e.cluster import Cluster, Namespace
from test.e2e.manifests import a_secret, a_task, an_agent, an_llm, an_mcp_server, refs
from test.e2e.model import Ask, MockModel, asks
from test.e2e.processes import Program
from test.e2e.test_approvers_real import remove_policies
from test.e2e.test_release_real import CONFIG, kubeconfig_of
from test.mcp.bridge import needs_go, program

pytestmark = [pytest.mark.real, needs_go]

CLOCK = str(Path(sys.executable).with_name("mcp-server-time"))
KINDS = "deployments,services,serviceaccounts,networkpolicies,secrets"
NAME = "mcp-clock"


@pytest.fixture
def port() -> int:
    """Where the manager looks for the bridge."""
    return processes.free_port()


@pytest.fixture
def hardened(cluster: Cluster, manager: Program, port: int, tmp_path: Path) -> Iterator[Program]:
    """The manager with the account and the rights of config/hardened, in place of the session's."""
    cluster.kubectl("apply", "-k", str(CONFIG / "hardened"))
    assert manager.stop() == 0
    program = processes.manager(
        kubeconfig_of(cluster, "kubechain-manager", tmp_path),
        tmp_path / "manager.log",
        "--allow-stdio-servers=false",
        "--isolate-servers",
        "--bridge-image=kubechain:test",
        f"--bridge-url=http://127.0.0.1:{port}/mcp",
    )
    program.start()
    yield program
    program.kill()
    remove_policies(cluster)
    cluster.kubectl("delete", "clusterrolebinding", "kubechain-isolation-rolebinding")
    manager.start()


class Kubelet:
    """Runs what a Deployment of one server says."""

    def __init__(self, namespace: Namespace, port: int, folder: Path) -> None:
        self._namespace, self._port, self._folder = namespace, port, folder

    @contextmanager
    def running(self) -> Generator[None]:
        """Run its container, and say that it is ready."""
        self._namespace.wait(f"deployment/{NAME}", "{.spec.replicas}", "1")
        [container] = self.pod()["containers"]
        token = self._folder / "token"
        token.write_bytes(base64.b64decode(self._namespace.get("secret", NAME)["data"]["token"]))
        command = [str(program()), "serve", f"--address=127.0.0.1:{self._port}", f"--token-file={token}", "--"]
        given = {variable["name"]: variable["value"] for variable in container["env"]}
        process = subprocess.Popen([*command, *container["args"]], env=os.environ | given)
        try:
            self.say_ready(1)
            yield
        finally:
            process.terminate()
            process.wait(30)

    def pod(self) -> dict[str, Any]:
        """The Pod that the Deployment asks for."""
        return self._namespace.get("deployment", NAME)["spec"]["template"]["spec"]

    def say_ready(self, count: int) -> None:
        """Write the status of the Deployment."""
        generation = self._namespace.get("deployment", NAME)["metadata"]["generation"]
        status = {"observedGeneration": generation, "replicas": 1, "readyReplicas": count, "availableReplicas": count}
        patch = json.dumps({"status": status})
        self._namespace.kubectl("patch", f"deployment/{NAME}", "--subresource=status", "--type=merge", "-p", patch)


@pytest.fixture
def kubelet(namespace: Namespace, port: int, tmp_path: Path) -> Kubelet:
    return Kubelet(namespace, port, tmp_path)


def a_clock(**more: Any) -> dict[str, Any]:
    spec = {"type": "stdio", "command": CLOCK, "args": ["--local-timezone=UTC"], "isolation": "Pod", **more}
    return an_mcp_server("clock", **spec)


def test_an_agent_calls_a_server_in_its_pod(
    namespace: Namespace, hardened: Program, kubelet: Kubelet, model: MockModel
) -> None:
    script = model[namespace.name]
    script.answers = [asks(Ask("clock__get_current_time", {"timezone": "Asia/Tokyo"})), "Late."]
    namespace.apply(a_clock(egress=[{"cidr": "192.0.2.0/24", "ports": [443]}]))
    namespace.wait("mcpserver/clock", "{.status.statusDetail}", "Starting its Pod")
    with kubelet.running():
        namespace.wait("mcpserver/clock", "{.status.connected}", "true")
        namespace.apply(
            a_secret(),
            an_llm(base_url=model.base_url, model=namespace.name),
            an_agent(mcpServers=refs("clock")),
            a_task("time-task"),
        )
        window = namespace.finished("time-task-1")["status"]["contextWindow"]
    [answer] = [json.loads(message["content"]) for message in window if message["role"] == "tool"]
    assert answer["timezone"] == "Asia/Tokyo"
    assert [each["metadata"]["generation"] for each in namespace.list("deployments")] == [1], "written once"
    namespace.kubectl("delete", "mcpserver", "clock")
    namespace.until(lambda: not ours(namespace), watch=KINDS, what="its objects are gone with it")


def ours(namespace: Namespace) -> list[str]:
    """The objects that the manager has made for the server."""
    return [each["kind"] for each in namespace.list(KINDS) if each["metadata"]["name"] == NAME]


def test_the_pod_is_one_that_pod_security_restricted_admits(
    namespace: Namespace, hardened: Program, kubelet: Kubelet, cluster: Cluster
) -> None:
    namespace.apply(a_clock(image="node:22"))
    namespace.wait(f"deployment/{NAME}", "{.spec.replicas}", "1")
    cluster.kubectl("label", "namespace", namespace.name, "pod-security.kubernetes.io/enforce=restricted")
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "tried"}, "spec": kubelet.pod()}
    namespace.kubectl("create", "--dry-run=server", "-f", "-", stdin=json.dumps(pod))


def test_a_server_that_leaves_its_pod_leaves_nothing_behind(namespace: Namespace, hardened: Program) -> None:
    namespace.apply(a_clock())
    namespace.wait(f"deployment/{NAME}", "{.spec.replicas}", "1")
    namespace.apply(an_mcp_server("clock", type="http", url="http://127.0.0.1:9/mcp"))
    namespace.until(lambda: ours(namespace) == ["Secret"], watch=KINDS, what="only the token is kept")


def test_what_has_the_name_already_is_left_alone(namespace: Namespace, hardened: Program) -> None:
    namespace.kubectl("create", "serviceaccount", NAME)
    namespace.apply(a_clock())
    namespace.until(
        lambda: "does not belong to this MCPServer" in detail(namespace), watch="mcpservers", what="it is told"
    )
    assert "ownerReferences" not in namespace.get("serviceaccount", NAME)["metadata"]


def test_a_server_without_a_pod_is_refused_with_advice(namespace: Namespace, hardened: Program) -> None:
    namespace.apply(a_clock(isolation="Process"))
    namespace.until(lambda: "set spec.isolation: Pod" in detail(namespace), watch="mcpservers", what="it is told")


def test_a_manager_without_the_flag_says_so(namespace: Namespace, manager: Program) -> None:
    namespace.apply(a_clock())
    namespace.until(lambda: "--isolate-servers" in detail(namespace), watch="mcpservers", what="it is told")


def test_a_kill_between_any_two_writes_doubles_nothing(
    namespace: Namespace, hardened: Program, kubelet: Kubelet
) -> None:
    namespace.apply(a_clock())
    namespace.until(lambda: "Secret" in ours(namespace), watch=KINDS, what="its token is there")
    before = namespace.get("secret", NAME)["data"]
    hardened.kill()
    hardened.start()
    with kubelet.running():
        namespace.wait("mcpserver/clock", "{.status.connected}", "true")
    assert namespace.get("secret", NAME)["data"] == before
    assert sorted(ours(namespace)) == ["Deployment", "NetworkPolicy", "Secret", "Service", "ServiceAccount"]
    assert namespace.get("deployment", NAME)["metadata"]["generation"] == 1


def test_an_idle_server_sleeps_and_the_next_call_wakes_it(
    namespace: Namespace, hardened: Program, kubelet: Kubelet, model: MockModel
) -> None:
    script = model[namespace.name]
    script.answers = [asks(Ask("clock__get_current_time", {"timezone": "Asia/Tokyo"})), "Late."]
    namespace.apply(
        a_clock(idleAfterSeconds=10),
        a_secret(),
        an_llm(base_url=model.base_url, model=namespace.name),
        an_agent(mcpServers=refs("clock")),
    )
    with kubelet.running():
        namespace.wait("mcpserver/clock", "{.status.pod}", "Running")
        namespace.wait("mcpserver/clock", "{.status.pod}", "Asleep")
    kubelet.say_ready(0)
    assert namespace.get("deployment", NAME)["spec"]["replicas"] == 0
    namespace.wait("agent/my-assistant", "{.status.ready}", "true")
    namespace.apply(a_task("time-task"))
    with kubelet.running():
        assert namespace.finished("time-task-1")["status"]["output"] == "Late."
    reasons = {reason for _, reason, _, _ in namespace.events("MCPServer", "clock")}
    assert "Asleep" in reasons
    assert "ConnectionLost" not in reasons


def detail(namespace: Namespace) -> str:
    return namespace.get("mcpserver", "clock").get("status", {}).get("statusDetail", "")
