"""The body of a watch: events of the engine as lines of JSON, in the negotiated form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Self

import orjson

from kubechain_apiserver.engine.engine import Subscription, WatchEvent
from kubechain_apiserver.requests.negotiation import Form
from kubechain_apiserver.tables.tables import IncludeObject, Printer, partial_object
from kubechain_apiserver.wire.json_types import JsonObject

Render = Callable[[WatchEvent], bytes]
"""Encodes an event as a line, newline included."""

_AS_IS: Final = frozenset({"ERROR"})
"""Event types whose object is a Status or bookmark and not of the watched kind."""


class WatchStream:
    """The lines of a watch; implements `http_types.Stream`."""

    def __init__(self, subscription: Subscription, render: Render) -> None:
        self._subscription = subscription
        self._render = render

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        events = await self._subscription.next_batch()
        if not events:
            raise StopAsyncIteration
        return b"".join(map(self._render, events))

    async def aclose(self) -> None:
        """End the watch."""
        self._subscription.close()


def render(form: Form, printer: Printer, include: IncludeObject, *, now: Callable[[], float]) -> Render:
    """Return the encoder of events for a form.

    Args:
        printer: Makes the rows of Tables.
        include: How much of each object a Table contains.
        now: Seconds since the epoch, for ages in Tables.
    """
    match form:
        case Form.OBJECT:
            return _whole
        case Form.PARTIAL | Form.PARTIAL_LIST:
            return _partial
        case Form.TABLE:
            return _TableRows(printer, include, now)


def _whole(event: WatchEvent) -> bytes:
    return event.line


def _partial(event: WatchEvent) -> bytes:
    return event.line if event.type in _AS_IS else _line(event.type, partial_object(event.object))


def _line(type_: str, obj: JsonObject) -> bytes:
    return orjson.dumps({"type": type_, "object": obj}, option=orjson.OPT_APPEND_NEWLINE)


class _TableRows:
    """Encodes each event as a Table of one row; only the first one contains the columns."""

    def __init__(self, printer: Printer, include: IncludeObject, now: Callable[[], float]) -> None:
        self._printer = printer
        self._include: IncludeObject = include
        self._now = now
        self._headers = True

    def __call__(self, event: WatchEvent) -> bytes:
        if event.type in _AS_IS:
            return event.line
        metadata = {"resourceVersion": event.object["metadata"]["resourceVersion"]}
        table = self._printer.table(
            [event.object], metadata, now=self._now(), include=self._include, headers=self._headers
        )
        self._headers = False
        return _line(event.type, table)
