"""What a run copies of the one that it continues, and why it cannot begin."""

from __future__ import annotations

from typing import Any

import pytest

from kubechain.api.context import RunContext, Summary
from kubechain.api.continuation import ContinueFrom
from kubechain.api.message import Message
from kubechain.api.meta import StatusType
from kubechain.api.references import LocalObjectReference
from kubechain.api.taskrun import PendingToolCall, TaskRun, TaskRunPhase
from kubechain.api.taskruntoolcall import TaskRunToolCall, ToolCallPhase
from kubechain.controllers.taskrun.continuation import NEVER_ENDED
from kubechain.controllers.taskrun.decide import decide
from kubechain.controllers.taskrun.effects import tool_call
from kubechain.controllers.taskrun.sources import Source
from kubechain.controllers.taskrun.steps import Begin, Fail, Wait
from test.controllers.builders import (
    NOW,
    QUESTION,
    a_call,
    a_run,
    an_agent,
    an_llm,
    later,
    messages,
    meta,
    observed,
)

P = TaskRunPhase
TALK = messages("You are helpful.", QUESTION, "It has none.")
AGENT = {"task_ref": None, "agent_ref": LocalObjectReference(name="my-assistant")}


def the_source(phase: TaskRunPhase = P.FINAL_ANSWER, talk: tuple[Message, ...] = TALK, **status: Any) -> TaskRun:
    return a_run("first", phase=phase, context_window=talk, completion_time=NOW, **status)


def more(text: str | None = "And of Mars?", before_turn: int | None = None, **spec: Any) -> TaskRun:
    """A run that continues the one named `first`."""
    source = ContinueFrom(name="first", before_turn=before_turn)
    values = {**AGENT, "user_message": text, "continue_from": source} | spec
    return a_run("more", spec=values).model_copy(update={"metadata": meta("more")})


def decided(run: TaskRun, source: Source | None, **changes: Any) -> Any:
    return decide(observed(run, task=None, source=source, **changes))


def begun(run: TaskRun, source: Source, **changes: Any) -> Begin:
    step = decided(run, source, **changes)
    assert isinstance(step, Begin)
    return step


def texts(step: Begin) -> list[str]:
    return [message.content for message in step.transcript.messages]


def test_the_whole_conversation_is_copied_and_the_question_comes_after_it() -> None:
    source = the_source()
    step = begun(more(), Source(source))
    assert step.transcript.messages == (*TALK, Message(role="user", content="And of Mars?"))
    assert step.continued is not None
    record = step.continued.record
    assert (record.name, record.uid, record.message_count) == ("first", source.metadata.uid, 3)


def test_messages_in_chunks_come_first() -> None:
    source = Source(the_source(talk=TALK[2:]), earlier=TALK[:2])
    assert texts(begun(more(), source)) == [*(one.content for one in TALK), "And of Mars?"]


LONG_TALK = (*TALK, Message(role="user", content="And of Mars?"), Message(role="assistant", content="None."))


@pytest.mark.parametrize(
    ("turn", "count"),
    [pytest.param(1, 2, id="before the first answer"), pytest.param(2, 4, id="before the second")],
)
def test_a_turn_is_given_anew(turn: int, count: int) -> None:
    assert begun(more(None, turn), Source(the_source(talk=LONG_TALK))).transcript.messages == LONG_TALK[:count]


def test_the_prompt_of_the_conversation_stays_unless_the_run_has_its_own() -> None:
    other = {"agent": an_agent(system="You are rude.")}
    assert texts(begun(more(), Source(the_source()), **other))[0] == "You are helpful."
    assert texts(begun(more(system="Be brief."), Source(the_source()), **other))[0] == "Be brief."


@pytest.mark.parametrize(
    ("run", "source", "step"),
    [
        pytest.param(
            more(),
            Source(the_source(P.READY_FOR_LLM)),
            Wait('Waiting for TaskRun "first" to end'),
            id="the run goes on",
        ),
        pytest.param(
            more(None, 3),
            Source(the_source(P.READY_FOR_LLM)),
            Wait('Waiting for TaskRun "first" to end'),
            id="the run goes on, and may still come to the turn",
        ),
        pytest.param(
            more(),
            Source(the_source(P.CANCELLED, ())),
            Fail(
                "CannotContinue",
                'TaskRun "first" ended before its conversation began: there is nothing to continue',
            ),
            id="the run ended before it began",
        ),
        pytest.param(
            more(None),
            Source(the_source()),
            Fail("CannotContinue", 'TaskRun "first" has its answer: set userMessage to go on'),
            id="the run has answered, and nothing more is asked",
        ),
        pytest.param(
            more(None, 3),
            Source(the_source()),
            Fail("CannotContinue", 'TaskRun "first" cannot be continued before turn 3: the run has turns 1 to 1'),
            id="the run has no such turn",
        ),
        pytest.param(
            more(),
            Source(the_source(), flaw='ContextChunk "c" is gone'),
            Fail("ContextChunkBroken", 'TaskRun "first" cannot be continued: ContextChunk "c" is gone'),
            id="a part of the conversation is gone",
        ),
        pytest.param(
            more(),
            Source(the_source(P.PENDING, ()), is_in_ring=True),
            Fail("CannotContinue", 'TaskRun "first" is one of a ring of runs that continue from each other'),
            id="each waits for the other",
        ),
    ],
)
def test_a_run_that_cannot_begin_says_why(run: TaskRun, source: Source, step: Wait | Fail) -> None:
    assert decided(run, source) == step


