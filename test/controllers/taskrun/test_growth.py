"""A conversation that outgrows the window of its model: what is left out of requests, and what never is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubechain.api.context import AgentContext, ContextPolicy, RunContext, SummaryFailure
from kubechain.api.llm import LLMParameters, ModelStatus
from kubechain.api.message import Message
from kubechain.api.meta import StatusType
from kubechain.api.references import LocalObjectReference
from kubechain.api.taskrun import Pinned, TaskRun, TaskRunPhase
from kubechain.api.usage import Usage
from kubechain.controllers.frame import next_version
from kubechain.controllers.taskrun import contextsize, rendering, settle, summarising
from kubechain.controllers.taskrun.conversation import Transcript
from kubechain.controllers.taskrun.decide import decide
from kubechain.controllers.taskrun.excerpts import NOTHING, Excerpt
from kubechain.controllers.taskrun.fallbacks import Candidate
from kubechain.controllers.taskrun.llmslots import Trouble
from kubechain.controllers.taskrun.observe import Observed
from kubechain.controllers.taskrun.outcomes import Answered, Deferred, Refused
from kubechain.controllers.taskrun.rendering import View, rendered
from kubechain.controllers.taskrun.steps import AnswerToolCalls, Fail, SendToLLM, Step, Summarise
from test.controllers.builders import NOW, a_call, a_claim, a_run, an_answer, an_llm, messages, observed

P = TaskRunPhase
WINDOW = 10_000


def pinned(**context: Any) -> Pinned:
    return Pinned(agent_name="my-assistant", llm_name="gpt-4o", context=AgentContext(**context) if context else None)


def a_conversation(turns: int, size: int = 4_000) -> tuple[Message, ...]:
    said = list(messages("You are helpful.", "Go."))
    for turn in range(turns):
        said.append(Message(role="assistant", content="...", tool_calls=(a_call("read", call_id=f"c{turn}"),)))
        said.append(Message(role="tool", tool_call_id=f"c{turn}", name="read", content="x" * size))
    return tuple(said)


def a_long_run(turns: int = 12, *, size: int = 4_000, tokens: int = WINDOW, **status: Any) -> TaskRun:
    """A run whose next request has so many tokens."""
    values: dict[str, Any] = {"pinned": pinned(), "context": RunContext(tokens=tokens), "turn": turns}
    return a_run(phase=P.READY_FOR_LLM, context_window=a_conversation(turns, size), **(values | status))


def seen(run: TaskRun, *, window: int | None = WINDOW, **changes: Any) -> Observed:
    return observed(run, llm=an_llm(parameters=LLMParameters(context_window=window)), **changes)


def step_of(run: TaskRun, **changes: Any) -> Step:
    step = decide(seen(run, **changes))
    assert isinstance(step, SendToLLM | Summarise | Fail)
    return step


def sent_bytes(run: TaskRun) -> int:
    return contextsize.size_bytes(rendering.request(run))


def claimed(run: TaskRun, step: SendToLLM) -> TaskRun:
    return next_version(run, settle.claimed(run, a_claim(run=run), step.near, context=step.context))


def summarised(run: TaskRun, step: Summarise, result: Answered | Deferred | Refused) -> TaskRun:
    claim = a_claim(run=run)
    under_way = next_version(run, summarising.claimed(run, claim))
    return next_version(under_way, summarising.outcome(under_way, result, step, jitter=0.5, now=NOW))


# --- when


@pytest.mark.parametrize(
    ("tokens", "window", "fraction", "is_due"),
    [
        pytest.param(7_999, WINDOW, None, False, id="below four fifths"),
        pytest.param(8_000, WINDOW, None, True, id="from four fifths on"),
        pytest.param(5_000, WINDOW, "0.5", True, id="from the Agent's own share on"),
        pytest.param(10**9, None, None, False, id="not where nobody knows the window"),
    ],
)
def test_the_policy_acts_from_a_share_of_the_window_on(
    tokens: int, window: int | None, fraction: str | None, is_due: bool
) -> None:
    step = step_of(a_long_run(tokens=tokens, pinned=pinned(at_fraction=fraction)), window=window)
    assert is_due == (not isinstance(step, SendToLLM) or step.context is not None)


def test_the_window_is_the_one_that_the_provider_names_where_the_llm_says_nothing() -> None:
    llm = an_llm()
    told = llm.with_status(model=ModelStatus(context_window=200_000))
    asked = an_llm(parameters=LLMParameters(context_window=8_192)).with_status(model=told.status.model)
    assert [contextsize.window_tokens(one) for one in (None, llm, told, asked)] == [None, None, 200_000, 8_192]


def test_tokens_are_as_the_provider_counted_with_an_estimate_of_what_came_since() -> None:
    run = a_run(phase=P.SEND_CONTEXT_WINDOW_TO_LLM, llm=a_claim())
    completion = replace(
        an_answer("", a_call("read")),
        usage=Usage(input_tokens=900, output_tokens=300, reasoning_tokens=200, total_tokens=1_200, model_calls=1),
    )
    asked = next_version(run, settle.answered(run, completion, NOW))
    result = Message(role="tool", tool_call_id="call_1", content="x" * 4_000)
    answered = next_version(asked, settle.tools_answered(asked, AnswerToolCalls((result,))))
    assert asked.status.context is not None
    assert asked.status.context.tokens == 1_000
    assert answered.status.context is not None
    assert answered.status.context.tokens == 1_000 + len(result.to_json()) // 4


# --- what


def test_old_results_become_one_line_each_and_the_status_keeps_them() -> None:
    run = a_long_run(pinned=pinned(policy=ContextPolicy.TRIM))
    step = step_of(run)
    assert isinstance(step, SendToLLM)
    after = claimed(run, step)
    sent = [message.content for message in rendering.request(after) if message.role == "tool"]
    assert sent[0] == '[4000 bytes of an older result are left out; message 3 of TaskRun "hello-1" has them]'
    assert sent[-5:] == ["x" * 4_000] * 5
    assert sum(text.startswith("[") for text in sent) == 7
    assert after.status.context_window == run.status.context_window
    assert "are left out" in after.status.status_detail


def test_trimming_alone_is_done_where_it_is_enough() -> None:
    run = a_long_run(pinned=pinned(keep_tool_results=2))
    step = step_of(run)
    assert isinstance(step, SendToLLM)
    assert step.context is not None
    assert step.context.tokens is not None
    assert step.context.tokens < WINDOW * 0.6


def test_what_trimming_does_not_make_short_enough_is_summarised() -> None:
    run = a_long_run(turns=12, pinned=pinned(keep_tool_results=10))
    step = step_of(run)
    assert isinstance(step, Summarise)
    assert run.status.context_window[step.through].role == "assistant"
    after = summarised(run, step, Answered(an_answer("They read much.")))
    assert (after.status.phase, after.status.llm, after.status.turn) == (P.READY_FOR_LLM, None, run.status.turn)
    assert after.status.context_window == run.status.context_window
    assert after.status.usage == an_answer().usage
    [summary] = after.status.summaries
    assert (summary.from_message, summary.through_message) == (0, step.through)
    sent = rendering.request(after)
    assert sent[2].content.endswith("They read much.")
    assert sent[:2] == list(messages("You are helpful.", "Go."))
    assert sent[3:] == list(run.status.context_window[step.through :])
    assert isinstance(step_of(after), SendToLLM)


def test_the_next_summary_builds_upon_the_one_before() -> None:
    run = a_long_run(turns=12, pinned=pinned(keep_tool_results=10))
    first = step_of(run)
    assert isinstance(first, Summarise)
    after = summarised(run, first, Answered(an_answer("They read much.")))
    longer = after.with_status(
        context_window=(*after.status.context_window, *a_conversation(20)[2 + 2 * 12 :]),
        context=RunContext(tokens=WINDOW),
        turn=20,
    )
    second = step_of(longer)
    assert isinstance(second, Summarise)
    question = summarising.request(longer, NOTHING, second)[-1].content
    assert "They read much." in question
    assert len(question.encode()) <= second.request_bytes + 10_000
    again = summarised(longer, second, Answered(an_answer("They read more.")))
    assert [one.content for one in again.status.summaries] == [None, "They read more."]
    assert again.status.summaries[1].from_message == first.through


def test_a_policy_of_fail_ends_the_run_and_names_the_window() -> None:
    step = step_of(a_long_run(pinned=pinned(policy=ContextPolicy.FAIL)))
    assert isinstance(step, Fail)
    assert step.reason == "ModelWindowExceeded"
    assert step.message == (
        'the conversation has 10000 tokens, LLM "gpt-4o" takes 10000, and the Agent\'s context.policy is Fail'
    )


# --- what a provider refuses


def refused_as_too_long(run: TaskRun) -> TaskRun:
    under_way = next_version(run, settle.claimed(run, a_claim(run=run)))
    outcome = Refused("ModelWindowExceeded", "request refused: too long", is_too_long=True)
    return next_version(under_way, settle.outcome(under_way, outcome, jitter=0.5, is_agent_gone=False, now=NOW))


def test_a_request_that_is_refused_as_too_long_is_made_shorter_though_nobody_knows_the_window() -> None:
    run = refused_as_too_long(a_long_run(context=None, pinned=pinned(policy=ContextPolicy.TRIM)))
    assert run.status.phase == P.READY_FOR_LLM
    step = step_of(run, window=None)
    assert isinstance(step, SendToLLM)
    after = claimed(run, step)
    assert sent_bytes(after) <= 0.5 * sent_bytes(run)
    assert after.status.context is not None
    assert not after.status.context.too_long


def test_a_run_whose_request_cannot_be_made_shorter_fails_with_the_providers_words() -> None:
    run = a_run(phase=P.READY_FOR_LLM, context_window=messages("You are helpful.", "x" * 50_000), pinned=pinned())
    step = step_of(refused_as_too_long(run), window=None)
    assert isinstance(step, Fail)
    assert "nothing more can be left out: request refused: too long" in step.message


def test_a_policy_of_fail_ends_the_run_that_is_refused_as_too_long() -> None:
    run = refused_as_too_long(a_long_run(context=None, pinned=pinned(policy=ContextPolicy.FAIL)))
    assert run.status.phase == P.FAILED
    assert "context.policy is Fail: request refused: too long" in (run.status.error or "")


def test_the_claim_after_a_refusal_is_another_one() -> None:
    run = a_long_run(context=None)
    refused = refused_as_too_long(run)
    step = step_of(run.with_status(context=RunContext(tokens=WINDOW), pinned=pinned(policy=ContextPolicy.TRIM)))
    assert isinstance(step, SendToLLM)
    shortened = refused.with_status(context=step.context)
    assert len({a_claim(run=one).token for one in (run, refused, shortened, refused_as_too_long(shortened))}) == 4


# --- a summary that fails


@pytest.mark.parametrize(
    "result",
    [
        pytest.param(Refused("LLMRequestFailed", "request refused: no"), id="refused"),
        pytest.param(Deferred("provider failed: HTTP 503"), id="failed in a way that may pass"),
        pytest.param(Answered(an_answer("", a_call("read"))), id="no text"),
    ],
)
def test_a_summary_that_fails_falls_back_to_leaving_results_out(result: Answered | Deferred | Refused) -> None:
    run = a_long_run(turns=12, pinned=pinned(keep_tool_results=10))
    step = step_of(run)
    assert isinstance(step, Summarise)
    after = summarised(run, step, result)
    assert after.status.phase == P.READY_FOR_LLM
    assert "no summary could be made" in after.status.status_detail
    following = step_of(after)
    assert isinstance(following, SendToLLM)
    asked = claimed(after, following)
    assert sent_bytes(asked) < sent_bytes(run)
    assert "no summary could be made" in asked.status.status_detail


def test_a_summary_that_nothing_can_replace_is_tried_again() -> None:
    run = a_long_run(turns=12, context=RunContext(tokens=WINDOW, too_long=True), pinned=pinned(keep_tool_results=10))
    step = step_of(run)
    assert isinstance(step, Summarise)
    after = summarised(run, step, Deferred("provider failed: HTTP 503"))
    assert after.status.phase == P.ERROR_BACKOFF


@pytest.mark.parametrize(
    ("turn", "too_long", "is_summarised"),
    [
        pytest.param(14, False, False, id="not in the next turns"),
        pytest.param(16, False, True, id="some turns later"),
        pytest.param(13, True, True, id="at once where the provider refuses the request"),
        pytest.param(12, True, False, id="but not twice in a turn"),
    ],
)
def test_after_a_failure_the_next_summary_waits(turn: int, too_long: bool, is_summarised: bool) -> None:
    failure = SummaryFailure(turn=12, message="no")
    context = RunContext(tokens=WINDOW, too_long=too_long, summary_failure=failure)
    step = step_of(a_long_run(turns=16, context=context, turn=turn, pinned=pinned(keep_tool_results=10)))
    assert isinstance(step, Summarise) == is_summarised


@pytest.mark.parametrize(
    ("summariser", "said"),
    [
        pytest.param(None, "does not exist", id="missing"),
        pytest.param(an_llm("small", status=StatusType.ERROR), "is not ready: as it is", id="broken"),
    ],
)
def test_a_summariser_that_cannot_be_asked_is_named(summariser: Any, said: str) -> None:
    context = {"keep_tool_results": 10, "summariser": {"llm_ref": LocalObjectReference(name="small")}}
    step = step_of(a_long_run(turns=12, pinned=pinned(**context)), summariser=summariser)
    assert isinstance(step, SendToLLM)
    assert step.context is not None
    assert step.context.summary_failure is not None
    assert said in step.context.summary_failure.message


def test_the_agents_own_summariser_is_asked() -> None:
    context = {"keep_tool_results": 10, "summariser": {"llm_ref": LocalObjectReference(name="small")}}
    step = step_of(a_long_run(turns=12, pinned=pinned(**context)), summariser=an_llm("small"))
    assert isinstance(step, Summarise)
    assert step.llm.metadata.name == "small"


# --- what never happens

TURNS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 9_000), st.integers(0, 2)),
    max_size=14,
)


def a_random_conversation(turns: Sequence[tuple[int, int, int]]) -> tuple[Message, ...]:
    said = list(messages("You are helpful.", "Go."))
    for turn, (calls, size, users) in enumerate(turns):
        ids = [f"t{turn}c{idx}" for idx in range(calls)]
        said.append(
            Message(role="assistant", content="...", tool_calls=tuple(a_call("read", call_id=one) for one in ids))
        )
        said += [Message(role="tool", tool_call_id=one, content="y" * size) for one in ids]
        said += [Message(role="user", content=f"user {turn}.{idx}") for idx in range(users)]
    return tuple(said)


def trouble(sent: Sequence[Message]) -> str:
    """What is wrong with a request: each call is followed by its results, in order."""
    due: list[str] = []
    for message in sent:
        if message.role == "tool":
            if not due or due.pop(0) != message.tool_call_id:
                return f"{message.tool_call_id} is not due"
        elif due:
            return f"{due} are not answered"
        due = due if message.role == "tool" else [call.id for call in message.tool_calls]
    return f"{due} are not answered" if due else ""


@settings(deadline=None)
@given(
    TURNS,
    st.sampled_from(ContextPolicy),
    st.integers(200, 20_000),
    st.integers(0, 6),
    st.integers(1, 6),
    st.booleans(),
)
def test_calls_results_and_messages_of_the_user_are_never_cut_apart(
    turns: list[tuple[int, int, int]],
    policy: ContextPolicy,
    window: int,
    keep_results: int,
    keep_turns: int,
    too_long: bool,
) -> None:
    said = a_random_conversation(turns)
    context = RunContext(tokens=contextsize.size_bytes(said) // 4, too_long=too_long)
    chosen = pinned(policy=policy, keep_tool_results=keep_results, keep_turns=keep_turns)
    run = a_run(phase=P.READY_FOR_LLM, context_window=said, context=context, pinned=chosen, turn=len(turns))
    users = [message for message in said if message.role in ("system", "user")]
    for _ in range(6):
        step = step_of(run, window=window)
        if isinstance(step, Summarise):
            run = summarised(run, step, Answered(an_answer("A summary.")))
        elif isinstance(step, SendToLLM):
            run = claimed(run, step).with_status(phase=P.READY_FOR_LLM)
        else:
            break
        sent = rendering.request(run)
        assert not trouble(sent)
        kept = [message for message in sent if message.role in ("system", "user")]
        assert [message for message in kept if not message.content.startswith(rendering.SUMMARY_HEAD)] == users
        assert run.status.context_window == said
        assert Transcript.of(run).messages[-1] == said[-1]
    assert policy is ContextPolicy.SUMMARISE or not run.status.summaries


@given(TURNS, st.integers(0, 40), st.integers(0, 6))
def test_a_view_without_a_summary_has_every_message_in_its_place(
    turns: list[tuple[int, int, int]], before: int, keep: int
) -> None:
    said = a_random_conversation(turns)
    sent = rendered(Excerpt(said), View(cut_before=before, cut_bytes=256).trimmed(Excerpt(said), keep), "hello-1")
    assert [message.with_changes(content="") for message in sent] == [one.with_changes(content="") for one in said]
    assert all(len(new.content) <= max(len(old.content), 0) + 100 for new, old in zip(sent, said, strict=True))


def test_results_that_the_model_has_not_read_yet_are_not_left_out() -> None:
    said = a_random_conversation([(3, 500, 0), (3, 500, 0)])
    sent = rendered(Excerpt(said), View().trimmed(Excerpt(said), 0), "hello-1")
    assert [message.content for message in sent if message.role == "tool"][3:] == ["y" * 500] * 3
    assert all("left out" in message.content for message in sent[3:6])


def second(window: int | None) -> Candidate:
    return Candidate("second", an_llm("second").with_status(model=ModelStatus(context_window=window)))


DOWN = Trouble("its circuit is open: HTTP 503", 3.0)


def test_a_request_is_made_shorter_for_the_window_of_the_fallback_that_is_called() -> None:
    run = a_long_run(tokens=WINDOW // 2)
    step = step_of(run, fallbacks=(second(WINDOW // 2),), trouble=DOWN)
    assert isinstance(step, SendToLLM)
    assert step.llm.metadata.name == "second"
    assert step.context is not None
    assert (step.context.tokens or 0) < WINDOW // 2
    assert sent_bytes(claimed(run, step)) < sent_bytes(run)


@pytest.mark.parametrize(
    ("window", "trouble"),
    [
        pytest.param(WINDOW // 2, None, id="the run's own LLM is called, and has room"),
        pytest.param(10 * WINDOW, DOWN, id="the fallback has room"),
        pytest.param(None, DOWN, id="nobody knows the window of the fallback"),
    ],
)
def test_a_request_is_not_made_shorter_for_an_llm_that_needs_no_shorter_one(
    window: int | None, trouble: Trouble | None
) -> None:
    step = step_of(a_long_run(tokens=WINDOW // 2), fallbacks=(second(window),), trouble=trouble)
    assert isinstance(step, SendToLLM)
    assert step.context is None


def test_a_larger_fallback_is_sent_what_is_too_long_for_the_runs_own_llm() -> None:
    step = step_of(a_long_run(), fallbacks=(second(10 * WINDOW),), trouble=DOWN)
    assert isinstance(step, SendToLLM)
    assert (step.llm.metadata.name, step.context) == ("second", None)
