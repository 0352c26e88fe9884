"""What runs and calls wait for, in each phase, and the command that ends the wait."""

from __future__ import annotations

from typing import Any

import pytest

from kubechain.api.humanrequest import HumanRequest
from kubechain.api.taskrun import TaskRun, TaskRunPhase
from kubechain.api.taskruntoolcall import TaskRunToolCall, ToolCallPhase
from kubechain.views.gathered import Gathered
from kubechain.views.story import Wait, WaitKind
from kubechain.views.telling import story_of
from test.views.builders import NOW, SYSTEM, a_call, a_request, a_run, answer, at, user

DIGEST = "sha256:" + "0" * 64


def asking(*calls: str, **status: Any) -> TaskRun:
    """A run whose model asks for calls of `rm` with these ids."""
    window = [SYSTEM, user("Tidy up."), answer("", *((id, "rm", '{"repo": "old"}') for id in calls))]
    return a_run(phase="ToolCallsPending", contextWindow=window, **status)


def waits(run: TaskRun, *calls: TaskRunToolCall, requests: tuple[HumanRequest, ...] = ()) -> tuple[Wait, ...]:
    return story_of(Gathered(run, calls, requests)).waits


APPROVAL = {"digest": DIGEST, "requestName": "hello-1-t0-c0", "expiresAt": at(3600)}

RUNS: dict[str, tuple[TaskRun, WaitKind, str, str]] = {
    "a run that no manager has seen": (
        a_run(),
        WaitKind.MANAGER,
        "for a manager: none has seen the run yet",
        "kubectl get pods -A -l app.kubernetes.io/name=kubechain",
    ),
    "an agent that does not exist": (
        a_run(phase="Pending", pinned=None, statusDetail='Waiting for agent "helper" to exist: create it'),
        WaitKind.OBJECT,
        'for agent "helper" to exist: create it',
        "kubechain explain agent/helper",
    ),
    "a place in the queue of a model": (
        a_run(phase="ReadyForLLM", ready=False, statusDetail='Waiting for LLM "gpt": 3 runs are before it'),
        WaitKind.QUEUE,
        'for LLM "gpt": 3 runs are before it',
        "kubechain explain llm/gpt",
    ),
    "a failure that may pass": (
        a_run(phase="ErrorBackoff", error="HTTP 503: busy", nextAttemptAt=at(5)),
        WaitKind.RETRY,
        "to call the model again after a failure: HTTP 503: busy",
        "kubechain explain llm/gpt",
    ),
    "a person, about a limit": (
        a_run(
            phase="ReadyForLLM",
            budgetRequests=[
                {
                    "digest": DIGEST,
                    "requestName": "hello-1-budget-1",
                    "reached": [{"limit": "maxTurns", "allowed": 100, "used": 100, "offered": 100}],
                }
            ],
        ),
        WaitKind.PERSON,
        "for a person to add to a limit of the run: 100 of 100 maxTurns are used",
        "kubechain answer hello-1-budget-1 --add turns=10",
    ),
    "a person, about a Budget of the namespace": (
        a_run(
            phase="ReadyForLLM",
            waitingForBudget="team",
            budgetRequests=[
                {
                    "digest": DIGEST,
                    "requestName": "hello-1-budget-1",
                    "reached": [{"limit": "maxTokens", "allowed": 100, "used": 100, "offered": 10}],
                    "budget": {"name": "team"},
                }
            ],
        ),
        WaitKind.PERSON,
        'for a person to let it spend more: Budget "team" is spent',
        "kubechain approve hello-1-budget-1",
    ),
    "calls that have no object": (
        asking(
            "c1",
            pendingTurn=[{"idx": 0, "toolCallId": "c1", "name": "rm", "argsSha": ""}],
            statusDetail="quota exceeded; trying again",
        ),
        WaitKind.TOOL,
        "for its tool calls: (quota exceeded; trying again)",
        "kubectl describe taskrun hello-1",
    ),
    "a cancellation that no manager has seen": (
        a_run(phase="ReadyForLLM", spec={"cancel": True}),
        WaitKind.CANCELLATION,
        "to be cancelled",
        "kubectl get pods -A -l app.kubernetes.io/name=kubechain",
    ),
}


@pytest.mark.parametrize("case", RUNS)
def test_a_run_waits_for(case: str) -> None:
    run, kind, what, command = RUNS[case]
    [wait] = waits(run)
    assert (wait.kind, wait.what, wait.commands[0]) == (kind, what, command)
    assert wait.who == "taskrun/hello-1"


@pytest.mark.parametrize(
    ("claimed", "llm"),
    [
        pytest.param({}, "gpt", id="its own LLM"),
        pytest.param({"llmName": "spare"}, "spare", id="a fallback, or who writes the summary"),
    ],
)
def test_a_run_waits_for_the_model_that_it_calls(claimed: dict[str, str], llm: str) -> None:
    claim = claimed | {
        "turn": 1,
        "attempt": 2,
        "token": "t",
        "holder": "pod-a",
        "startedAt": at(-4),
        "deadline": at(296),
    }
    [wait] = waits(a_run(phase="SendContextWindowToLLM", llm=claim))
    assert wait.what == f'for the answer of LLM "{llm}" (turn 2, attempt 3)'
    assert wait.since is not None
    assert wait.until is not None
    assert ((NOW - wait.since).total_seconds(), (wait.until - NOW).total_seconds()) == (4, 296)


