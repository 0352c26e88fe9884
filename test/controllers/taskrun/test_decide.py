"""What a run does next, phase by phase."""

from __future__ import annotations

from typing import Any

import pytest

from kubechain.api.agent import AgentLimits
from kubechain.api.conditions import RUN_CREATED
from kubechain.api.meta import Condition, StatusType
from kubechain.api.references import LocalObjectReference
from kubechain.api.taskrun import PendingToolCall, TaskRunPhase
from kubechain.api.usage import Usage
from kubechain.controllers import frame
from kubechain.controllers.continued import LOOK_AGAIN_SECONDS
from kubechain.controllers.frame import Done
from kubechain.controllers.taskrun import conversation, ends
from kubechain.controllers.taskrun.claims import LEFT_OVER_SECONDS
from kubechain.controllers.taskrun.decide import decide, seconds_to_deadline
from kubechain.controllers.taskrun.effects import tool_call
from kubechain.controllers.taskrun.fallbacks import Choice
from kubechain.controllers.taskrun.steps import Begin, Cancel, Confirm, CreateToolCalls, Delete, Fail, SendToLLM, Wait
from test.controllers.builders import (
    NOW,
    QUESTION,
    a_claim,
    a_run,
    a_task,
    an_agent,
    an_llm,
    later,
    messages,
    meta,
    observed,
)

P = TaskRunPhase
TERMINAL = (P.FINAL_ANSWER, P.FAILED, P.CANCELLED)
OTHER_AGENT = {"agent_ref": LocalObjectReference(name="other")}


def sends(turn: int, attempt: int) -> SendToLLM:
    return SendToLLM(turn, attempt, Choice(an_llm()))


def foreign_run(**spec: Any) -> Any:
    """A run that a person made, so that no Task owns it."""
    return a_run(spec=spec).model_copy(update={"metadata": meta("by-hand")})


def missing(kind: str, name: str) -> Wait:
    return Wait(f'Waiting for {kind} "{name}" to exist: create it, or name another one')


@pytest.mark.parametrize(
    ("world", "wait"),
    [
        pytest.param({"task": None}, Wait('Waiting for task "hello" to exist'), id="the task is missing"),
        pytest.param({"agent": None}, missing("agent", "my-assistant"), id="the agent is missing"),
        pytest.param(
            {"agent": an_agent(status=StatusType.ERROR).with_status(status_detail='LLM "x" not found')},
            Wait('Waiting for agent "my-assistant" to become ready: LLM "x" not found', is_broken=True),
            id="the agent is broken",
        ),
        pytest.param({"llm": None}, missing("LLM", "gpt-4o"), id="the LLM is missing"),
        pytest.param(
            {"llm": an_llm(status=StatusType.PENDING)},
            Wait('Waiting for LLM "gpt-4o" to become ready: as it is'),
            id="the LLM is not ready",
        ),
    ],
)
@pytest.mark.parametrize("phase", [None, P.INITIALIZING, P.PENDING])
def test_a_run_that_has_not_begun_says_what_it_waits_for(
    phase: TaskRunPhase | None, world: dict[str, Any], wait: Wait
) -> None:
    assert decide(observed(a_run(phase=phase), **world)) == wait


def test_a_rerun_waits_for_its_task() -> None:
    waiting = observed(foreign_run(), task=a_task(status=StatusType.PENDING))
    assert decide(waiting) == Wait('Waiting for task "hello" to become ready')


def test_a_rerun_says_why_its_task_cannot_become_ready() -> None:
    task = a_task(status=StatusType.ERROR).with_status(status_detail="the name is taken")
    wait = Wait('Waiting for task "hello" to become ready: the name is taken', is_broken=True)
    assert decide(observed(foreign_run(), task=task)) == wait


def test_a_rerun_does_not_wait_for_the_runs_before_it() -> None:
    condition = Condition(type=RUN_CREATED, status="True", reason="TaskRunCreated", last_transition_time=NOW)
    failed = a_task(status=StatusType.ERROR).with_status(conditions=(condition,))
    assert isinstance(decide(observed(foreign_run(), task=failed)), Begin)


def test_the_first_run_does_not_wait_for_the_task_that_made_it() -> None:
    assert isinstance(decide(observed(a_run(), task=a_task(status=None))), Begin)


def test_a_run_begins_with_the_agents_prompt_and_the_tasks_message() -> None:
    step = decide(observed(a_run()))
    assert isinstance(step, Begin)
    assert step.transcript.messages == messages("You are helpful.", QUESTION)
    assert (step.pinned.agent_name, step.pinned.agent_generation) == ("my-assistant", 1)
    assert (step.pinned.llm_name, step.pinned.llm_generation) == ("gpt-4o", 1)


def test_goal_and_past_follow_the_message_under_plain_headings() -> None:
    task = a_task(goal="Find it.", everything_that_happened_so_far=("We landed.", "We looked."))
    step = decide(observed(a_run(), task=task))
    assert isinstance(step, Begin)
    assert step.transcript.messages[-1].content == (
        f"{QUESTION}\n\nGoal:\nFind it.\n\nEverything that happened so far:\nWe landed.\nWe looked."
    )


