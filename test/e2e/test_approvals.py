"""Calls that a person must approve, decided with kubectl alone."""

from __future__ import annotations

import json
import re
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from test.e2e.cluster import Namespace, condition, table
from test.e2e.manifests import API_VERSION, a_builtin, a_secret, a_task, an_agent, an_llm, an_mcp_server, refs
from test.e2e.model import HOLD_SECONDS, Answer, Ask, Call, MockModel, Script, asks
from test.e2e.processes import Program
from test.e2e.servers import peers

RUN = "hello-world-task-1"
CALL = f"{RUN}-t0-c0"
RECOVERY_SECONDS = 90.0
"""A successor may have to wait until the lease of its predecessor runs out."""


@pytest.fixture
def script(namespace: Namespace, model: MockModel) -> Script:
    """The model of this test, which asks for one addition, with an LLM for it."""
    namespace.apply(a_secret(), an_llm(base_url=model.base_url, model=namespace.name))
    script = model[namespace.name]
    script.answers = [asks(Ask("add", {"a": 2, "b": 3})), "Done."]
    return script


def begin(namespace: Namespace, *more: dict[str, Any], **terms: Any) -> None:
    """Apply an agent that can add, and its task.

    Args:
        more: Objects beside them.
        terms: Of the Tool; it needs approval where there are none.
    """
    tool = a_builtin(**(terms or {"requiresApproval": True}))
    namespace.apply(*more, tool, an_agent(tools=refs("add")), a_task())


def policy(**spec: Any) -> dict[str, Any]:
    return {"apiVersion": API_VERSION, "kind": "ApprovalPolicy", "metadata": {"name": "strict"}, "spec": spec}


def asked(namespace: Namespace, name: str = CALL) -> dict[str, Any]:
    """The request, once it is there and open."""
    namespace.wait(f"hr/{name}", "{.status.phase}", "Open")
    return namespace.get("hr", name)


def decide(namespace: Namespace, choice: str, name: str = CALL, **more: str) -> None:
    """Decide as a person does who has kubectl and nothing else."""
    digest = asked(namespace, name)["spec"]["request"]["digest"]
    patch = json.dumps({"spec": {"decision": {"choice": choice, "digest": digest, **more}}})
    namespace.kubectl("patch", "hr", name, "--type=merge", "-p", patch)


def results(run: dict[str, Any]) -> list[str]:
    """What the model read of its calls."""
    return [message["content"] for message in run["status"]["contextWindow"] if message["role"] == "tool"]


DECISIONS = [
    pytest.param({"choice": "Approve"}, "Succeeded", "5", id="approved"),
    pytest.param({"choice": "Approve", "arguments": '{"a": 20, "b": 3}'}, "Succeeded", "23", id="with other arguments"),
    pytest.param(
        {"choice": "Approve", "arguments": '{"a": "many"}'}, "Failed", "error: arguments", id="with bad arguments"
    ),
    pytest.param(
        {"choice": "Reject", "comment": "Not on a Monday."}, "ToolCallRejected", "rejected: Not on a Monday.", id="no"
    ),
]


@pytest.mark.parametrize(("decision", "phase", "read"), DECISIONS)
def test_a_person_decides(
    namespace: Namespace, script: Script, decision: dict[str, str], phase: str, read: str
) -> None:
    begin(namespace)
    request = asked(namespace)["spec"]["request"]
    assert (request["tool"], request["arguments"]) == ("add", '{"a": 2, "b": 3}')
    assert request["subject"] == {"resource": "tools", "name": "add"}
    decide(namespace, **decision)
    [result] = results(namespace.finished(RUN))
    assert result.startswith(read)
    namespace.wait(f"hr/{CALL}", "{.status.phase}", "Decided")
    assert namespace.get("trtc", CALL)["status"]["phase"] == phase


def test_the_inbox_says_what_to_do(namespace: Namespace, script: Script) -> None:
    begin(namespace)
    asked(namespace)
    [row] = table(namespace.kubectl("get", "hr").out)
    assert (row["NAME"], row["TYPE"], row["RESOURCE"], row["SUBJECT"]) == (CALL, "Approval", "tools", "add")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", row["EXPIRES"])
    assert (row["TASKRUN"], row["PHASE"]) == (RUN, "Open")
    described = namespace.kubectl("describe", "hr", CALL).out
    assert f"kubechain approve {CALL} -n {namespace.name}" in described
    assert f"kubechain reject {CALL} -n {namespace.name}" in described


