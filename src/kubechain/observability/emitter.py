"""Makes the spans of steps and of the writes within them, and hands them to an exporter.

The spans within a step are kept until it ends, and are sent with it: a crash leaves no span without its parent, and a
step that wrote nothing leaves none at all.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime

from kubechain.api.taskrun import SpanContext
from kubechain.observability.spans import Span
from kubechain.runtime.clock import Clock
from kubechain.runtime.telemetry import NO_ATTRIBUTES, Attribute, ParentSpan

PARTS_LIMIT = 100
"""Spans within one step; a call that is carried out for hours may write more often, and later ones are left out."""


@dataclass(slots=True)
class _Step:
    """A step that has not ended."""

    context: SpanContext
    parts: list[Span] = field(default_factory=list[Span])
    is_open: bool = True


_current: ContextVar[_Step | None] = ContextVar("kubechain_step", default=None)


class Emitter:
    """Records spans for an exporter."""

    is_recording = True

    def __init__(self, export: Callable[[Span], None], clock: Clock) -> None:
        """Emit to an exporter.

        Args:
            export: Takes a span; does not block and does not fail.
            clock: Also the source of the ids.
        """
        self._export = export
        self._clock = clock

    @contextmanager
    def step(
        self,
        name: str,
        parent: ParentSpan | None = None,
        attributes: Mapping[str, Attribute] = NO_ATTRIBUTES,
        *,
        trace_id: str = "",
    ) -> Generator[None]:
        """Start a span that is sent, with the spans within it, if there are any."""
        above = None if parent is None else SpanContext(trace_id=parent.trace_id, span_id=parent.span_id)
        own = trace_id or (above.trace_id if above is not None else self._id(128))
        step, began_at, error = _Step(SpanContext(trace_id=own, span_id=self._id(64))), self._clock.now(), ""
        token = _current.set(step)
        try:
            yield
        except BaseException as failure:
            error = type(failure).__name__
            raise
        finally:
            _current.reset(token)
            step.is_open = False
            if step.parts:
                self._export(Span(name, step.context, began_at, self._clock.now(), above, attributes, error))
                for part in step.parts:
                    self._export(part)

    @contextmanager
    def span(self, name: str, attributes: Mapping[str, Attribute] = NO_ATTRIBUTES) -> Generator[None]:
        """Start a span within the current step."""
        began_at, error = self._clock.now(), ""
        try:
            yield
        except BaseException as failure:
            error = type(failure).__name__
            raise
        finally:
            step = _current.get()
            if step is not None and step.is_open and len(step.parts) < PARTS_LIMIT:
                step.parts.append(self._part(step, name, attributes, began_at, error))

    def _part(
        self, step: _Step, name: str, attributes: Mapping[str, Attribute], began_at: datetime, error: str
    ) -> Span:
        context = SpanContext(trace_id=step.context.trace_id, span_id=self._id(64))
        ended_at = self._clock.now()
        return Span(name, context, began_at, ended_at, step.context, attributes, error, is_client=True)

    def _id(self, bits: int) -> str:
        """An id, which is not zero."""
        return f"{self._clock.random.getrandbits(bits) or 1:0{bits // 4}x}"