def test_the_runs_own_message_overrides_the_tasks() -> None:
    step = decide(observed(a_run(spec={"user_message": "And of Mars?"})))
    assert isinstance(step, Begin)
    assert step.transcript.messages[-1].content == "And of Mars?"


def test_a_continued_conversation_keeps_its_own_prompt() -> None:
    earlier = messages("You are curt.", "Hi", "Yes?")
    step = decide(observed(a_run(spec={"context_window": earlier, "user_message": "Bye"})))
    assert isinstance(step, Begin)
    assert [message.content for message in step.transcript.messages] == ["You are curt.", "Hi", "Yes?", "Bye"]


def test_a_message_that_no_server_could_store_fails_the_run_with_its_size() -> None:
    step = decide(observed(a_run(), task=a_task(message="x" * (conversation.CONTEXT_WINDOW_MAX_BYTES + 1))))
    assert isinstance(step, Fail)
    assert step.reason == "ContextWindowTooLarge"
    assert str(conversation.CONTEXT_WINDOW_MAX_BYTES) in step.message


@pytest.mark.parametrize("phase", TERMINAL)
def test_a_finished_run_rests_whatever_happens_around_it(phase: TaskRunPhase) -> None:
    run = a_run(phase=phase, spec={"cancel": True, "active_deadline_seconds": 1})
    assert decide(observed(run, agent=None, llm=None, task=None, now=later(100))) == Done()


@pytest.mark.parametrize("phase", TERMINAL)
def test_a_finished_run_whose_spec_is_edited_says_that_it_was_seen(phase: TaskRunPhase) -> None:
    run = a_run(phase=phase, completion_time=NOW, observed_generation=1, spec={"ttl_seconds_after_finished": 10})
    edited = run.model_copy(update={"metadata": run.metadata.with_changes(generation=2)})
    assert decide(observed(edited)) == Confirm()
    seen = frame.next_version(edited, ends.confirmed(edited))
    assert decide(observed(seen)) == Done(10.0)
    assert seen.status.observed_generation == 2


def test_an_end_that_an_earlier_release_wrote_is_not_written_again() -> None:
    run = a_run(phase=P.FINAL_ANSWER, completion_time=NOW)
    assert decide(observed(run)) == Done()


def test_a_finished_run_is_deleted_when_its_time_is_over_and_not_before() -> None:
    run = a_run(phase=P.FINAL_ANSWER, completion_time=NOW)
    task = a_task(ttl_seconds_after_finished=10)
    assert decide(observed(run, task=task, now=later(4))) == Done(6.0)
    assert decide(observed(run, task=task, now=later(10))) == Delete()


def test_a_finished_run_that_another_one_waits_to_continue_is_looked_at_again_when_its_time_is_over() -> None:
    run = a_run(phase=P.FINAL_ANSWER, completion_time=NOW)
    task = a_task(ttl_seconds_after_finished=10)
    assert decide(observed(run, task=task, now=later(4), is_awaited=True)) == Done(6.0)
    assert decide(observed(run, task=task, now=later(10), is_awaited=True)) == Done(LOOK_AGAIN_SECONDS)


def test_the_runs_own_time_to_live_overrides_the_tasks() -> None:
    run = a_run(phase=P.FAILED, completion_time=NOW, spec={"ttl_seconds_after_finished": 0})
    assert decide(observed(run, task=a_task(ttl_seconds_after_finished=10))) == Delete()


@pytest.mark.parametrize("phase", [None, *(phase for phase in P if phase not in TERMINAL)])
def test_cancel_comes_before_everything_else(phase: TaskRunPhase | None) -> None:
    run = a_run(phase=phase, spec={"cancel": True})
    assert decide(observed(run, agent=None, llm=None, task=None, holder_gone_in_seconds=9)) == Cancel()


@pytest.mark.parametrize("phase", [P.READY_FOR_LLM, P.SEND_CONTEXT_WINDOW_TO_LLM, P.ERROR_BACKOFF])
def test_a_run_past_its_deadline_fails(phase: TaskRunPhase) -> None:
    step = decide(observed(a_run(phase=phase), task=a_task(active_deadline_seconds=10), now=later(10)))
    assert step == Fail("DeadlineExceeded", "the run took longer than 10 seconds")


@pytest.mark.parametrize("phase", TERMINAL)
def test_a_finished_run_has_no_deadline_that_would_wake_it_again_and_again(phase: TaskRunPhase) -> None:
    run = a_run(phase=phase, spec={"active_deadline_seconds": 10}, completion_time=later(5))
    assert seconds_to_deadline(observed(run, now=later(60))) is None


def test_the_runs_own_deadline_overrides_the_tasks() -> None:
    run = a_run(phase=P.READY_FOR_LLM, spec={"active_deadline_seconds": 60})
    step = decide(observed(run, task=a_task(active_deadline_seconds=10), now=later(10)))
    assert step == sends(turn=0, attempt=0)


