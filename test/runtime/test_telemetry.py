"""Spans: what a reconcile records, and that the default costs nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from kubechain.runtime.clock import LoopClock
from kubechain.runtime.controller import Result, controller
from kubechain.runtime.errors import TerminalError
from kubechain.runtime.keys import Request
from kubechain.runtime.manager import Manager
from kubechain.runtime.telemetry import NO_ATTRIBUTES, NO_TELEMETRY, Attribute, ParentSpan, TraceContext
from test.runtime.fake_apiserver import FakeApiServer
from test.runtime.test_controller import Recorded, running
from test.runtime.widgets import WIDGETS, WIDGETS_PATH, a_widget


@dataclass
class RecordedSpan:
    name: str
    attributes: dict[str, Attribute]
    context: TraceContext | None = None
    ended: bool = False

    def set(self, name: str, value: Attribute) -> None:
        self.attributes[name] = value


@dataclass
class RecordingTelemetry:
    """Keeps the spans in memory."""

    spans: list[RecordedSpan] = field(default_factory=list[RecordedSpan])

    @contextmanager
    def span(
        self, name: str, parent: ParentSpan | None = None, attributes: Mapping[str, Attribute] = NO_ATTRIBUTES
    ) -> Generator[RecordedSpan]:
        made = RecordedSpan(name, dict(attributes), TraceContext("a" * 32, f"{len(self.spans):016x}"))
        self.spans.append(made)
        try:
            yield made
        finally:
            made.ended = True


async def test_each_reconcile_is_a_span_with_its_key_and_result() -> None:
    server, telemetry = FakeApiServer(), RecordingTelemetry()
    for name in ("good", "bad"):
        server.put(WIDGETS_PATH, a_widget(name))

    async def act(request: Request) -> Result:
        assert not telemetry.spans[-1].ended
        if request.name == "bad":
            raise TerminalError("spec: wrong")
        return Result()

    manager = Manager(server, clock=LoopClock(), telemetry=telemetry)
    controller(manager, "widget").for_(WIDGETS).complete(Recorded(act))
    async with running(manager):
        await asyncio.sleep(1)
    common = {"controller": "widget", "k8s.namespace.name": "default"}
    spans = sorted(telemetry.spans, key=lambda span: str(span.attributes["name"]))
    assert [(span.name, span.attributes, span.ended) for span in spans] == [
        ("reconcile", {**common, "name": "bad", "result": "terminal"}, True),
        ("reconcile", {**common, "name": "good", "result": "success"}, True),
    ]


def test_without_telemetry_every_span_is_the_same_object_and_has_no_identity() -> None:
    with NO_TELEMETRY.span("a") as outer, NO_TELEMETRY.span("b", TraceContext("1" * 32, "2" * 16), {"n": 1}) as inner:
        inner.set("tokens", 3)
    assert outer is inner
    assert inner.context is None


def test_a_context_is_written_as_the_header_wants_it() -> None:
    assert TraceContext("1" * 32, "2" * 16).traceparent == f"00-{'1' * 32}-{'2' * 16}-01"
