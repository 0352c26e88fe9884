"""Agents that ask people, and people who answer with kubectl or with our command: questions and unknown outcomes."""

from __future__ import annotations

import re
import shlex
from typing import Any

import pytest

from test.e2e.cluster import Namespace, table
from test.e2e.manifests import a_task, an_agent, an_api_tool, refs
from test.e2e.model import Ask, Script, asks
from test.e2e.processes import Program
from test.e2e.servers.endpoint import Endpoint
from test.e2e.test_deciding import kubechain

RUN = "hello-world-task-1"
CALL = f"{RUN}-t0-c0"
RECOVERY_SECONDS = 90.0
"""A successor may have to wait until the claim of the dead one runs out."""

pytestmark = pytest.mark.usefixtures("running_again")


def tool_answers(run: dict[str, Any]) -> list[str]:
    return [message["content"] for message in run["status"]["contextWindow"] if message["role"] == "tool"]


def an_asking_agent(script: Script) -> tuple[dict[str, Any], dict[str, Any]]:
    """An Agent that may ask, with a Task of which its model asks."""
    script.answers = [asks(Ask("ask_human", {"message": "Which region?"})), "Done."]
    return an_agent(askHuman=True), a_task()


def printed_command(namespace: Namespace, request: str, wanted: str = "InputRequested") -> list[str]:
    """The kubectl command that an event of the request prints, as words."""
    namespace.until(lambda: bool(namespace.events("HumanRequest", request)), watch="events", what="the command")
    [message] = [text for _, reason, text, _ in namespace.events("HumanRequest", request) if reason == wanted]
    return shlex.split(re.sub(r"^[^:]*: kubectl ", "", message))


def an_asking_tool(script: Script, endpoint: Endpoint) -> list[dict[str, Any]]:
    """A tool that acts outside and takes its time, with a Task of which the model calls it."""
    script.answers = [asks(Ask("pay", {"text": "rent"})), "Done."]
    tool = an_api_tool("pay", url=endpoint.url("/hold"))
    tool["spec"]["onUnknownOutcome"] = "Ask"
    return [tool, an_agent(tools=refs("pay")), a_task()]


def kill_in_the_call(namespace: Namespace, script: Script, endpoint: Endpoint, manager: Program) -> None:
    """Kill the manager while a call goes on, and start another one that asks what became of it."""
    namespace.apply(*an_asking_tool(script, endpoint))
    endpoint.wait_for_hit()
    manager.kill()
    endpoint.gate.set()
    manager.start()
    namespace.wait(f"hr/{CALL}", "{.status.phase}", "Open", timeout_seconds=RECOVERY_SECONDS)


def test_a_question_is_answered_by_the_kubectl_command_that_is_printed(namespace: Namespace, script: Script) -> None:
    namespace.apply(*an_asking_agent(script))
    namespace.wait(f"trtc/{CALL}", "{.status.phase}", "AwaitingHumanInput")
    namespace.wait(f"hr/{CALL}", "{.status.phase}", "Open")
    [row] = table(namespace.kubectl("get", "hr").out)
    assert (row["TYPE"], row["SUBJECT"], row["TASKRUN"], row["PHASE"]) == (
        "Question",
        "my-assistant",
        RUN,
        "Open",
    )
    described = namespace.kubectl("describe", "hr", CALL).out
    assert "Which region?" in described
    assert f"kubechain answer {CALL} -n {namespace.name} --text TEXT" in described
    command = [word.replace("TEXT", "eu-west-1") for word in printed_command(namespace, CALL)]
    namespace.cluster.kubectl(*command)
    assert tool_answers(namespace.finished(RUN)) == ["eu-west-1"]
    namespace.wait(f"hr/{CALL}", "{.status.phase}", "Decided")
    assert namespace.get("trtc", CALL)["status"]["input"]["choice"] == "Answer"


