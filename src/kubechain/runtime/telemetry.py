"""The interface to tracing: spans of reconciles, model calls, tool calls and requests of MCP servers.

It is a subset of OpenTelemetry's, so that an exporter needs only a small adapter. The default records nothing. No I/O
and no SDK here.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import MappingProxyType, TracebackType
from typing import Protocol

Attribute = str | int | float | bool
"""A value of an attribute that OpenTelemetry allows."""

NO_ATTRIBUTES: Mapping[str, Attribute] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class TraceContext:
    """The ids of a trace and a span, as in W3C Trace Context: lowercase hex, 32 and 16 digits."""

    trace_id: str
    span_id: str

    @property
    def traceparent(self) -> str:
        """Return the value of the `traceparent` header, marked as sampled."""
        return f"00-{self.trace_id}-{self.span_id}-01"


class ParentSpan(Protocol):
    """The ids of a parent span, such as those stored in an object's status; see `TraceContext`."""

    @property
    def trace_id(self) -> str:
        """Lowercase hex, 32 digits."""
        ...

    @property
    def span_id(self) -> str:
        """Lowercase hex, 16 digits."""
        ...


class Span(Protocol):
    """A started span; it ends with its `with` block, with an error status when the block raises."""

    @property
    def context(self) -> TraceContext | None:
        """Return the ids of this span, for children and for headers; None when it is not recorded."""
        ...

    def set(self, name: str, value: Attribute) -> None:
        """Set an attribute that was not known at the start, such as a count of tokens."""
        ...


class Telemetry(Protocol):
    """Records spans."""

    def span(
        self, name: str, parent: ParentSpan | None = None, attributes: Mapping[str, Attribute] = NO_ATTRIBUTES
    ) -> AbstractContextManager[Span]:
        """Start a span.

        Args:
            name: a constant such as `reconcile`; variable values belong in the attributes.
            parent: None for the current span of this context, or a new trace if there is none.
            attributes: without prompts, arguments and secrets.
        """
        ...


class _NoSpan:
    """The span of `NoTelemetry`; it has no state, so one object is shared."""

    __slots__ = ()
    context: TraceContext | None = None

    def set(self, name: str, value: Attribute) -> None:
        pass

    def __enter__(self) -> _NoSpan:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        pass


_NO_SPAN = _NoSpan()


class NoTelemetry:
    """Records nothing."""

    __slots__ = ()

    def span(
        self, name: str, parent: ParentSpan | None = None, attributes: Mapping[str, Attribute] = NO_ATTRIBUTES
    ) -> AbstractContextManager[Span]:
        """Return a span that is not recorded."""
        return _NO_SPAN


NO_TELEMETRY: Telemetry = NoTelemetry()
