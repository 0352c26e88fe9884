"""Whatever a model answers fits the status that records it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kubechain.api.conditions import find_condition
from kubechain.api.crd import custom_resource_definition
from kubechain.api.kinds import ALL_KINDS
from kubechain.api.message import CONTENT_LIMIT, Message, ToolCall, ToolCallFunction
from kubechain.api.taskrun import TaskRun, TaskRunPhase
from kubechain.api.usage import COUNT_LIMIT, Usage
from kubechain.controllers.frame import next_version
from kubechain.controllers.taskrun import settle
from kubechain.controllers.taskrun.admission import ID_CHARACTERS, NAME_CHARACTERS, admit
from kubechain.controllers.taskrun.conversation import CONTEXT_WINDOW_MAX_BYTES, Transcript
from kubechain.controllers.taskrun.effects import tool_call
from kubechain.controllers.taskrun.excerpts import Excerpt
from kubechain.llm.client import Completion, Cut
from kubechain_apiserver.schema.structural import compile_schema
from kubechain_apiserver.schema.validation import validate
from test.controllers.builders import NOW, a_call, a_claim, a_run, an_answer

P = TaskRunPhase
LONGEST = "y" * ID_CHARACTERS

SCHEMAS = {
    kind.kind: compile_schema(custom_resource_definition(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"])
    for kind in ALL_KINDS
}


def refusals(obj: Any) -> list[str]:
    """What an API server says against an object."""
    return [str(error) for error in validate(obj.to_wire(), SCHEMAS[obj.kind])]


def a_claimed_run(**status: Any) -> TaskRun:
    return a_run(phase=P.SEND_CONTEXT_WINDOW_TO_LLM, llm=a_claim(), **status)


def answered(completion: Completion, run: TaskRun | None = None) -> TaskRun:
    run = run or a_claimed_run()
    return next_version(run, settle.answered(run, completion, NOW))


def ids(completion: Completion, *earlier: str, turn: int = 0) -> list[str]:
    """The ids that a turn's calls get in a conversation that has some already."""
    before = tuple(Message(role="assistant", tool_calls=(a_call("f", call_id=one),)) for one in earlier)
    return [call.id for call in admit(completion, Transcript(before), turn=turn).message.tool_calls]


def calls(*call_ids: str) -> Completion:
    return an_answer("", *(a_call("f", call_id=one) for one in call_ids))


@pytest.mark.parametrize(
    ("given_ids", "earlier", "expected"),
    [
        pytest.param(("a", "b"), (), ["a", "b"], id="a provider's own ids stay"),
        pytest.param(("", "x"), (), ["t3c0", "x"], id="a missing one is ours"),
        pytest.param(("call_0",), ("call_0",), ["t3c0"], id="an id of an earlier turn is replaced"),
        pytest.param(("t3c1", ""), (), ["t3c1", "t3c1n2"], id="a provider's id that looks like ours"),
        pytest.param(("",), ("t3c0", "t3c0n2"), ["t3c0n3"], id="a fork has ours already"),
        pytest.param(
            ("x" * (ID_CHARACTERS + 1), "y" * ID_CHARACTERS), (), ["t3c0", "y" * ID_CHARACTERS], id="too long"
        ),
    ],
)
def test_ids_are_unique_over_the_conversation(
    given_ids: tuple[str, ...], earlier: tuple[str, ...], expected: list[str]
) -> None:
    assert ids(calls(*given_ids), *earlier, turn=3) == expected


def test_where_part_of_the_conversation_was_not_read_every_id_is_ours() -> None:
    given = Transcript((), in_spec=(Message(role="assistant", tool_calls=(a_call("f", call_id="t3c1"),)),))
    admitted = admit(calls("call_0", "call_1"), given, Excerpt(start=7), turn=3)
    assert [call.id for call in admitted.message.tool_calls] == ["t3c0", "t3c1n2"]


def test_ids_of_messages_in_chunks_stay_unique() -> None:
    earlier = Excerpt((Message(role="assistant", tool_calls=(a_call("f", call_id="call_0"),)),))
    admitted = admit(calls("call_0", "call_1"), Transcript(()), earlier, turn=3)
    assert [call.id for call in admitted.message.tool_calls] == ["t3c0", "call_1"]


def test_names_that_nobody_offered_are_shortened() -> None:
    run = answered(an_answer("", a_call("n" * 300, call_id="x")))
    (pending,) = run.status.pending_turn
    assert len(pending.name) == NAME_CHARACTERS
    assert not refusals(run) + refusals(tool_call(run, pending))


