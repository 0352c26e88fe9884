"""Spans: one for each reconcile, each call of a model, each call of a tool, and each request of an MCP server.

The interface is the part of OpenTelemetry that is needed, so that an exporter is an adapter of a few lines. The default
records nothing. No I/O here, and no SDK.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import MappingProxyType, TracebackType
from typing import Protocol

Attribute = str | int | float | bool
"""The value of an attribute, as OpenTelemetry allows it."""

NO_ATTRIBUTES: Mapping[str, Attribute] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class TraceContext:
    """Which span of which trace, as W3C Trace Context writes it: lowercase hex, 32 and 16 digits."""

    trace_id: str
    span_id: str

    @property
    def traceparent(self) -> str:
        """Return the value of the `traceparent` header, marked as sampled."""
        return f"00-{self.trace_id}-{self.span_id}-01"


class ParentSpan(Protocol):
    """What identifies a span whose identity was stored, in an object's status for instance; see `TraceContext`."""

    @property
    def trace_id(self) -> str: ...
    @property
    def span_id(self) -> str: ...


class Span(Protocol):
    """A span that has begun; it ends with its `with` block, as failed when an exception leaves the block."""

    @property
    def context(self) -> TraceContext | None:
        """Return its identity for children and for the wire; None when it is not recorded."""
        ...

    def set(self, name: str, value: Attribute) -> None:
        """Set an attribute that is known only later, such as a count of tokens."""
        ...


class Telemetry(Protocol):
    """Where spans go."""

    def span(
        self, name: str, parent: ParentSpan | None = None, attributes: Mapping[str, Attribute] = NO_ATTRIBUTES
    ) -> AbstractContextManager[Span]:
        """Begin a span.

        Args:
            name: constant for a place in the code, such as `reconcile`; what differs goes into the attributes.
            parent: None takes the span that is open in the current context, or begins a trace.
            attributes: never a prompt, an argument or a secret.
        """
        ...


class _NoSpan:
    """The span of `NoTelemetry`; one object serves all, since it holds nothing."""

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
