"""The span of a step of a reconcile: its name, and where it is in the trace of the run that the object belongs to.

A run's steps are below the run, a call's below the call once it is carried out, those of a request to a person below
the run that waits. All of it is computed from the objects, so that a restart or another manager changes nothing. Steps
of other kinds are traces of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from structlog.contextvars import get_contextvars

from kubechain.api import traces
from kubechain.api.humanrequest import HumanRequest
from kubechain.api.meta import StatusObject
from kubechain.api.taskrun import SpanContext, TaskRun
from kubechain.api.taskruntoolcall import TaskRunToolCall
from kubechain.observability.spans import FindRun
from kubechain.runtime.telemetry import NAMESPACE, NO_SPAN, NO_TELEMETRY, OBJECT_NAME, Telemetry

RECONCILE_ID = "reconcile_id"
"""Key of the log with the id of the reconcile."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a span is.

    Attributes:
        above: The span that it is a part of.
        trace_id: Its trace; where that is not the one of `above`, it has a link.
    """

    above: SpanContext
    trace_id: str


@dataclass(frozen=True, slots=True)
class StepSpans:
    """Starts the spans of the steps of all kinds."""

    telemetry: Telemetry
    find_run: FindRun
    now: Callable[[], datetime]

    def of(self, obj: StatusObject[Any, Any], step: object) -> AbstractContextManager[None]:
        """The span of a step about an object."""
        if not self.telemetry.is_recording:
            return NO_SPAN
        metadata, what = obj.metadata, type(step).__name__
        attributes = {
            NAMESPACE: metadata.namespace,
            OBJECT_NAME: metadata.name,
            "kubechain.reconcile.step": what,
            "kubechain.reconcile.id": str(get_contextvars().get(RECONCILE_ID, "")),
        }
        name, place = f"reconcile {obj.kind}/{what}", self._place(obj)
        if place is None:
            return self.telemetry.step(name, None, attributes)
        return self.telemetry.step(name, place.above, attributes, trace_id=place.trace_id)

    def _place(self, obj: StatusObject[Any, Any]) -> Place | None:
        match obj:
            case TaskRun():
                return self._below(obj, None)
            case TaskRunToolCall():
                return self._below(self._run(obj, obj.spec.task_run_ref.name), obj.status.span_context)
            case HumanRequest():
                return self._below(self._run(obj, obj.spec.request.task_run_ref.name), None)
            case _:
                return None

    def _run(self, obj: StatusObject[Any, Any], name: str) -> TaskRun | None:
        return self.find_run(obj.metadata.namespace, name)

    def _below(self, run: TaskRun | None, part: SpanContext | None) -> Place | None:
        """Below a part of a run, or the run itself; without the run, in the part's own trace."""
        if run is None:
            return None if part is None else Place(part, part.trace_id)
        return Place(part or traces.place_of(run), traces.trace_id_at(run, self.now()))


NO_STEP_SPANS = StepSpans(NO_TELEMETRY, lambda namespace, name: None, datetime.now)
