"""A double of Slack's Web API over real sockets: it checks token, form and blocks as Slack does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from slack_sdk.models.blocks import Block
from slack_sdk.models.views import View

from test.humans.socketdouble import SocketDouble

TOKEN = "xoxb-0123456789-canary"
CHANNEL = "C0123456789"
DIRECT = "D0123456789"
"""The conversation of the app with a user."""


@dataclass(slots=True)
class SlackDouble:
    """One workspace with one channel.

    Attributes:
        app: The connections of the app by Socket Mode.
        failures: Errors of the next calls by method.
        breaks: Methods whose reply is lost after they took effect.
    """

    messages: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    views: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    told: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    failures: dict[str, str] = field(default_factory=dict[str, str])
    breaks: set[str] = field(default_factory=set[str])
    calls: list[str] = field(default_factory=list[str])
    app: SocketDouble = field(default_factory=SocketDouble)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        self.calls.append(method)
        if method == "apps.connections.open":
            return web.json_response(self.app.open(request))
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return web.json_response({"ok": False, "error": "invalid_auth"})
        if method in self.failures:
            error = self.failures.pop(method)
            status = 429 if error == "ratelimited" else 200
            return web.json_response({"ok": False, "error": error}, status=status, headers={"Retry-After": "30"})
        if request.content_type == "application/json":
            arguments: dict[str, Any] = await request.json()
        else:
            arguments = dict(await request.post())
        found = self._do(method, arguments)
        async with self.changed:
            self.changed.notify_all()
        if method in self.breaks:
            self.breaks.discard(method)
            assert request.transport is not None
            request.transport.abort()
        return web.json_response(found)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until calls have led to something."""
        async with asyncio.timeout(60), self.changed:
            await self.changed.wait_for(condition)

    def _do(self, method: str, given: dict[str, Any]) -> dict[str, Any]:
        match method:
            case "auth.test":
                return {"ok": True, "team": "Acme", "user": "kubechain"}
            case "chat.postMessage":
                check_blocks(given["blocks"])
                ts = f"17000000{len(self.messages):02}.000100"
                self.messages[ts] = given
                return {"ok": True, "channel": CHANNEL, "ts": ts}
            case "chat.update":
                check_blocks(given["blocks"])
                if given["ts"] not in self.messages:
                    return {"ok": False, "error": "message_not_found"}
                self.messages[given["ts"]] |= given
                return {"ok": True}
            case "conversations.open":
                return {"ok": True, "channel": {"id": DIRECT}}
            case "conversations.history" if given["channel"] not in (CHANNEL, DIRECT):
                return {"ok": False, "error": "channel_not_found"}
            case "conversations.history":
                shown = given["include_all_metadata"] == "true"
                listed = [
                    {"ts": ts, **({"metadata": one["metadata"]} if shown else {})} for ts, one in self.messages.items()
                ]
                return {"ok": True, "messages": listed, "has_more": False}
            case "views.open":
                View(**given["view"]).validate_json()
                self.views.append(given)
                return {"ok": True}
            case "chat.postEphemeral":
                self.told.append(given)
                return {"ok": True}
            case _:
                return {"ok": False, "error": "unknown_method"}


def check_blocks(given: list[dict[str, Any]]) -> None:
    """Check blocks by the models of Slack's own library."""
    for one in given:
        block = Block.parse(one)  # pyright: ignore[reportUnknownMemberType]
        assert block is not None, one
        block.validate_json()
        if one["type"] == "section":
            assert len(one["text"]["text"]) <= 3000


@asynccontextmanager
async def a_slack() -> AsyncGenerator[tuple[SlackDouble, str]]:
    """The double, and the address of its API."""
    double = SlackDouble()
    app = web.Application()
    app.router.add_post("/api/{method}", double.answer)
    app.router.add_get("/link/", double.app.connect)
    app.router.add_get("/away", _away)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)  # a manager may hold its connection open
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield double, f"http://127.0.0.1:{runner.addresses[0][1]}/api/"
    finally:
        await runner.cleanup()


async def _away(_: web.Request) -> web.StreamResponse:
    """Lead to another address."""
    raise web.HTTPFound("http://127.0.0.9:1/")