def test_a_run_that_does_not_exist_is_waited_for_within_the_limit() -> None:
    text = 'Waiting for TaskRun "first" of spec.continueFrom, which does not exist'
    assert decided(more(), None) == Wait(text, 3600.0, is_broken=True, blocked_since=NOW)
    waited = more().with_status(blocked_since=later(-3601))
    step = decided(waited, None)
    assert isinstance(step, Fail)
    assert step.reason == "WaitedTooLong"


@pytest.mark.parametrize("phase", [P.FAILED, P.CANCELLED])
def test_a_run_without_an_answer_goes_on_without_a_question(phase: TaskRunPhase) -> None:
    assert begun(more(None), Source(the_source(phase, TALK[:2]))).transcript.messages == TALK[:2]


def an_open_call() -> tuple[TaskRun, TaskRunToolCall]:
    """A run that was cancelled while a call was open, and the call."""
    asked = a_call("add", '{"a": 2}', call_id="c1")
    pending = PendingToolCall(idx=0, tool_call_id="c1", name="add", arguments='{"a": 2}', args_sha="x")
    talk = (*TALK[:2], Message(role="assistant", tool_calls=(asked,)))
    run = the_source(P.CANCELLED, talk, pending_turn=(pending,))
    return run, tool_call(run, pending)


@pytest.mark.parametrize(
    ("status", "content", "is_error"),
    [
        pytest.param(
            {"phase": ToolCallPhase.SUCCEEDED, "result": "5"}, "5", False, id="by its result, where it has one"
        ),
        pytest.param(
            {"phase": ToolCallPhase.CANCELLED, "error": "cancelled with its run"},
            "cancelled: cancelled with its run",
            True,
            id="by how it ended",
        ),
        pytest.param(None, NEVER_ENDED, True, id="by what nobody knows, where its object is gone"),
    ],
)
def test_a_call_that_was_left_open_is_answered(status: dict[str, Any] | None, content: str, is_error: bool) -> None:
    run, call = an_open_call()
    calls = {} if status is None else {"c1": call.with_status(**status)}
    told = begun(more(), Source(run, calls=calls)).transcript.messages[-2]
    assert (told.role, told.tool_call_id, told.name) == ("tool", "c1", "add")
    assert (told.content, told.is_error) == (content, is_error)


def test_a_call_that_is_about_to_end_is_waited_for() -> None:
    run, call = an_open_call()
    source = Source(run, calls={"c1": call.with_status(phase=ToolCallPhase.RUNNING)})
    assert decided(more(), source) == Wait(
        f'Waiting for TaskRunToolCall "{call.metadata.name}" to end', requeue_after_seconds=1.0
    )


SUMMARY = Summary(from_message=0, through_message=4, llm_name="gpt-4o", at=NOW, sha="s", content="They talked.")
CONTEXT = RunContext(tokens=900, too_long=True, shortened=3, trimmed_before=5)


def test_what_the_model_was_not_sent_stays_left_out_and_a_refusal_counts_no_more() -> None:
    step = begun(more(), Source(the_source(talk=LONG_TALK, context=CONTEXT, summaries=(SUMMARY,))))
    assert step.continued is not None
    assert step.continued.summaries == (SUMMARY,)
    context = step.continued.context
    assert context is not None
    assert (context.too_long, context.shortened, context.trimmed_before) == (False, 0, 5)
    assert context.tokens is not None
    assert 0 < context.tokens < 900


def test_a_summary_of_what_is_not_copied_is_left_behind() -> None:
    step = begun(more(None, 1), Source(the_source(talk=LONG_TALK, context=CONTEXT, summaries=(SUMMARY,))))
    assert step.continued is not None
    assert step.continued.summaries == ()
    assert step.continued.context is not None
    assert step.continued.context.trimmed_before == 2


LLM_OF_ITS_OWN: dict[str, Any] = {"llm_ref": LocalObjectReference(name="claude")}


def test_a_run_pins_the_llm_of_its_own() -> None:
    step = begun(more(**LLM_OF_ITS_OWN), Source(the_source()), llm=an_llm("claude"))
    assert step.pinned.llm_name == "claude"


def test_a_run_waits_for_the_llm_of_its_own() -> None:
    step = decided(more(**LLM_OF_ITS_OWN), Source(the_source()), llm=None)
    assert step == Wait('Waiting for LLM "claude" to exist: create it, or name another one')


BROKEN = an_agent(status=StatusType.ERROR).with_status(status_detail='LLM "gpt-4o" is not ready', observed_generation=1)


@pytest.mark.parametrize(
    ("spec", "agent", "is_ready", "begins"),
    [
        pytest.param(LLM_OF_ITS_OWN, BROKEN, False, True, id="nothing is missing but an LLM that is not used"),
        pytest.param({}, BROKEN, False, False, id="that LLM is used"),
        pytest.param(LLM_OF_ITS_OWN, BROKEN, True, False, id="that LLM is ready, so that something else is wrong"),
        pytest.param(
            LLM_OF_ITS_OWN,
            BROKEN.model_copy(update={"spec": an_agent(tools=(LocalObjectReference(name="add"),)).spec}),
            False,
            False,
            id="a tool is missing, too",
        ),
        pytest.param(
            LLM_OF_ITS_OWN,
            BROKEN.model_copy(update={"metadata": meta("my-assistant", generation=2)}),
            False,
            False,
            id="the Agent has changed since its status was written",
        ),
    ],
)
def test_an_agent_whose_llm_is_not_used_need_not_have_it(
    spec: dict[str, Any], agent: Any, is_ready: bool, begins: bool
) -> None:
    run, llm = more(**spec), an_llm("claude")
    step = decided(run, Source(the_source()), agent=agent, llm=llm, agents_llm_is_ready=is_ready)
    assert isinstance(step, Begin if begins else Wait)
