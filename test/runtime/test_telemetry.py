"""Spans of writes: which ones the client makes, under which names, and that the default records nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field

import pytest

from kubechain.runtime.client import Client
from kubechain.runtime.clock import LoopClock
from kubechain.runtime.controller import Result, controller
from kubechain.runtime.errors import NotFound
from kubechain.runtime.keys import Request
from kubechain.runtime.manager import Manager
from kubechain.runtime.telemetry import NO_ATTRIBUTES, NO_SPAN, NO_TELEMETRY, Attribute, ParentSpan
from test.runtime.fake_apiserver import FakeApiServer
from test.runtime.test_controller import Recorded, running
from test.runtime.widgets import WIDGETS, WIDGETS_PATH, a_widget, widget


@dataclass
class RecordingTelemetry:
    """Keeps the spans in memory: name, attributes, and the failure that ended it."""

    spans: list[tuple[str, Mapping[str, Attribute], str]] = field(
        default_factory=list[tuple[str, Mapping[str, Attribute], str]]
    )
    is_recording: bool = True

    def step(
        self,
        name: str,
        parent: ParentSpan | None = None,
        attributes: Mapping[str, Attribute] = NO_ATTRIBUTES,
        *,
        trace_id: str = "",
    ) -> AbstractContextManager[None]:
        raise AssertionError("the runtime knows no steps")

    @contextmanager
    def span(self, name: str, attributes: Mapping[str, Attribute] = NO_ATTRIBUTES) -> Generator[None]:
        error = ""
        try:
            yield
        except BaseException as failure:
            error = type(failure).__name__
            raise
        finally:
            self.spans.append((name, attributes, error))


Act = Callable[[Client], Awaitable[object]]

ACTS: list[tuple[str, Act, list[str]]] = [
    ("a create", lambda client: client.create(WIDGETS, widget("new")), ["create widgets"]),
    ("an update", lambda client: client.update(WIDGETS, widget("w")), ["update widgets"]),
    ("an update of a status", lambda client: client.update_status(WIDGETS, widget("w")), ["update widgets/status"]),
    ("a patch", lambda client: client.patch(WIDGETS, "default", "w", {"spec": {"a": 1}}), ["patch widgets"]),
    (
        "a patch of a status",
        lambda client: client.patch(WIDGETS, "default", "w", {"status": {"a": 1}}, subresource="status"),
        ["patch widgets/status"],
    ),
    ("a delete", lambda client: client.delete(WIDGETS, "default", "w"), ["delete widgets"]),
    ("a read", lambda client: client.get(WIDGETS, "default", "w"), []),
    ("a list", lambda client: client.list(WIDGETS, "default"), []),
]


@pytest.mark.parametrize(("act", "names"), [row[1:] for row in ACTS], ids=[row[0] for row in ACTS])
async def test_each_write_is_a_span_named_by_verb_and_resource(act: Act, names: list[str]) -> None:
    server, telemetry = FakeApiServer(), RecordingTelemetry()
    server.put(WIDGETS_PATH, a_widget("w"))
    await act(Client(server, clock=LoopClock(), telemetry=telemetry))
    assert [(name, error) for name, _, error in telemetry.spans] == [(name, "") for name in names]


async def test_the_span_of_a_write_says_which_object_and_which_failure() -> None:
    server, telemetry = FakeApiServer(), RecordingTelemetry()
    with pytest.raises(NotFound):
        await Client(server, clock=LoopClock(), telemetry=telemetry).update_status(WIDGETS, widget("gone"))
    attributes = {"k8s.namespace.name": "default", "kubechain.object.name": "gone"}
    assert telemetry.spans == [("update widgets/status", attributes, "NotFound")]


async def test_a_reconciler_writes_through_the_telemetry_of_its_manager() -> None:
    server, telemetry = FakeApiServer(), RecordingTelemetry()
    server.put(WIDGETS_PATH, a_widget("w"))
    manager = Manager(server, clock=LoopClock(), telemetry=telemetry)

    async def act(request: Request) -> Result:
        await manager.client.patch(WIDGETS, request.namespace, request.name, {"spec": {"seen": True}})
        return Result()

    controller(manager, "widget").for_(WIDGETS).complete(Recorded(act))
    async with running(manager):
        await asyncio.sleep(1)
    assert {name for name, _, _ in telemetry.spans} == {"patch widgets"}


async def test_without_telemetry_a_write_asks_for_no_span(monkeypatch: pytest.MonkeyPatch) -> None:
    def span(*_: object) -> None:
        raise AssertionError("a span")

    monkeypatch.setattr(type(NO_TELEMETRY), "span", span)
    await Client(FakeApiServer(), clock=LoopClock()).create(WIDGETS, widget("new"))


def test_without_telemetry_every_span_is_the_same_object() -> None:
    assert NO_TELEMETRY.step("a") is NO_TELEMETRY.span("b") is NO_SPAN