def test_arguments_have_the_same_bound_in_every_place() -> None:
    arguments = '{"a": "' + "x" * 300_000 + '"}'
    run = answered(an_answer("", a_call("f", arguments, call_id="x")))
    (pending,) = run.status.pending_turn
    assert (run.status.phase, pending.arguments) == (P.TOOL_CALLS_PENDING, arguments)
    assert not refusals(run) + refusals(tool_call(run, pending))


def test_a_model_that_writes_arguments_without_room_is_asked_for_its_answer_once() -> None:
    completion = an_answer("", a_call("f", '{"a": "' + "x" * 900_000 + '"}', call_id="x"))
    run = answered(completion)
    assert run.status.phase == P.READY_FOR_LLM
    run = answered(completion, a_claimed_run(conditions=run.status.conditions))
    assert run.status.phase == P.FAILED
    assert "bytes of arguments" in (run.status.error or "")
    assert run.status.usage is not None


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("x" * (CONTENT_LIMIT + 1), id="one character too many"),
        pytest.param("月" * CONTENT_LIMIT, id="three bytes a character"),
        pytest.param("\x01" * CONTENT_LIMIT, id="six bytes of JSON a character"),
    ],
)
def test_a_text_that_is_too_long_keeps_its_ends_and_the_run_says_so(text: str) -> None:
    run = answered(an_answer(f"BEGIN {text} END"))
    said = run.status.context_window[-1].content
    assert said.startswith("BEGIN")
    assert said.endswith("END")
    assert "bytes left out" in said
    assert len(run.to_json()) < 1_500_000
    condition = find_condition(run.status.conditions, "Truncated")
    assert condition is not None
    assert (run.status.phase, condition.status, condition.reason) == (P.FINAL_ANSWER, "True", "TextTooLong")
    assert not refusals(run)


def test_an_answer_cut_at_the_token_limit_is_said_in_condition_event_and_detail() -> None:
    run = a_claimed_run()
    completion = replace(an_answer("The m"), cut=Cut("TokenLimitReached", "cut at 5"))
    settled = settle.answered(run, completion, NOW)
    status = next_version(run, settled).status
    condition = find_condition(status.conditions, "Truncated")
    assert condition is not None
    assert (condition.status, condition.reason, condition.message) == ("True", "TokenLimitReached", "cut at 5")
    assert status.status_detail == "LLM final response received, not whole: cut at 5"
    assert [event.reason for event in settled.events] == ["LLMFinalAnswer", "AnswerTruncated"]


def test_a_usage_of_any_size_is_clamped_over_turns_too() -> None:
    huge = Usage(input_tokens=2**63, output_tokens=-1, total_tokens=2**70, model_calls=1)
    run = answered(replace(an_answer(), usage=huge), a_claimed_run(usage=Usage(input_tokens=COUNT_LIMIT)))
    assert run.status.usage == Usage(input_tokens=COUNT_LIMIT, output_tokens=0, total_tokens=COUNT_LIMIT, model_calls=1)


TEXT = st.text(st.characters(), max_size=8) | st.sampled_from(["x" * 300, "x" * 70_000, "\n", "t0c0", "\ud800"])
FUNCTIONS = st.builds(ToolCallFunction, name=TEXT, arguments=TEXT)
COMPLETIONS = st.builds(
    Completion,
    message=st.builds(
        Message,
        role=st.just("assistant"),
        content=TEXT,
        tool_calls=st.lists(st.builds(ToolCall, id=TEXT, function=FUNCTIONS), max_size=3).map(tuple),
    ),
    usage=st.builds(
        Usage, input_tokens=st.integers(-(2**65), 2**65), total_tokens=st.integers(0, 2**65), model_calls=st.just(1)
    ),
    finish_reason=st.just("stop"),
    model=TEXT,
)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(COMPLETIONS)
def test_any_completion_settles_into_a_status_that_the_schema_takes(completion: Completion) -> None:
    run = answered(completion)
    assert not refusals(run)
    assert run.status.usage is not None
    assert run.status.usage.model_calls == 1
    assert len({call.tool_call_id for call in run.status.pending_turn}) == len(run.status.pending_turn)
    for pending in run.status.pending_turn:
        assert not refusals(tool_call(run, pending))
    assert Transcript.of(run).size_bytes <= CONTEXT_WINDOW_MAX_BYTES