def test_an_approval_for_the_run_is_used_until_it_is_revoked(namespace: Namespace, script: Script) -> None:
    is_revoked = threading.Event()

    def adds_three_times(call: Call) -> Answer:
        number = len(call.results)
        if number == 2:
            is_revoked.wait(HOLD_SECONDS)
        return asks(Ask("add", {"a": number, "b": 1}, id=f"id-{number}")) if number < 3 else "Done."

    script.respond = adds_three_times
    begin(namespace)
    decide(namespace, "ApproveForRun")
    namespace.wait(f"trtc/{RUN}-t1-c0", "{.status.phase}", "Succeeded")
    assert namespace.get("trtc", f"{RUN}-t1-c0")["status"]["approval"]["requestName"] == CALL
    revocation = json.dumps({"spec": {"revokedGrants": [CALL]}})
    namespace.kubectl("patch", "taskrun", RUN, "--type=merge", "-p", revocation)
    is_revoked.set()
    decide(namespace, "Reject", f"{RUN}-t2-c0")
    assert results(namespace.finished(RUN)) == ["1", "2", "rejected: a person refused the call"]


def test_people_are_reminded_and_then_others_are_asked(namespace: Namespace, script: Script) -> None:
    """Without a channel kubectl tells of both; what a channel gets is shown where there is one."""
    begin(
        namespace,
        requiresApproval=True,
        approval={"remindAfter": "1s", "escalateTo": {"channel": "lead", "after": "3s"}},
    )
    asked(namespace)
    namespace.kubectl("wait", f"hr/{CALL}", "--for=condition=Reminded", "--timeout=60s")
    reminded = condition(namespace.get("hr", CALL), "Reminded")
    assert reminded["message"].startswith("nobody has decided since ")
    namespace.until(
        lambda: 'ContactChannel "lead"' in namespace.get("hr", CALL)["status"].get("statusDetail", ""),
        watch="hr",
        what="the second channel is asked",
    )
    told = namespace.kubectl("describe", "hr", CALL).out
    assert 'not sent to ContactChannel "lead": it does not exist; decide with kubectl' in told
    decide(namespace, "Approve")
    assert results(namespace.finished(RUN)) == ["5"]


def test_nobody_decides_in_time(namespace: Namespace, script: Script) -> None:
    begin(namespace, requiresApproval=True, approval={"expireAfter": "3s"})
    [result] = results(namespace.finished(RUN))
    assert result.startswith("rejected: nobody decided in time")
    namespace.wait(f"hr/{CALL}", "{.status.phase}", "Expired")
    patch = '{"spec": {"decision": {"choice": "Approve", "digest": "sha256:%s"}}}' % ("0" * 64)
    said = namespace.kubectl("patch", "hr", CALL, "--type=merge", "-p", patch, fails=True)
    assert "nobody waits for a decision" in said.err


def test_two_people_decide_at_once_and_one_of_them_is_told_that_it_is_decided(
    namespace: Namespace, script: Script
) -> None:
    begin(namespace)
    digest = asked(namespace)["spec"]["request"]["digest"]

    def patch(choice: str) -> str:
        """What kubectl complains of; empty where it does not."""
        decision = json.dumps({"spec": {"decision": {"choice": choice, "digest": digest}}})
        command = ["kubectl", "-n", namespace.name, "patch", "hr", CALL, "--type=merge", "-p", decision]
        environment = dict(namespace.cluster.environment)
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False).stderr

    with ThreadPoolExecutor(2) as people:
        rejecting, approving = people.map(patch, ("Reject", "Approve"))
    [complaint] = [text for text in (rejecting, approving) if text]
    # What is decided stays, and so does what is over, where the manager was quicker than the second person.
    assert "a decision is made once" in complaint or "nobody waits for a decision" in complaint
    assert results(namespace.finished(RUN)) == ["rejected: a person refused the call" if approving else "5"]


