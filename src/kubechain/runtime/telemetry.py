"""The interface to tracing: spans of the steps of a reconcile, and of the writes that a step makes.

An exporter is an implementation of `Telemetry`; the default records nothing. No I/O and no SDK here.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from types import MappingProxyType
from typing import Protocol

Attribute = str | int | float | bool
"""A value of an attribute that OpenTelemetry allows."""

NAMESPACE = "k8s.namespace.name"
"""Attribute with the namespace of the object that a span is about."""

OBJECT_NAME = "kubechain.object.name"
"""Attribute with its name; the conventions of OpenTelemetry have names for the kinds that they know, not for ours."""

NO_ATTRIBUTES: Mapping[str, Attribute] = MappingProxyType({})

NO_SPAN: AbstractContextManager[None] = nullcontext()
"""A span that is not recorded."""


class ParentSpan(Protocol):
    """The ids of a parent span, such as those stored in an object's status."""

    @property
    def trace_id(self) -> str:
        """Lowercase hex, 32 digits."""
        ...

    @property
    def span_id(self) -> str:
        """Lowercase hex, 16 digits."""
        ...


class Telemetry(Protocol):
    """Records spans; each ends with its `with` block, with an error where the block raises."""

    @property
    def is_recording(self) -> bool:
        """Whether spans are recorded; where not, callers spare themselves their attributes."""
        ...

    def step(
        self,
        name: str,
        parent: ParentSpan | None = None,
        attributes: Mapping[str, Attribute] = NO_ATTRIBUTES,
        *,
        trace_id: str = "",
    ) -> AbstractContextManager[None]:
        """Start a span for what is done next; it is recorded only if spans are made within it.

        Args:
            name: from a small set; variable values belong in the attributes.
            parent: None for a trace of its own.
            attributes: without prompts, arguments and secrets.
            trace_id: of the span; one that is not the parent's makes the parent a link. Empty is the parent's.
        """
        ...

    def span(self, name: str, attributes: Mapping[str, Attribute] = NO_ATTRIBUTES) -> AbstractContextManager[None]:
        """Start a span within the current step; outside of a step it is not recorded."""
        ...


class NoTelemetry:
    """Records nothing."""

    __slots__ = ()
    is_recording = False

    def step(
        self,
        name: str,
        parent: ParentSpan | None = None,
        attributes: Mapping[str, Attribute] = NO_ATTRIBUTES,
        *,
        trace_id: str = "",
    ) -> AbstractContextManager[None]:
        """Return a span that is not recorded."""
        return NO_SPAN

    def span(self, name: str, attributes: Mapping[str, Attribute] = NO_ATTRIBUTES) -> AbstractContextManager[None]:
        """Return a span that is not recorded."""
        return NO_SPAN


NO_TELEMETRY: Telemetry = NoTelemetry()
