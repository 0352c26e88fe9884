"""Conversations that other runs start from."""

from __future__ import annotations

from typing import Any

import pytest

from kubechain.api.message import Message
from kubechain.views.windows import answered, before_turn, with_system
from test.views.builders import SYSTEM, answer, result, user

TALK = [SYSTEM, user("a"), answer("", ("c1", "t", "{}")), result("c1", "r"), answer("b"), user("c"), answer("d")]


def messages(wire: list[dict[str, Any]]) -> tuple[Message, ...]:
    return tuple(Message.from_wire(each) for each in wire)


@pytest.mark.parametrize(("turn", "earlier", "count"), [(1, 0, 2), (2, 0, 4), (3, 0, 6), (1, 5, 6), (2, 1, 4)], ids=str)
def test_a_run_from_a_turn_has_what_was_said_before_it(turn: int, earlier: int, count: int) -> None:
    assert before_turn(messages(TALK), turn, earlier=earlier) == messages(TALK)[:count]


@pytest.mark.parametrize(
    ("turn", "talk", "expected"),
    [(4, TALK, "turns 1 to 3"), (0, TALK, "turns 1 to 3"), (1, TALK[:2], "no turn yet")],
    ids=["too high", "too low", "none"],
)
def test_a_turn_that_is_not_is_named(turn: int, talk: list[dict[str, Any]], expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        before_turn(messages(talk), turn, earlier=0)


@pytest.mark.parametrize(
    ("talk", "count"),
    [
        pytest.param(TALK, 7, id="one that ended with an answer"),
        pytest.param(TALK[:3], 2, id="one that ended with a call"),
        pytest.param(TALK[:4], 4, id="one that ended with a result"),
        pytest.param(
            [*TALK[:2], answer("", ("c1", "t", "{}"), ("c2", "t", "{}")), result("c1", "r")], 2, id="a result of two"
        ),
        pytest.param([user("a")], 1, id="one without an answer"),
    ],
)
def test_a_conversation_is_continued_without_calls_that_have_no_result(talk: list[dict[str, Any]], count: int) -> None:
    assert answered(messages(talk)) == messages(talk)[:count]


@pytest.mark.parametrize("talk", [TALK, TALK[1:]], ids=["with a prompt", "without a prompt"])
def test_another_prompt_takes_the_place_of_the_first(talk: list[dict[str, Any]]) -> None:
    changed = with_system(messages(talk), "Be brief.")
    assert changed[0] == Message(role="system", content="Be brief.")
    assert changed[1:] == messages(TALK[1:])
