"""The manager is killed, as a node that goes down, in each phase of a run; its successor must end the run once.

After every kill the same holds: the conversation is intact, there is exactly one final answer, no message is doubled.
"""

from __future__ import annotations

from typing import Any

import pytest

from test.e2e.cluster import Namespace
from test.e2e.manifests import QUESTION, SYSTEM, a_secret, a_task, a_taskrun, an_agent, an_llm
from test.e2e.model import ANSWER, Failure, MockModel, Script
from test.e2e.processes import Program

RUN = "hello-world-task-1"
RECOVERY_SECONDS = 90.0
"""A successor may have to wait until the claim of the dead one runs out."""

pytestmark = pytest.mark.usefixtures("running_again")


@pytest.fixture
def script(namespace: Namespace, model: MockModel) -> Script:
    """The model of this test, with an LLM and an Agent that use it, both ready."""
    namespace.apply(a_secret(), an_llm(base_url=model.base_url, model=namespace.name), an_agent())
    namespace.wait("agent/my-assistant", "{.status.ready}", "true")
    return model[namespace.name]


def assert_answered_once(namespace: Namespace, run: dict[str, Any], answer: str = ANSWER) -> None:
    status = run["status"]
    assert [(message["role"], message["content"]) for message in status["contextWindow"]] == [
        ("system", SYSTEM),
        ("user", QUESTION),
        ("assistant", answer),
    ]
    assert (status["output"], status["messageCount"]) == (answer, 3)
    answered = [event for event in namespace.events("TaskRun", run["metadata"]["name"]) if event[1] == "LLMFinalAnswer"]
    assert len(answered) <= 1


def restart(manager: Program) -> None:
    manager.kill()
    manager.start()


def test_killed_while_a_run_waits_for_its_task(namespace: Namespace, script: Script, manager: Program) -> None:
    namespace.apply(a_taskrun("early", task="hello-world-task"))
    namespace.wait("taskrun/early", "{.status.phase}", "Pending")
    restart(manager)
    namespace.apply(a_task())
    assert_answered_once(namespace, namespace.finished("early", timeout_seconds=RECOVERY_SECONDS))


def test_killed_while_the_model_thinks(namespace: Namespace, script: Script, manager: Program) -> None:
    with script.held():
        namespace.apply(a_task())
        script.wait_for_call()
        assert namespace.get("taskrun", RUN)["status"]["phase"] == "SendContextWindowToLLM"
        restart(manager)
        script.wait_for_call(timeout_seconds=RECOVERY_SECONDS)
    assert_answered_once(namespace, namespace.finished(RUN, timeout_seconds=RECOVERY_SECONDS))
    first, *again = script.calls
    assert again, "the call that nobody waits for any more is made again"
    assert all(call.body["messages"] == first.body["messages"] for call in again)


def test_killed_twice_while_the_model_thinks(namespace: Namespace, script: Script, manager: Program) -> None:
    with script.held():
        namespace.apply(a_task())
        for _ in range(2):
            script.wait_for_call(timeout_seconds=RECOVERY_SECONDS)
            restart(manager)
        script.wait_for_call(timeout_seconds=RECOVERY_SECONDS)
    assert_answered_once(namespace, namespace.finished(RUN, timeout_seconds=RECOVERY_SECONDS))


def test_killed_while_a_run_backs_off(namespace: Namespace, script: Script, manager: Program) -> None:
    script.answers = [Failure(503)] * 4  # pauses grow: some are longer than kubectl takes to look
    namespace.apply(a_task())
    namespace.until(
        lambda: any(run.get("status", {}).get("phase") == "ErrorBackoff" for run in namespace.list("taskrun")),
        watch="taskrun",
        what="the run backs off",
    )
    restart(manager)
    assert_answered_once(namespace, namespace.finished(RUN, timeout_seconds=RECOVERY_SECONDS))


@pytest.mark.parametrize("phase", ["", "Initializing", "ReadyForLLM", "SendContextWindowToLLM", "FinalAnswer"])
def test_killed_as_soon_as_a_phase_is_seen(namespace: Namespace, script: Script, manager: Program, phase: str) -> None:
    """Where exactly the kill falls is chance: phases pass in milliseconds. What must hold holds anywhere."""
    order = ["", "Initializing", "Pending", "ReadyForLLM", "SendContextWindowToLLM", "FinalAnswer"]

    def reached() -> bool:
        phases = [run.get("status", {}).get("phase", "") for run in namespace.list("taskrun")]
        return any(order.index(each) >= order.index(phase) for each in phases)

    namespace.apply(a_task())
    namespace.until(reached, watch="taskrun", what=f"phase {phase}")
    restart(manager)
    assert_answered_once(namespace, namespace.finished(RUN, timeout_seconds=RECOVERY_SECONDS))


def test_killed_while_nothing_is_ready_yet(namespace: Namespace, model: MockModel, manager: Program) -> None:
    namespace.apply(a_task(), an_agent(), an_llm(base_url=model.base_url))
    namespace.wait("task/hello-world-task", "{.status.status}", "Error")
    manager.kill()
    namespace.apply(a_secret())
    manager.start()
    assert_answered_once(namespace, namespace.finished(RUN, timeout_seconds=RECOVERY_SECONDS))


def test_killed_in_the_middle_of_many_runs(namespace: Namespace, script: Script, manager: Program) -> None:
    count = 20
    with script.held():
        namespace.apply(*(a_task(f"task-{number}") for number in range(count)))
        for _ in range(count // 2):
            script.wait_for_call()
        restart(manager)
    for number in range(count):
        run = namespace.finished(f"task-{number}-1", timeout_seconds=RECOVERY_SECONDS)
        assert_answered_once(namespace, run)
    assert len(namespace.list("taskrun")) == count


def test_what_is_done_is_not_done_again(namespace: Namespace, script: Script, manager: Program) -> None:
    namespace.apply(a_task())
    before = namespace.finished(RUN)
    namespace.wait("task/hello-world-task", "{.status.output}", ANSWER)
    versions = {obj["metadata"]["name"]: obj["metadata"]["resourceVersion"] for obj in namespace.list("llm,agent,task")}
    restart(manager)
    namespace.apply(a_taskrun("another", task="hello-world-task"))
    namespace.finished("another")
    assert namespace.get("taskrun", RUN) == before
    after = {obj["metadata"]["name"]: obj["metadata"]["resourceVersion"] for obj in namespace.list("llm,agent")}
    assert after.items() <= versions.items(), "a restart writes nothing about what has not changed"
    assert len(script.calls) == 2