@pytest.mark.parametrize(
    ("typed", "heard"),
    [
        pytest.param(("--text", "eu-west-1"), "eu-west-1", id="answered"),
        pytest.param(("--reject", "--comment", "Not today."), "rejected: Not today.", id="declined"),
    ],
)
def test_a_question_is_answered_by_our_command(
    namespace: Namespace, script: Script, typed: tuple[str, ...], heard: str
) -> None:
    namespace.apply(*an_asking_agent(script))
    namespace.wait(f"hr/{CALL}", "{.status.phase}", "Open")
    kubechain(namespace, "answer", CALL, *typed)
    assert tool_answers(namespace.finished(RUN)) == [heard]


def test_a_question_outlives_its_manager_and_is_asked_once(
    namespace: Namespace, script: Script, manager: Program
) -> None:
    namespace.apply(*an_asking_agent(script))
    namespace.wait(f"hr/{CALL}", "{.status.phase}", "Open")
    asked = namespace.get("hr", CALL)["metadata"]["uid"]
    manager.kill()
    kubechain(namespace, "answer", CALL, "--text", "eu-west-1")
    manager.start()
    assert tool_answers(namespace.finished(RUN, timeout_seconds=RECOVERY_SECONDS)) == ["eu-west-1"]
    assert [request["metadata"]["uid"] for request in namespace.list("hr")] == [asked]


def test_a_question_is_withdrawn_with_its_run(namespace: Namespace, script: Script) -> None:
    namespace.apply(*an_asking_agent(script))
    namespace.wait(f"hr/{CALL}", "{.status.phase}", "Open")
    namespace.kubectl("patch", "taskrun", RUN, "--type=merge", "-p", '{"spec":{"cancel":true}}')
    namespace.wait(f"hr/{CALL}", "{.status.phase}", "Withdrawn")
    command = printed_command(namespace, CALL)
    assert "nobody waits for a decision" in namespace.cluster.kubectl(*command, fails=True).err


@pytest.mark.parametrize(
    ("typed", "phase", "heard", "calls"),
    [
        pytest.param(("--happened", "paid, as the bank says"), "Succeeded", "paid, as the bank says", 1, id="happened"),
        pytest.param(("--did-not-happen",), "Succeeded", '{"did": "rent"}', 2, id="did not happen"),
        pytest.param(("--unknown",), "OutcomeUnknown", "a person was asked, and does not know either", 1, id="unknown"),
    ],
)
def test_a_person_says_what_became_of_a_call_whose_manager_was_killed(
    namespace: Namespace,
    script: Script,
    endpoint: Endpoint,
    manager: Program,
    typed: tuple[str, ...],
    phase: str,
    heard: str,
    calls: int,
) -> None:
    kill_in_the_call(namespace, script, endpoint, manager)
    [row] = table(namespace.kubectl("get", "hr").out)
    assert (row["TYPE"], row["SUBJECT"], row["TOOL"]) == ("Outcome", "pay", "pay")
    assert f"kubechain answer {CALL} -n {namespace.name} {typed[0]}" in namespace.kubectl("describe", "hr", CALL).out
    kubechain(namespace, "answer", CALL, *typed)
    [answer] = tool_answers(namespace.finished(RUN))
    assert heard in answer
    assert namespace.get("trtc", CALL)["status"]["phase"] == phase
    assert len(endpoint.hits) == calls
    assert len({hit.key for hit in endpoint.hits}) == 1
    namespace.wait(f"hr/{CALL}", "{.status.phase}", "Decided")


def test_an_outcome_is_told_by_the_kubectl_command_that_is_printed(
    namespace: Namespace, script: Script, endpoint: Endpoint, manager: Program
) -> None:
    kill_in_the_call(namespace, script, endpoint, manager)
    namespace.cluster.kubectl(*(word.replace("RESULT", "paid") for word in printed_command(namespace, CALL)))
    assert tool_answers(namespace.finished(RUN)) == ["paid"]
