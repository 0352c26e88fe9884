"""A conversation that is nearly too large to store ends with an answer, not with the loss of what it reached."""

from __future__ import annotations

from typing import Any

import pytest

from kubechain.api.conditions import WINDOW_FULL, is_true
from kubechain.api.message import Message
from kubechain.api.taskrun import TaskRun, TaskRunPhase
from kubechain.controllers.frame import next_version
from kubechain.controllers.taskrun import closing, rendering, settle
from kubechain.controllers.taskrun.conversation import CONTEXT_WINDOW_MAX_BYTES, Transcript
from kubechain.controllers.taskrun.decide import decide
from kubechain.controllers.taskrun.steps import SendToLLM
from kubechain.llm.fake import FakeLLMClient, answer
from test.controllers.builders import NOW, a_call, a_claim, a_run, an_answer, messages, observed
from test.controllers.test_durability import is_over
from test.controllers.world import a_world

P = TaskRunPhase


def large(size: int, phase: TaskRunPhase = P.READY_FOR_LLM, **status: Any) -> TaskRun:
    """A run whose conversation ends with a tool result of that size."""
    asked = Message(role="assistant", tool_calls=(a_call("read"),))
    result = Message(role="tool", tool_call_id="call_1", content="x" * size)
    return a_run(phase=phase, context_window=(*messages("You are helpful.", "Go."), asked, result), **status)


def claimed(run: TaskRun) -> TaskRun:
    return next_version(run, settle.claimed(run, a_claim(), is_closing=True))


@pytest.mark.parametrize(("size", "is_closing"), [(closing.FROM_BYTES - 10_000, False), (closing.FROM_BYTES, True)])
def test_the_model_is_asked_for_its_answer_before_the_room_ends(size: int, is_closing: bool) -> None:
    step = decide(observed(large(size)))
    assert isinstance(step, SendToLLM)
    assert step.is_closing == is_closing


def test_the_question_is_asked_once_and_told_once() -> None:
    first = settle.claimed(large(closing.FROM_BYTES), a_claim(), is_closing=True)
    run = claimed(large(closing.FROM_BYTES))
    again = settle.claimed(run, a_claim(attempt=1), is_closing=True)
    assert [event.reason for event in first.events] == ["ContextWindowFull"]
    assert not again.events
    contents = [message.content for message in next_version(run, again).status.context_window]
    assert contents.count(closing.QUESTION) == 1
    assert is_true(run.status.conditions, WINDOW_FULL)


def test_the_last_request_leaves_old_results_out() -> None:
    results = tuple(Message(role="tool", tool_call_id=f"c{idx}", content=f"{idx}" * 100) for idx in range(7))
    run = a_run(phase=P.READY_FOR_LLM, context_window=(*messages("You are helpful.", "Go."), *results))
    assert rendering.request(run) == list(run.status.context_window)
    sent = [message.content for message in rendering.request(claimed(run)) if message.role == "tool"]
    left_out = '[100 bytes of an older result are left out; message {} of TaskRun "hello-1" has them]'
    assert sent == [left_out.format(2), left_out.format(3), *(f"{idx}" * 100 for idx in range(2, 7))]


def test_an_answer_that_does_not_fit_keeps_head_and_tail() -> None:
    run = claimed(large(closing.FROM_BYTES))
    ended = next_version(run, settle.answered(run, an_answer("a" * 500_000 + "THE END"), NOW))
    assert ended.status.phase == P.FINAL_ANSWER
    assert ended.status.context_window[-1].content.endswith("THE END")
    assert Transcript.of(ended).size_bytes <= CONTEXT_WINDOW_MAX_BYTES


def test_calls_that_do_not_fit_are_not_made_and_the_model_is_asked_for_its_answer() -> None:
    run = large(closing.FROM_BYTES - 10_000, P.SEND_CONTEXT_WINDOW_TO_LLM, llm=a_claim())
    after = next_version(run, settle.answered(run, an_answer("", a_call("write", "x" * 300_000)), NOW))
    assert (after.status.phase, after.status.turn, after.status.pending_turn) == (P.READY_FOR_LLM, 1, ())
    assert after.status.usage is not None
    step = decide(observed(after))
    assert isinstance(step, SendToLLM)
    assert step.is_closing


def test_a_model_that_asks_for_calls_in_place_of_its_answer_ends_the_run_with_that_reason() -> None:
    run = claimed(large(closing.FROM_BYTES))
    after = next_version(run, settle.answered(run, an_answer("", a_call("read")), NOW))
    assert (after.status.phase, after.status.error) == (P.FAILED, closing.NO_ANSWER)
    assert after.status.usage is not None


def test_the_results_of_a_turn_are_as_long_as_there_is_room() -> None:
    transcript = Transcript.of(large(750_000))

    def make(limit: int) -> tuple[Message, ...]:
        return tuple(Message(role="tool", tool_call_id=f"c{idx}", content="x" * limit) for idx in range(128))

    fitting = closing.results(transcript, make)
    assert {len(message.content) for message in fitting} == {1024}
    assert transcript.appended(*fitting).size_bytes <= closing.RESULTS_UNTIL_BYTES


async def test_a_run_that_fills_its_window_ends_with_an_answer() -> None:
    earlier = [{"role": "user", "content": "x" * 510_000}]
    model = FakeLLMClient(answer("What I have."))
    async with a_world() as world:
        world.replica(model)
        await world.apply_walk_through()
        spec = {"agentRef": {"name": "my-assistant"}, "contextWindow": earlier}
        await world.apply("taskruns", {"metadata": {"name": "long"}, "spec": spec})
        run = await world.until(is_over, "long")
        assert (run.status.phase, run.status.output) == (P.FINAL_ANSWER, "What I have.")
        assert model.calls[0].messages[-1].content == closing.QUESTION
        assert is_true(run.status.conditions, WINDOW_FULL)
