"""Slack's Socket Mode over real WebSockets: checks the token, gives tickets that count once, and waits for acks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

APP_TOKEN = "xapp-1-A0123456789-canary"


@dataclass(slots=True)
class SocketDouble:
    """The connections of one app.

    Attributes:
        address: What is given as the address of the next connections; None for the right one.
        says_hello: Whether a new connection is greeted.
        is_chatty: Whether a new connection is sent frames all the time, and what comes by it is not read.
        acknowledged: Every envelope that was acknowledged, with what came with it, in the order of the acks.
        opened_count: How many connections there ever were.
    """

    address: str | None = None
    says_hello: bool = True
    is_chatty: bool = False
    acknowledged: dict[str, Any] = field(default_factory=dict[str, Any])
    opened_count: int = 0
    sockets: list[web.WebSocketResponse] = field(default_factory=list[web.WebSocketResponse])
    _tickets: set[str] = field(default_factory=set[str])
    _count: int = 0
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    def open(self, request: web.Request) -> dict[str, Any]:
        """Answer `apps.connections.open`."""
        if request.headers.get("Authorization") != f"Bearer {APP_TOKEN}":
            return {"ok": False, "error": "invalid_auth"}
        self._count += 1
        ticket = f"ticket-{self._count}-canary"
        self._tickets.add(ticket)
        given = f"ws://{request.host}/link/?ticket={ticket}&app_id=A0123456789"
        return {"ok": True, "url": given if self.address is None else self.address}

    async def connect(self, request: web.Request) -> web.StreamResponse:
        """Serve one connection to its end."""
        ticket = request.query.get("ticket", "")
        if ticket not in self._tickets:
            return web.Response(status=403)
        self._tickets.discard(ticket)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        if self.says_hello:
            await socket.send_json({"type": "hello", "num_connections": 1, "connection_info": {"app_id": "A01"}})
        await self._add(socket)
        try:
            if self.is_chatty:
                await _chat(socket)
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    await self._acknowledge(json.loads(message.data))
        finally:
            self.sockets.remove(socket)
            await self._notify()
        return socket

    async def send(self, payload: Mapping[str, Any], *, type_: str = "interactive", id_: str = "") -> str:
        """Send an envelope over the newest connection; returns its id."""
        self._count += 1
        id_ = id_ or f"envelope-{self._count}"
        accepts = type_ == "interactive"
        envelope = {"type": type_, "envelope_id": id_, "payload": payload, "accepts_response_payload": accepts}
        await self.sockets[-1].send_json(envelope)
        return id_

    async def disconnect(self, reason: str) -> None:
        """Announce the end of the newest connection."""
        await self.sockets[-1].send_json({"type": "disconnect", "reason": reason, "debug_info": {"host": "x"}})

    async def break_all(self) -> None:
        """End all connections without a word."""
        for socket in list(self.sockets):
            transport = socket._req.transport if socket._req is not None else None  # pyright: ignore[reportPrivateUsage]
            assert transport is not None
            transport.abort()

    async def until_open(self, count: int = 1) -> None:
        """Wait until so many connections are open."""
        await self._until(lambda: len(self.sockets) == count)

    async def until_opened(self, count: int) -> None:
        """Wait until there have been so many connections, and one is open."""
        await self._until(lambda: self.opened_count >= count and bool(self.sockets))

    async def ack(self, id_: str) -> Any:
        """Wait until an envelope is acknowledged; returns what came with it."""
        await self._until(lambda: id_ in self.acknowledged)
        return self.acknowledged[id_]

    async def _until(self, condition: Any) -> None:
        async with asyncio.timeout(30), self._changed:
            await self._changed.wait_for(condition)

    async def _add(self, socket: web.WebSocketResponse) -> None:
        self.sockets.append(socket)
        self.opened_count += 1
        await self._notify()

    async def _acknowledge(self, said: dict[str, Any]) -> None:
        assert set(said) <= {"envelope_id", "payload"}, said
        self.acknowledged[said["envelope_id"]] = said.get("payload")
        await self._notify()

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()


async def _chat(socket: web.WebSocketResponse) -> None:
    with suppress(ConnectionError):
        while True:
            await socket.send_json({"type": "nothing"})
            await asyncio.sleep(0.01)
