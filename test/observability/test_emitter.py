"""Spans of steps and of what is done within them: which are sent, when, and where they are in their trace."""

from __future__ import annotations

import asyncio

import pytest

from kubechain.api.taskrun import SpanContext
from kubechain.observability.emitter import PARTS_LIMIT, Emitter
from kubechain.observability.spans import Span
from kubechain.runtime.clock import LoopClock

RUN = SpanContext(trace_id="a" * 32, span_id="b" * 16)


class Emitted:
    """An emitter, and what it sent."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.emitter = Emitter(self.spans.append, LoopClock())

    @property
    def names(self) -> list[str]:
        return [span.name for span in self.spans]


async def test_a_step_without_writes_leaves_no_span() -> None:
    emitted = Emitted()
    with emitted.emitter.step("step", RUN):
        pass
    assert emitted.spans == []


async def test_a_write_is_below_its_step_and_that_below_its_run() -> None:
    emitted = Emitted()
    with emitted.emitter.step("step", RUN, {"n": 1}), emitted.emitter.span("write", {"m": 2}):
        await asyncio.sleep(3)
    step, write = emitted.spans
    assert (step.name, step.above, step.attributes, step.is_client) == ("step", RUN, {"n": 1}, False)
    assert (write.name, write.above, write.attributes, write.is_client) == ("write", step.context, {"m": 2}, True)
    assert step.context.trace_id == write.context.trace_id == RUN.trace_id
    assert len({RUN.span_id, step.context.span_id, write.context.span_id}) == 3
    assert (write.ended_at - write.began_at).total_seconds() == pytest.approx(3)  # pyright: ignore[reportUnknownMemberType]


async def test_nothing_is_sent_before_the_step_has_ended() -> None:
    emitted = Emitted()
    with emitted.emitter.step("step", RUN):
        with emitted.emitter.span("write"):
            pass
        assert emitted.spans == []
    assert emitted.names == ["step", "write"]


async def test_a_step_in_another_trace_than_its_parent_is_linked_to_it() -> None:
    emitted = Emitted()
    with emitted.emitter.step("step", RUN, trace_id="c" * 32), emitted.emitter.span("write"):
        pass
    step, write = emitted.spans
    assert step.is_linked
    assert not write.is_linked
    assert {step.context.trace_id, write.context.trace_id} == {"c" * 32}


async def test_steps_without_a_parent_are_traces_of_their_own() -> None:
    emitted = Emitted()
    for _ in range(2):
        with emitted.emitter.step("step"), emitted.emitter.span("write"):
            pass
    first, _, second, _ = emitted.spans
    assert first.above is None
    assert first.context.trace_id != second.context.trace_id
    assert len(first.context.trace_id) == 32
    assert len(first.context.span_id) == 16


async def test_a_failure_is_named_by_its_class() -> None:
    emitted = Emitted()
    with pytest.raises(ZeroDivisionError), emitted.emitter.step("step", RUN), emitted.emitter.span("write"):
        raise ZeroDivisionError("secret")
    assert [span.error for span in emitted.spans] == ["ZeroDivisionError"] * 2


async def test_a_write_outside_of_a_step_leaves_no_span() -> None:
    emitted = Emitted()
    with emitted.emitter.span("write"):
        pass
    assert emitted.spans == []


async def test_a_task_that_outlives_its_step_adds_nothing_to_it() -> None:
    emitted = Emitted()
    over = asyncio.Event()

    async def later() -> None:
        await over.wait()
        with emitted.emitter.span("late"):
            pass

    with emitted.emitter.step("step", RUN):
        task = asyncio.create_task(later())
        with emitted.emitter.span("write"):
            pass
    over.set()
    await task
    assert emitted.names == ["step", "write"]


async def test_a_step_keeps_a_limited_number_of_writes() -> None:
    emitted = Emitted()
    with emitted.emitter.step("step", RUN):
        for _ in range(PARTS_LIMIT + 1):
            with emitted.emitter.span("write"):
                pass
    assert len(emitted.spans) == 1 + PARTS_LIMIT
