"""The ids of traces and spans, computed from uids: every process gives the same ones, and none keeps them in memory.

A run's spans are in the trace of the root of its tree; a run that a call is answered by has its place in an annotation,
which is set when the run is made. Anybody may set it, to have a run in a trace of their own. What begins more than an
hour after its run is in another trace, one for each hour, and refers to the run by a link: backends close a trace
after a while, and a run may wait for a person for days.
"""

from __future__ import annotations

import re
import uuid
from datetime import datetime

from kubechain.api.meta import GROUP
from kubechain.api.taskrun import SpanContext, TaskRun

TRACEPARENT = f"{GROUP}/traceparent"
"""Annotation of a run with its parent span, in the form of W3C Trace Context."""

HOUR_SECONDS = 3600

_FORM = re.compile(r"00-(?!0{32})(?P<trace>[0-9a-f]{32})-(?!0{16})(?P<span>[0-9a-f]{16})-[0-9a-f]{2}")


def parent_of(run: TaskRun) -> SpanContext | None:
    """The span above a run; None where there is none, or the annotation is not one."""
    found = _FORM.fullmatch(run.metadata.annotations.get(TRACEPARENT, ""))
    return SpanContext(trace_id=found["trace"], span_id=found["span"]) if found else None


def of_run(run: TaskRun) -> SpanContext:
    """The span of a run."""
    own = uuid.uuid5(uuid.UUID(run.metadata.uid), "trace").hex
    parent = parent_of(run)
    return SpanContext(trace_id=parent.trace_id if parent is not None else own, span_id=own[:16])


def of_part(run: TaskRun, span_id: str, began_at: datetime) -> SpanContext | None:
    """The span of a part of a run, such as a call; None for a run that has none."""
    if run.status.span_context is None:
        return None
    return SpanContext(trace_id=trace_id_at(run, began_at), span_id=span_id)


def trace_id_at(run: TaskRun, began_at: datetime) -> str:
    """The trace of what begins at a time: the run's, or after an hour another one."""
    own = place_of(run).trace_id
    since = run.status.start_time or began_at
    hours = int((began_at - since).total_seconds() // HOUR_SECONDS)
    return own if hours <= 0 else uuid.uuid5(uuid.UUID(own), f"hour {hours}").hex


def place_of(run: TaskRun) -> SpanContext:
    """The span of a run, whether or not it has begun."""
    return run.status.span_context or of_run(run)


def span_id_of(uid: str, *parts: object) -> str:
    """The id of a span that belongs to an object.

    Args:
        parts: What tells it from other spans of the object; none for the only one.
    """
    own = uuid.UUID(uid)
    return (uuid.uuid5(own, " ".join(map(str, parts))) if parts else own).hex[:16]


def traceparent(span: SpanContext) -> str:
    """The span in the form of W3C Trace Context, marked as sampled."""
    return f"00-{span.trace_id}-{span.span_id}-01"