@pytest.mark.usefixtures("running_again")
@pytest.mark.parametrize(("choice", "read"), [("Approve", "5"), ("Reject", "rejected: a person refused the call")])
def test_a_person_decides_while_no_manager_lives(
    namespace: Namespace, script: Script, manager: Program, choice: str, read: str
) -> None:
    begin(namespace)
    asked(namespace)
    manager.kill()
    decide(namespace, choice)
    manager.start()
    assert results(namespace.finished(RUN, timeout_seconds=RECOVERY_SECONDS)) == [read]


POLICIES = [
    pytest.param({"action": "Require", "tools": ["a*"]}, True, "5", id="one that wants a signature"),
    pytest.param({"action": "Require", "tools": ["b*"]}, False, "5", id="one that is about other tools"),
    pytest.param(
        {"action": "Deny", "message": "Ask finance."},
        False,
        'rejected: ApprovalPolicy "strict" refuses the call: Ask finance.',
        id="one that denies",
    ),
]


@pytest.mark.parametrize(("spec", "is_asked", "read"), POLICIES)
def test_a_policy_tightens(
    namespace: Namespace, script: Script, spec: dict[str, Any], is_asked: bool, read: str
) -> None:
    namespace.apply(policy(**spec))
    namespace.wait("approvalpolicy/strict", "{.status.ready}", "true")
    begin(namespace, description="Adds.")
    if is_asked:
        decide(namespace, "Approve")
    assert results(namespace.finished(RUN)) == [read]
    assert len(namespace.list("hr")) == is_asked


def test_a_server_that_names_a_channel_asks_before_its_tools_are_called(namespace: Namespace, script: Script) -> None:
    """The predecessors' manifest: `approvalContactChannel` of an MCPServer, which means all of its tools."""
    script.answers = [asks(Ask("desk__greet", {"name": "Ada"})), "Greeted."]
    server = an_mcp_server("desk", **peers.over_stdio(), approvalContactChannel={"name": "ops"})
    namespace.apply(server, an_agent(mcpServers=refs("desk")), a_task())
    assert asked(namespace)["spec"]["request"]["subject"] == {"resource": "mcpservers", "name": "desk"}
    assert condition(namespace.get("mcpserver", "desk"), "Ready")["status"] == "True"
    decide(namespace, "Approve")
    assert results(namespace.finished(RUN)) == ["Hello, Ada!"]


def _down(call: Call) -> Answer:
    """A model that hands the question down to whom it can, and computes where it can do that itself."""
    if call.results:
        return "Done."
    if "add" in call.tools:
        return asks(Ask("add", {"a": 2, "b": 3}))
    [delegate] = [tool for tool in call.tools if tool.startswith("delegate_to_agent__")]
    return asks(Ask(delegate, {"message": "Add them up."}))


@pytest.fixture
def tree(namespace: Namespace, script: Script) -> Namespace:
    """A run, its run, and the run of that, whose call waits for a person."""
    script.respond = _down
    namespace.apply(
        a_builtin(requiresApproval=True),
        an_agent("leaf", tools=refs("add")),
        an_agent("middle", subAgents=refs("leaf")),
        an_agent(subAgents=refs("middle")),
        a_task(),
    )
    namespace.until(lambda: bool(namespace.list("hr")), watch="hr", what="the leaf asks")
    return namespace


def test_a_leaf_asks_and_the_tree_goes_on(tree: Namespace) -> None:
    [request] = tree.list("hr")
    decide(tree, "Approve", request["metadata"]["name"])
    tree.finished(RUN)
    assert {run["status"]["phase"] for run in tree.list("taskrun")} == {"FinalAnswer"}


def test_a_tree_is_cancelled_at_its_root_while_its_leaf_asks(tree: Namespace) -> None:
    [request] = tree.list("hr")
    tree.kubectl("patch", "taskrun", RUN, "--type=merge", "-p", '{"spec": {"cancel": true}}')
    tree.wait(f"hr/{request['metadata']['name']}", "{.status.phase}", "Withdrawn")
    tree.finished(RUN, "Cancelled")
    tree.until(
        lambda: {run["status"]["phase"] for run in tree.list("taskrun")} == {"Cancelled"},
        watch="taskrun",
        what="the whole tree is cancelled",
    )


def test_a_run_that_is_deleted_takes_its_request_along(namespace: Namespace, script: Script) -> None:
    begin(namespace)
    asked(namespace)
    namespace.kubectl("delete", "taskrun", RUN)
    namespace.kubectl("wait", "--for=delete", f"hr/{CALL}", "--timeout=60s")
