"""Where the span of a step is: below the run, or below the call that is carried out, of this or a later hour."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import pytest
from structlog.contextvars import bound_contextvars

from kubechain.api import traces
from kubechain.api.approval import DecisionChoice
from kubechain.api.humanrequest import (
    HumanRequest,
    HumanRequestSpec,
    HumanRequestType,
    RequestContent,
    RequestSubject,
)
from kubechain.api.meta import StatusObject
from kubechain.api.references import LocalObjectReference
from kubechain.api.taskrun import SpanContext, TaskRun, TaskRunPhase
from kubechain.observability.steps import StepSpans
from kubechain.runtime.telemetry import NO_ATTRIBUTES, NO_SPAN, NO_TELEMETRY, Attribute, ParentSpan
from test.controllers.builders import a_run, an_llm, later, meta
from test.controllers.toolcall.builders import a_tool_call

ROOT = traces.of_run(a_run())
RUN = a_run(phase=TaskRunPhase.TOOL_CALLS_PENDING, span_context=ROOT)
CALL = SpanContext(trace_id=ROOT.trace_id, span_id="c" * 16)

REQUEST = HumanRequest(
    metadata=meta("hello-1-budget"),
    spec=HumanRequestSpec(
        request=RequestContent(
            type=HumanRequestType.QUESTION,
            subject=RequestSubject(resource="agents", name="my-assistant"),
            task_run_ref=LocalObjectReference(name="hello-1"),
            digest="0" * 64,
            choices=(DecisionChoice.ANSWER,),
        )
    ),
)


@dataclass(frozen=True)
class Execute:
    """A step."""


@dataclass
class Asked:
    """Keeps what steps are asked for."""

    steps: list[tuple[str, ParentSpan | None, str]] = field(default_factory=list[tuple[str, ParentSpan | None, str]])
    attributes: Mapping[str, Attribute] = field(default_factory=dict[str, Attribute])
    is_recording: bool = True

    def step(
        self,
        name: str,
        parent: ParentSpan | None = None,
        attributes: Mapping[str, Attribute] = NO_ATTRIBUTES,
        *,
        trace_id: str = "",
    ) -> AbstractContextManager[None]:
        self.steps.append((name, parent, trace_id))
        self.attributes = attributes
        return nullcontext()

    def span(self, name: str, attributes: Mapping[str, Attribute] = NO_ATTRIBUTES) -> AbstractContextManager[None]:
        raise AssertionError("a step is started")


def asked(obj: StatusObject[Any, Any], *, run: TaskRun | None = RUN, seconds: float = 0.0) -> Asked:
    """A step about an object, so long after its run began."""
    telemetry = Asked()

    def find_run(namespace: str, name: str) -> TaskRun | None:
        assert namespace == obj.metadata.namespace
        return run if run is not None and name == run.metadata.name else None

    StepSpans(telemetry, find_run, lambda: later(seconds)).of(obj, Execute())
    return telemetry


STARTED = a_tool_call().with_status(span_context=CALL)

PLACES: list[tuple[str, Asked, str, SpanContext | None]] = [
    ("a run", asked(RUN), "TaskRun", ROOT),
    ("a run that has not begun", asked(a_run()), "TaskRun", ROOT),
    ("a call that is not carried out yet", asked(a_tool_call()), "TaskRunToolCall", ROOT),
    ("a call that is carried out", asked(STARTED), "TaskRunToolCall", CALL),
    ("a call whose run is gone", asked(STARTED, run=None), "TaskRunToolCall", CALL),
    ("a call that never began, whose run is gone", asked(a_tool_call(), run=None), "TaskRunToolCall", None),
    ("a request to a person", asked(REQUEST), "HumanRequest", ROOT),
    ("a kind that belongs to no run", asked(an_llm()), "LLM", None),
]


@pytest.mark.parametrize(("telemetry", "kind", "above"), [row[1:] for row in PLACES], ids=[row[0] for row in PLACES])
def test_a_step_is_in_the_trace_of_the_run_that_it_belongs_to(
    telemetry: Asked, kind: str, above: SpanContext | None
) -> None:
    trace_id = above.trace_id if above is not None else ""
    assert telemetry.steps == [(f"reconcile {kind}/Execute", above, trace_id)]


@pytest.mark.parametrize("obj", [RUN, STARTED, REQUEST], ids=["a run", "a call", "a request"])
def test_a_step_an_hour_after_the_run_began_is_in_the_trace_of_that_hour(obj: StatusObject[Any, Any]) -> None:
    [(_, above, trace_id)] = asked(obj, seconds=3_600).steps
    assert above is not None
    assert above.trace_id == ROOT.trace_id
    assert trace_id == traces.trace_id_at(RUN, later(3_600)) != ROOT.trace_id


def test_a_step_says_which_object_which_step_and_which_reconcile() -> None:
    with bound_contextvars(reconcile_id="00ff"):
        attributes = asked(RUN).attributes
    assert attributes == {
        "k8s.namespace.name": "default",
        "kubechain.object.name": "hello-1",
        "kubechain.reconcile.step": "Execute",
        "kubechain.reconcile.id": "00ff",
    }


def test_without_telemetry_nothing_is_looked_up() -> None:
    def find_run(namespace: str, name: str) -> TaskRun | None:
        raise AssertionError(name)

    steps = StepSpans(NO_TELEMETRY, find_run, lambda: later(0))
    assert steps.of(a_tool_call(), Execute()) is NO_SPAN