@pytest.mark.parametrize(
    "world",
    [
        pytest.param({"agent": None}, id="the agent was deleted"),
        pytest.param({"agent": an_agent(status=StatusType.ERROR)}, id="the agent turned not ready"),
        pytest.param({"task": None}, id="the task was deleted"),
    ],
)
def test_a_conversation_that_has_begun_goes_on_without(world: dict[str, Any]) -> None:
    assert decide(observed(a_run(phase=P.READY_FOR_LLM, turn=3), **world)) == sends(turn=3, attempt=0)


@pytest.mark.parametrize("llm", [None, an_llm(status=StatusType.ERROR)])
def test_a_conversation_that_has_begun_waits_for_its_llm(llm: Any) -> None:
    assert isinstance(decide(observed(a_run(phase=P.READY_FOR_LLM), llm=llm)), Wait)


def test_a_claim_of_a_living_process_is_left_alone() -> None:
    run = a_run(phase=P.SEND_CONTEXT_WINDOW_TO_LLM, llm=a_claim(holder="pod-b_other"))
    assert decide(observed(run, holder_gone_in_seconds=7.5)) == Done(7.5)


def test_a_claim_of_a_dead_process_is_taken_over_with_the_next_attempt() -> None:
    run = a_run(phase=P.SEND_CONTEXT_WINDOW_TO_LLM, turn=2, llm=a_claim(holder="pod-b_other", turn=2))
    assert decide(observed(run)) == sends(turn=2, attempt=1)


@pytest.mark.parametrize(("attempt", "pause"), [(1, 2), (4, 16), (40, 60)])
def test_take_overs_of_the_same_turn_slow_down(attempt: int, pause: int) -> None:
    run = a_run(phase=P.SEND_CONTEXT_WINDOW_TO_LLM, llm=a_claim(holder="pod-b_other", attempt=attempt))
    assert decide(observed(run, now=later(pause - 1))) == Done(1.0)
    assert decide(observed(run, now=later(pause))) == sends(turn=0, attempt=attempt + 1)


def test_a_failed_call_is_repeated_when_its_time_has_come_and_not_before() -> None:
    run = a_run(phase=P.ERROR_BACKOFF, llm=a_claim(attempt=1), next_attempt_at=later(4))
    assert decide(observed(run)) == Done(4.0)
    assert decide(observed(run, now=later(4))) == sends(turn=0, attempt=2)


@pytest.mark.parametrize(
    ("limits", "status", "message"),
    [
        pytest.param({"max_turns": 3}, {"turn": 3}, "the run reached its limit of 3 turns", id="turns"),
        pytest.param(
            {"max_tokens": 100},
            {"usage": Usage(total_tokens=100)},
            "the run reached its limit of 100 tokens",
            id="tokens",
        ),
    ],
)
def test_a_cap_ends_the_run_before_the_next_call(limits: dict[str, Any], status: dict[str, Any], message: str) -> None:
    world = observed(a_run(phase=P.READY_FOR_LLM, **status), agent=an_agent(limits=AgentLimits(**limits)))
    assert decide(world) == Fail("LimitExceeded", message)


def test_every_call_of_a_turn_gets_an_object() -> None:
    pending = tuple(
        PendingToolCall(idx=idx, tool_call_id=f"call_{idx}", name=name, arguments="", args_sha="sha")
        for idx, name in enumerate(("frobnicate", "launch"))
    )
    step = decide(observed(a_run(phase=P.TOOL_CALLS_PENDING, pending_turn=pending)))
    assert step == CreateToolCalls(pending)


@pytest.mark.parametrize(
    ("owner_name", "step"),
    [
        pytest.param("hello-1", Done(LEFT_OVER_SECONDS), id="an earlier run of the same name: it goes"),
        pytest.param(
            "other-1",
            Fail("ToolCallNameTaken", 'TaskRunToolCall "hello-1-t0-c0" exists already and does not belong to this run'),
            id="another run: it stays",
        ),
    ],
)
def test_a_tool_call_of_another_run_is_never_taken_for_ones_own(owner_name: str, step: Done | Fail) -> None:
    pending = PendingToolCall(idx=0, tool_call_id="call_1", name="launch", arguments="", args_sha="sha")
    run = a_run(phase=P.TOOL_CALLS_PENDING, pending_turn=(pending,))
    other = run.model_copy(update={"metadata": meta(owner_name, uid="33333333-3333-3333-3333-333333333333")})
    call = tool_call(other, pending)
    found = call.model_copy(update={"metadata": call.metadata.model_copy(update={"name": "hello-1-t0-c0"})})
    assert decide(observed(run, calls={"hello-1-t0-c0": found})) == step


def test_every_phase_is_decided() -> None:
    for phase in P:
        assert decide(observed(a_run(phase=phase, llm=a_claim()), now=NOW)) is not None
