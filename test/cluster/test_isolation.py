"""MCP servers of type stdio in Pods of their own, under config/hardened.

The program is one that runs whatever it is told (`insider`). What it cannot do is held by kubelet, by the kernel and by
whoever enforces NetworkPolicies: on a node of hack/cluster, kube-router.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from test.cluster.conftest import RELEASE
from test.cluster.insiders import (
    LIMIT_SECONDS,
    TOKEN,
    a_person_approves,
    an_insider,
    ask,
    connected,
    leaves_no_orphan,
    run,
)
from test.cluster.installation import Installation
from test.e2e.cluster import Namespace
from test.e2e.model import Ask, Script

CONFIG = Path(__file__).resolve().parents[2] / "config"
KINDS = "deployments,pods,services,serviceaccounts,networkpolicies,secrets"
LIMITED = [
    f"{part}.{resource}" for part in ("requests", "limits") for resource in ("cpu", "memory", "ephemeral-storage")
]
CONNECT = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), 5).close()
    print("reached")
except OSError as error:
    print("not reached:", error)
"""

IN_SHELL = r"""
id() { echo "$1" | sed 's/.*"id": *\("[^"]*"\|[0-9]*\).*/\1/'; }
say() { echo "{\"jsonrpc\":\"2.0\",\"id\":$(id "$1"),\"result\":$2}"; }
while read -r line; do
  case "$line" in
    *'"initialize"'*) say "$line" '{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"sh","version":"1"}}';;
    *'"tools/list"'*) say "$line" '{"tools":[{"name":"greet","inputSchema":{"type":"object"}}]}';;
    *'"tools/call"'*) say "$line" '{"content":[{"type":"text","text":"hello from busybox"}]}';;
    *'"id"'*) echo "{\"jsonrpc\":\"2.0\",\"id\":$(id "$line"),\"error\":{\"code\":-32601,\"message\":\"not here\"}}";;
  esac
done
"""  # noqa: E501
"""A server that is a shell script: what an image has to have is up to its program."""


@pytest.fixture(scope="module")
def hardened(installation: Installation) -> Iterator[Installation]:
    """The manager of config/hardened in place of the release's; namespaces are asked to hold Pods to the standard."""
    cluster = installation.cluster
    cluster.kubectl("apply", "-k", str(CONFIG / "hardened"))
    installation.wait_until_ready()
    yield installation
    installation.install(RELEASE)
    cluster.kubectl("delete", "clusterrolebinding", "kubechain-isolation-rolebinding")
    cluster.kubectl("delete", "clusterrole", "kubechain-isolation-role")
    installation.kubectl("delete", "networkpolicy", "kubechain-controller-manager")


@pytest.fixture
def restricted(hardened: Installation, namespace: Namespace) -> Namespace:
    """The namespace of the test, which takes no Pod but those of the restricted Pod Security Standard."""
    enforced = "pod-security.kubernetes.io/enforce=restricted"
    namespace.cluster.kubectl("label", "namespace", namespace.name, enforced)
    return namespace


def pods(namespace: Namespace, server: str = "insider") -> list[dict[str, Any]]:
    """The Pods of a server that are not about to end."""
    chosen = f"--selector=kubechain.humanlayer.dev/mcpserver={server}"
    return [pod for pod in namespace.list("pods", chosen) if "deletionTimestamp" not in pod["metadata"]]


@pytest.mark.smoke
def test_it_is_nobody_in_a_locked_container_without_a_token(restricted: Namespace, script: Script) -> None:
    connected(restricted, an_insider())
    who, token, tokens, writes, scratch, rights = run(
        restricted,
        script,
        "id -u; id -g",
        f"cat {TOKEN}",
        # Each token of the API server is a JWT, whose first part is base64 of JSON.
        "grep -rlsE 'eyJ[A-Za-z0-9_-]{20,}' /var/run /run /token /tmp; env | grep -c eyJ",
        "touch /opt/kubechain/x /usr/x /bridge/x /token/x",
        "touch /tmp/x && ls /tmp/x",
        "grep -E '^(CapEff|NoNewPrivs|Seccomp):' /proc/self/status",
    )
    assert who == "0\n65532\n65532\n"
    assert token.startswith("1\n")
    assert "No such file" in token
    assert tokens == "1\n0\n"
    assert writes.startswith("1\n")
    assert writes.count("Read-only file system") == 4
    assert scratch == "0\n/tmp/x\n"
    assert rights.split()[1:] == ["CapEff:", "0" * 16, "NoNewPrivs:", "1", "Seccomp:", "2"]


@dataclass(frozen=True, slots=True)
class Address:
    """Something that listens."""

    host: str
    port: int


def connect(namespace: Namespace, server: str, to: Address) -> str:
    """What somebody in the Pod of a server is told who connects."""
    command = ["python", "-c", CONNECT, to.host, str(to.port)]
    return namespace.kubectl("exec", f"deployment/mcp-{server}", "-c", "server", "--", *command).out.strip()


@pytest.fixture
def sockets(listening: Callable[[], socket.socket]) -> Iterator[tuple[Address, Address]]:
    """Two ports outside of the cluster's network at which something listens."""
    with listening() as first, listening() as second:
        yield Address(*first.getsockname()[:2]), Address(*second.getsockname()[:2])


@pytest.fixture
def neighbour(namespace: Namespace) -> Address:
    """A Pod without a policy in the namespace of the server."""
    command = ["--command", "--", "httpd", "-f", "-p", "8080"]
    namespace.kubectl("run", "neighbour", "--image=busybox:1", "--restart=Never", *command)
    namespace.wait("pod/neighbour", "{.status.phase}", "Running")
    return Address(namespace.get("pod", "neighbour")["status"]["podIP"], 8080)


