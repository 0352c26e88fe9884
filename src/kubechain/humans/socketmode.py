"""Slack's Socket Mode: what people do in Slack comes over a WebSocket that we open, so that no port is needed.

`apps.connections.open` gives the address of one connection. Slack says hello, sends envelopes, which are acknowledged
within three seconds, and announces the end of a connection before it comes. This module is about one connection;
`listening` sees to it that there always is one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import aiohttp
import orjson

from kubechain.humans import websockets
from kubechain.humans.http import ChannelHttp
from kubechain.humans.model import (
    MESSAGE_TIMEOUT_SECONDS,
    App,
    AppConnection,
    Ended,
    EndsSoon,
    Envelope,
    Frame,
    NotSent,
)
from kubechain.humans.slack import SlackApi
from kubechain.humans.websockets import WebSocket
from kubechain.net.addresses import AddressPolicy
from kubechain.net.foreign import one_line
from kubechain.net.resolution import Lookup, system_lookup

CLOSED = "the connection was closed"

_OVER = (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSING, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)


@dataclass(frozen=True, slots=True)
class Hello:
    """The first frame of a connection."""


@dataclass(frozen=True, slots=True)
class SocketMode:
    """Opens connections of Slack apps."""

    http: ChannelHttp
    policy: AddressPolicy
    now: Callable[[], datetime]
    lookup: Lookup = system_lookup

    @asynccontextmanager
    async def connect(self, app: App) -> AsyncGenerator[AppConnection]:
        """Open a connection and wait until Slack has said hello.

        Raises:
            ChannelError: Slack gives none, or it cannot be connected to.
        """
        found = await SlackApi(self.http, self.now, app.url, app.token).call("apps.connections.open", {})
        url = str(found.get("url") or "")
        needs_tls = app.url.startswith("https:")
        async with websockets.opened(url, policy=self.policy, lookup=self.lookup, needs_tls=needs_tls) as socket:
            connection = SlackConnection(socket)
            await connection.greet()
            yield connection


@dataclass(frozen=True, slots=True)
class SlackConnection:
    """One connection."""

    socket: WebSocket

    async def greet(self) -> None:
        """Wait for the hello.

        Raises:
            NotSent: Something else came, or nothing.
        """
        try:
            async with asyncio.timeout(MESSAGE_TIMEOUT_SECONDS):
                first = await self._next()
        except TimeoutError:
            raise NotSent("Slack: Socket Mode: no hello in time") from None
        if not isinstance(first, Hello):
            why = first.reason if isinstance(first, Ended | EndsSoon) else "no hello"
            raise NotSent(f"Slack: Socket Mode: {why}")

    async def receive(self) -> Frame:
        """The next frame that means something."""
        while True:
            found = await self._next()
            if found is not None and not isinstance(found, Hello):
                return found

    async def acknowledge(self, envelope: Envelope, reply: bytes) -> None:
        """Say that an envelope has arrived."""
        said: dict[str, Any] = {"envelope_id": envelope.id}
        if reply:
            said["payload"] = orjson.loads(reply)
        try:
            await self.socket.send_str(orjson.dumps(said).decode())
        except (aiohttp.ClientError, OSError) as error:
            raise NotSent(f"Slack: Socket Mode: {CLOSED}") from error

    async def _next(self) -> Frame | Hello | None:
        message = await self.socket.receive()
        if message.type in _OVER:
            return Ended(CLOSED)
        return frame(message.data) if message.type is aiohttp.WSMsgType.TEXT else None


def frame(text: str | bytes) -> Frame | Hello | None:
    """What a frame says; None for what means nothing to us."""
    try:
        found: Any = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(found, dict):
        return None
    said = cast("dict[str, Any]", found)
    match said.get("type"):
        case "hello":
            return Hello()
        case "disconnect":
            return EndsSoon(one_line(str(said.get("reason") or "disconnect"), 100))
        case _:
            return _envelope(said)


def _envelope(said: dict[str, Any]) -> Envelope | None:
    """Anything with an id is acknowledged, whatever its type: Slack sends again what is not."""
    id_, payload = said.get("envelope_id"), said.get("payload")
    if not isinstance(id_, str):
        return None
    return Envelope(id_, cast("dict[str, Any]", payload) if isinstance(payload, dict) else {})
