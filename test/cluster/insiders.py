"""MCP servers whose program is `insider`, agents that use them, and a person who approves what they do."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

from test.e2e.cluster import Namespace
from test.e2e.manifests import a_task, an_agent, an_mcp_server, refs
from test.e2e.model import Ask, Script, asks
from test.e2e.test_approvers_real import approves

INSIDER = (Path(__file__).parent / "insider.py").read_text()
LIMIT_SECONDS = 120.0
"""For a Pod to start, and what comes after it."""

TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount/token"

_counter = itertools.count(1)


def an_insider(name: str = "insider", **spec: Any) -> dict[str, Any]:
    """The server that runs what it is told; in a Pod of its own unless `isolation` says otherwise."""
    return an_mcp_server(
        name, **{"type": "stdio", "command": "python", "args": ["-c", INSIDER], "isolation": "Pod", **spec}
    )


def connected(namespace: Namespace, *servers: dict[str, Any]) -> None:
    """Apply servers and an agent that uses them, and wait until it may call them."""
    names = [server["metadata"]["name"] for server in servers]
    namespace.apply(*servers, an_agent(mcpServers=refs(*names)))
    for name in names:
        namespace.wait(f"mcpserver/{name}", "{.status.connected}", "true", timeout_seconds=LIMIT_SECONDS)
    namespace.wait("agent/my-assistant", "{.status.ready}", "true")


def ask(namespace: Namespace, script: Script, *calls: Ask) -> list[str]:
    """Run a Task whose agent makes these calls, and return what it was told."""
    name = f"ask-{next(_counter)}"
    script.answers = [asks(*calls), "Done."]
    namespace.apply(a_task(name))
    window = namespace.finished(f"{name}-1", timeout_seconds=LIMIT_SECONDS)["status"]["contextWindow"]
    return [message["content"] for message in window if message["role"] == "tool"]


def run(namespace: Namespace, script: Script, *commands: str) -> list[str]:
    """Let the insider run command lines; each result begins with the exit status."""
    return ask(namespace, script, *(Ask("insider__run", {"command": command}) for command in commands))


ORPHANS = "for n in 1 2 3 4 5 6 7 8 9 10; do (sleep 0.2 & echo $!); done"
REAPED = "until ! grep -ls '^State:.Z' /proc/[0-9]*/status; do sleep 0.1; done; ls -d {} 2>/dev/null; echo none"


def leaves_no_orphan(namespace: Namespace, script: Script) -> None:
    """What a server's own processes leave behind is reaped in its container, while the server goes on."""
    [told] = run(namespace, script, ORPHANS)
    status, *pids = told.split()
    assert (status, len(pids)) == ("0", 10)
    [told] = run(namespace, script, REAPED.format(" ".join(f"/proc/{pid}" for pid in pids)))
    assert told.splitlines()[-1] == "none"
    assert not any(f"/proc/{pid}" in told.splitlines() for pid in pids)


def a_person_approves(namespace: Namespace, script: Script) -> None:
    """A call waits for bob, who has the right; alice, who may edit everything else, has not."""
    namespace.apply(
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "Role",
            "metadata": {"name": "insider"},
            "rules": [approves("mcpservers", "insider")],
        }
    )
    for name, role, user in (
        ("decide", "clusterrole=kubechain-approver", "bob"),
        ("insider", "role=insider", "bob"),
        ("look", "clusterrole=kubechain-approver", "alice"),
        ("edit", "clusterrole=kubechain-editor", "alice"),
    ):
        namespace.kubectl("create", "rolebinding", name, f"--{role}", f"--user={user}")
    script.answers = [asks(Ask("insider__run", {"command": "echo approved"})), "Done."]
    namespace.apply(a_task("ask"))
    call = "ask-1-t0-c0"
    namespace.wait(f"trtc/{call}", "{.status.phase}", "AwaitingHumanApproval")
    request = namespace.get("hr", call)["spec"]["request"]

    def approve(user: str, *, fails: bool = False) -> str:
        decision = {"choice": "Approve", "digest": request["digest"], "by": user}
        patch = json.dumps({"spec": {"decision": decision}})
        return namespace.kubectl("patch", "hr", call, "--type=merge", "-p", patch, f"--as={user}", fails=fails).err

    assert "alice may not decide about mcpservers/insider" in approve("alice", fails=True)
    assert namespace.get("trtc", call)["status"]["phase"] == "AwaitingHumanApproval"
    approve("bob")
    window = namespace.finished("ask-1", timeout_seconds=LIMIT_SECONDS)["status"]["contextWindow"]
    assert [message["content"] for message in window if message["role"] == "tool"] == ["0\napproved\n"]
    decided = namespace.get("hr", call)
    assert decided["spec"]["decision"]["by"] == "bob"
    assert decided["status"]["identity"] == "Verified"