@pytest.mark.parametrize("phase", [phase for phase in TaskRunPhase if phase.is_terminal])
def test_a_run_that_is_over_waits_for_nothing(phase: TaskRunPhase) -> None:
    assert waits(a_run(phase=phase, spec={"cancel": True})) == ()


CALLS: dict[str, tuple[dict[str, Any], WaitKind, str, str]] = {
    "an approval": (
        {"phase": "AwaitingHumanApproval", "approval": APPROVAL},
        WaitKind.PERSON,
        'for a person to approve a call of rm {"repo": "old"}',
        "kubechain approve hello-1-t0-c0",
    ),
    "an answer": (
        {"phase": "AwaitingHumanInput", "input": {**APPROVAL, "type": "Question"}},
        WaitKind.PERSON,
        "for a person to answer a question of rm: Which one?",
        "kubechain answer hello-1-t0-c0 --text TEXT",
    ),
    "what became of it": (
        {"phase": "AwaitingHumanInput", "input": {**APPROVAL, "type": "Outcome"}},
        WaitKind.PERSON,
        "for a person to say what became of a call of rm: Which one?",
        "kubechain answer hello-1-t0-c0 --happened RESULT",
    ),
    "a server": (
        {"phase": "Pending", "statusDetail": 'Waiting for MCP server "s"'},
        WaitKind.OBJECT,
        'with rm: Waiting for MCP server "s"',
        "kubectl describe trtc hello-1-t0-c0",
    ),
    "a request that is refused": (
        {"phase": "ErrorRequestingHumanApproval", "statusDetail": "forbidden"},
        WaitKind.OBJECT,
        "with rm: forbidden",
        "kubectl describe trtc hello-1-t0-c0",
    ),
}


@pytest.mark.parametrize("case", CALLS)
def test_a_call_waits_for(case: str) -> None:
    status, kind, what, command = CALLS[case]
    call = a_call("hello-1-t0-c0", "c1", "rm", arguments='{"repo": "old"}', **status)
    [wait] = waits(asking("c1"), call, requests=(a_request("hello-1-t0-c0", "Question", message="Which one?"),))
    assert (wait.kind, wait.what, wait.commands[0]) == (kind, what, command)
    assert wait.who == "taskruntoolcall/hello-1-t0-c0"


def test_a_tool_that_runs_has_its_deadline() -> None:
    execution = {
        "attempt": 0,
        "token": "t",
        "holder": "pod-a",
        "semantics": "AtMostOnce",
        "startedAt": at(-2),
        "deadline": at(58),
    }
    [wait] = waits(asking("c1"), a_call("hello-1-t0-c0", "c1", "rm", phase="Running", execution=execution))
    assert (wait.kind, wait.what) == (WaitKind.TOOL, "for rm")
    assert wait.until is not None


@pytest.mark.parametrize("phase", [phase for phase in ToolCallPhase if phase.is_terminal])
def test_a_call_that_is_over_waits_for_nothing(phase: ToolCallPhase) -> None:
    done = a_call("hello-1-t0-c0", "c1", "rm", phase=phase)
    open_ = a_call("hello-1-t0-c1", "c2", "rm", phase="AwaitingHumanApproval", approval=APPROVAL)
    assert [wait.who for wait in waits(asking("c1", "c2"), done, open_)] == ["taskruntoolcall/hello-1-t0-c1"]


def test_the_wait_of_another_agents_run_is_that_of_the_run_above() -> None:
    child = a_run("hello-1-t0-c0-run", phase="ErrorBackoff", error="HTTP 529")
    call = a_call("hello-1-t0-c0", "c1", "delegate", type="delegateToAgent", phase="AwaitingSubAgent")
    story = story_of(Gathered(asking("c1"), (call,), children={"hello-1-t0-c0": Gathered(child)}))
    [wait] = story.waits
    assert (wait.who, wait.kind) == ("taskrun/hello-1-t0-c0-run", WaitKind.RETRY)


def test_only_people_move_a_run_whose_open_calls_all_wait_for_them() -> None:
    asked = a_call("hello-1-t0-c0", "c1", "rm", phase="AwaitingHumanApproval", approval=APPROVAL)
    running = a_call("hello-1-t0-c1", "c2", "rm", phase="Running")
    assert story_of(Gathered(asking("c1", "c2"), (asked,))).waits_for_people_alone
    assert not story_of(Gathered(asking("c1", "c2"), (asked, running))).waits_for_people_alone
    assert not story_of(Gathered(a_run(phase="FinalAnswer"))).waits_for_people_alone