@pytest.mark.smoke
def test_it_reaches_what_egress_lists_and_nothing_else_and_only_the_manager_reaches_it(
    hardened: Installation,
    namespace: Namespace,
    script: Script,
    sockets: tuple[Address, Address],
    neighbour: Address,
) -> None:
    listed, unlisted = sockets
    connected(
        namespace,
        an_insider(egress=[{"cidr": f"{listed.host}/32", "ports": [listed.port]}]),
        an_insider("outsider", egress=[{"cidr": "0.0.0.0/0"}]),
    )
    service = json.loads(namespace.cluster.kubectl("get", "service", "kubernetes", "-o", "json").out)
    [manager] = hardened.pods()
    elsewhere = {
        "another port of a listed address": unlisted,
        "the API server": Address(service["spec"]["clusterIP"], 443),
        "another Pod of its namespace": neighbour,
        "the manager": Address(manager["status"]["podIP"], 8080),
    }

    def cut_off() -> list[str]:
        return [what for what, to in elsewhere.items() if connect(namespace, "insider", to) != "reached"]

    # A policy is enforced some time after its Pod has begun.
    namespace.until(lambda: cut_off() == list(elsewhere), watch="pods", what="nothing else is reached")
    assert connect(namespace, "insider", listed) == "reached"
    assert {what: connect(namespace, "outsider", to) for what, to in elsewhere.items()} == dict.fromkeys(
        elsewhere, "reached"
    )
    [resolved] = run(namespace, script, "getent hosts kubernetes.default.svc.cluster.local")
    assert service["spec"]["clusterIP"] in resolved

    [pod] = pods(namespace)
    from_a_neighbour = ["exec", "neighbour", "--", "sh", "-c", 'nc -w 5 "$0" 8080 </dev/null']
    namespace.kubectl(*from_a_neighbour, manager["status"]["podIP"])
    said = namespace.kubectl(*from_a_neighbour, pod["status"]["podIP"], fails=True)
    assert any(words in said.err for words in ("can't connect", "timed out"))


@pytest.mark.usefixtures("script")
def test_it_ends_with_its_mcpserver(restricted: Namespace) -> None:
    connected(restricted, an_insider())
    restricted.kubectl("delete", "mcpserver", "insider")

    def left() -> list[str]:
        return [one["kind"] for one in restricted.list(KINDS) if one["metadata"]["name"].startswith("mcp-")]

    restricted.until(lambda: left() == [], watch=KINDS, what="nothing of it is left", timeout_seconds=LIMIT_SECONDS)


def test_it_sleeps_without_calls_and_the_next_call_waits_for_it(restricted: Namespace, script: Script) -> None:
    connected(restricted, an_insider(idleAfterSeconds=10))
    assert run(restricted, script, "touch /tmp/awake") == ["0\n"]
    [before] = pods(restricted)
    restricted.wait("mcpserver/insider", "{.status.pod}", "Asleep", timeout_seconds=LIMIT_SECONDS)
    restricted.until(lambda: not pods(restricted), watch="pods", what="its Pod is gone")
    assert restricted.get("deployment", "mcp-insider")["spec"]["replicas"] == 0
    assert restricted.get("agent", "my-assistant")["status"]["ready"]

    [told] = run(restricted, script, "ls /tmp/awake")
    assert "No such file" in told, "another container answers"
    [after] = pods(restricted)
    assert after["metadata"]["uid"] != before["metadata"]["uid"]
    reasons = {reason for _, reason, _, _ in restricted.events("MCPServer", "insider")}
    assert "Asleep" in reasons
    assert "ConnectionLost" not in reasons


def test_any_image_will_do(restricted: Namespace, script: Script) -> None:
    command = {"command": "sh", "args": ["-c", IN_SHELL], "image": "busybox:1"}
    connected(restricted, an_insider("plain", **command))
    assert ask(restricted, script, Ask("plain__greet")) == ["hello from busybox"]


def test_a_program_that_dies_is_started_again(restricted: Namespace, script: Script) -> None:
    connected(restricted, an_insider())
    [died] = run(restricted, script, "kill -9 $PPID")
    assert not died.startswith("0\n")
    assert run(restricted, script, "echo alive") == ["0\nalive\n"]
    [pod] = pods(restricted)
    assert [status["restartCount"] for status in pod["status"]["containerStatuses"]] == [0], "the bridge goes on"


def test_what_its_processes_leave_behind_is_reaped_in_its_pod(restricted: Namespace, script: Script) -> None:
    connected(restricted, an_insider())
    leaves_no_orphan(restricted, script)


def test_it_starts_where_a_quota_asks_every_container_for_limits(restricted: Namespace, script: Script) -> None:
    restricted.kubectl("create", "quota", "limits", f"--hard={','.join(f'{kind}=2Gi' for kind in LIMITED)}")
    enough = {"cpu": "100m", "memory": "128Mi", "ephemeral-storage": "256Mi"}
    connected(restricted, an_insider(resources={"requests": enough, "limits": enough}))
    assert run(restricted, script, "echo limited") == ["0\nlimited\n"]


def test_who_may_approves_a_call_of_a_server_in_its_pod(
    hardened: Installation, restricted: Namespace, script: Script
) -> None:
    hardened.wait_until_decisions_are_verified()
    connected(restricted, an_insider(requiresApproval=True))
    a_person_approves(restricted, script)
