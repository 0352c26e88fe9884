"""Conversations that other runs start from."""

from __future__ import annotations

from typing import Any

import pytest

from kubechain.api.message import Message
from kubechain.api.taskrun import TaskRun
from kubechain.views.windows import before_turn, with_system
from test.views.builders import SYSTEM, a_run, answer, result, user

TALK = [SYSTEM, user("a"), answer("", ("c1", "t", "{}")), result("c1", "r"), answer("b"), user("c"), answer("d")]


def messages(wire: list[dict[str, Any]]) -> tuple[Message, ...]:
    return tuple(Message.from_wire(each) for each in wire)


def begun_with(count: int, phase: str = "FinalAnswer") -> TaskRun:
    """A run that began with so many messages of another one."""
    record = {"name": "before", "uid": "u", "messageCount": count} if count else None
    return a_run(phase=phase, continuedFrom=record)


@pytest.mark.parametrize(("turn", "earlier", "count"), [(1, 0, 2), (2, 0, 4), (3, 0, 6), (1, 5, 6), (2, 1, 4)], ids=str)
def test_a_run_from_a_turn_has_what_was_said_before_it(turn: int, earlier: int, count: int) -> None:
    assert before_turn(messages(TALK), turn, run=begun_with(earlier)) == messages(TALK)[:count]


def test_the_turn_in_which_a_run_failed_is_one_of_its_turns() -> None:
    talk = messages(TALK[:4])
    assert before_turn(talk, 2, run=begun_with(0, "Failed")) == talk
    with pytest.raises(ValueError, match="turns 1 to 1"):
        before_turn(talk, 2, run=begun_with(0, "SendContextWindowToLLM"))


def test_turns_of_messages_that_were_given_are_not_those_of_the_run() -> None:
    run = a_run(phase="FinalAnswer", spec={"contextWindow": TALK[1:5]})
    assert before_turn(messages(TALK), 1, run=run) == messages(TALK)[:6]


@pytest.mark.parametrize(
    ("turn", "talk", "phase", "expected"),
    [
        pytest.param(4, TALK, "FinalAnswer", "turns 1 to 3", id="too high"),
        pytest.param(0, TALK, "FinalAnswer", "turns 1 to 3", id="too low"),
        pytest.param(1, TALK[:2], "ReadyForLLM", "no turn yet", id="none"),
        pytest.param(2, TALK[:3], "Cancelled", "turns 1 to 1", id="one whose call was left open"),
    ],
)
def test_a_turn_that_is_not_is_named(turn: int, talk: list[dict[str, Any]], phase: str, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        before_turn(messages(talk), turn, run=begun_with(0, phase))


@pytest.mark.parametrize("talk", [TALK, TALK[1:]], ids=["with a prompt", "without a prompt"])
def test_another_prompt_takes_the_place_of_the_first(talk: list[dict[str, Any]]) -> None:
    changed = with_system(messages(talk), "Be brief.")
    assert changed[0] == Message(role="system", content="Be brief.")
    assert changed[1:] == messages(TALK[1:])
