"""Derived names: valid wherever the original is, deterministic, and never the same for two."""

from __future__ import annotations

import re

from hypothesis import assume, example, given
from hypothesis import strategies as st

from kubechain.api.names import (
    MAX_LABEL_VALUE_LENGTH,
    MAX_NAME_LENGTH,
    PREVIEW_LENGTH,
    label_value,
    message_preview,
    sub_agent_run_name,
    task_run_name,
    tool_call_name,
)

SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
LABEL_VALUE = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")

_LABEL = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,60}[a-z0-9])?", fullmatch=True)
object_names = st.lists(_LABEL, min_size=1, max_size=8).map(".".join).filter(lambda name: len(name) <= MAX_NAME_LENGTH)
long_names = st.text("ab-", min_size=200, max_size=251).map(lambda middle: f"a{middle}z")
names = st.one_of(object_names, long_names)
numbers = st.integers(min_value=1, max_value=10_000_000)


@given(names, numbers)
@example("t" * 253, 1)
@example("t" * 234 + "." + "t" * 18, 1)
def test_a_run_of_any_valid_task_has_a_valid_name(task: str, number: int) -> None:
    name = task_run_name(task, number)
    assert len(name) <= MAX_NAME_LENGTH
    assert SUBDOMAIN.fullmatch(name)
    assert name.endswith(f"-{number}")
    assert name == task_run_name(task, number)


@given(names, numbers, numbers)
def test_tool_calls_and_sub_agents_have_valid_names(task: str, turn: int, index: int) -> None:
    call = tool_call_name(task_run_name(task, 1), turn=turn, index=index)
    for name in (call, sub_agent_run_name(call)):
        assert len(name) <= MAX_NAME_LENGTH
        assert SUBDOMAIN.fullmatch(name)


@given(names)
@example("t" * 253)
@example("a" * 46 + "-" + "b" * 30)
def test_any_object_name_gives_a_valid_label_value(name: str) -> None:
    value = label_value(name)
    assert len(value) <= MAX_LABEL_VALUE_LENGTH
    assert LABEL_VALUE.fullmatch(value)
    assert value == label_value(name)


@given(names, names)
@example("t" * 252 + "a", "t" * 252 + "b")
def test_two_names_never_become_one(one: str, other: str) -> None:
    assume(one != other)
    assert label_value(one) != label_value(other)
    assert task_run_name(one, 1) != task_run_name(other, 1)


@given(st.text("t", min_size=240, max_size=253), st.sets(numbers, min_size=2, max_size=5))
def test_two_runs_of_a_task_never_have_one_name(task: str, chosen: set[int]) -> None:
    assert len({task_run_name(task, number) for number in chosen}) == len(chosen)


def test_a_name_that_fits_is_kept() -> None:
    assert task_run_name("hello-world-task", 1) == "hello-world-task-1"
    assert tool_call_name("hello-1", turn=0, index=2) == "hello-1-t0-c2"
    assert sub_agent_run_name("hello-1-t0-c2") == "hello-1-t0-c2-run"
    assert label_value("t" * 63) == "t" * 63


@given(st.text())
@example("What is the capital of the moon?")
@example("é" * 51)
def test_a_preview_counts_characters(message: str) -> None:
    preview = message_preview(message)
    assert len(preview) <= PREVIEW_LENGTH
    assert preview == message if len(message) <= PREVIEW_LENGTH else preview == message[:47] + "..."
