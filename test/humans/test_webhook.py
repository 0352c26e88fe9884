"""Webhooks over a real socket: signed as the standard says, and its failures told apart."""

from __future__ import annotations

import base64
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from aiohttp import web
from pydantic import SecretStr
from standardwebhooks import Webhook

from kubechain.api.contactchannel import ContactChannelSpec
from kubechain.humans import signatures, webhook
from kubechain.humans.http import ChannelHttp
from kubechain.humans.model import ChannelError, MayBeSent, NotAskable, NotSent, Receipt, Refused
from kubechain.humans.webhook import BadCallback, WebhookChannel, WebhookKind
from kubechain.net.addresses import PUBLIC, AddressPolicy
from test.humans.messages import DIGEST, NOW, a_message

KEY = b"0123456789abcdef0123456789abcdef"
SECRET = "whsec_" + base64.b64encode(KEY).decode()
LOOPBACK = AddressPolicy.parse(("127.0.0.0/8",))

Reply = Callable[[], web.StreamResponse]


@asynccontextmanager
async def a_receiver(reply: Reply = web.Response) -> AsyncGenerator[tuple[str, list[Any]]]:
    """An endpoint that verifies what it gets by the standard's own library, and keeps it."""
    seen: list[Any] = []

    async def receive(request: web.Request) -> web.StreamResponse:
        body = await request.read()
        event = Webhook(SECRET).verify(body, dict(request.headers))
        seen.append({"id": request.headers["webhook-id"], **event})
        return reply()

    app = web.Application()
    app.router.add_post("/hook", receive)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        yield f"http://127.0.0.1:{port}/hook", seen
    finally:
        await runner.cleanup()


def a_channel(url: str, policy: AddressPolicy = LOOPBACK) -> WebhookChannel:
    source = {"secretKeyRef": {"name": "hook", "key": "key"}}
    spec = ContactChannelSpec.model_validate({"type": "webhook", "apiKeyFrom": source, "webhook": {"url": url}})
    return WebhookKind(ChannelHttp(policy), lambda: datetime.now(UTC)).open(spec, {"key": SecretStr(SECRET)})


async def test_a_request_is_posted_signed_and_closed_under_ids_that_stay_the_same() -> None:
    async with a_receiver() as (url, seen):
        channel = a_channel(url)
        message = a_message(Approve="https://x.example/1")
        receipt = await channel.deliver(message)
        await channel.deliver(message)
        assert await channel.find(message) == NotAskable(Receipt(message.key))
        await channel.close(message, receipt, "Approve by bob")
    assert receipt == Receipt("kubechain-1")
    assert [(one["type"], one["id"]) for one in seen] == [
        ("request.opened", "kubechain-1"),
        ("request.opened", "kubechain-1"),
        ("request.closed", "kubechain-1.closed"),
    ]
    opened = seen[0]["data"]
    assert (opened["tool"], opened["arguments"], opened["digest"]) == (
        "github__delete_repo", '{"repo": "old"}', DIGEST,
    )  # fmt: skip
    assert opened["links"] == {"Approve": "https://x.example/1"}
    assert seen[2]["data"]["ending"] == "Approve by bob"


@pytest.mark.parametrize(
    ("status", "error"),
    [
        pytest.param(400, Refused, id="refused for good"),
        pytest.param(410, Refused, id="gone"),
        pytest.param(302, Refused, id="a redirect is not followed"),
        pytest.param(429, NotSent, id="too often: later"),
        pytest.param(503, NotSent, id="down: later"),
    ],
)
async def test_a_status_says_whether_another_try_may_help(status: int, error: type[ChannelError]) -> None:
    async with a_receiver(lambda: web.Response(status=status, headers={"Retry-After": "77"})) as (url, _):
        with pytest.raises(ChannelError) as caught:
            await a_channel(url).deliver(a_message())
    assert type(caught.value) is error
    assert caught.value.retry_after_seconds == 77.0
    assert "hook" not in str(caught.value)


async def test_a_connection_that_breaks_after_the_request_leaves_it_open_whether_it_came() -> None:
    class Broken(web.Response):
        async def prepare(self, request: web.BaseRequest) -> Any:
            assert request.transport is not None
            request.transport.abort()
            return await super().prepare(request)

    async with a_receiver(Broken) as (url, seen):
        with pytest.raises(MayBeSent):
            await a_channel(url).deliver(a_message())
    assert len(seen) == 1
    with pytest.raises(NotSent, match="connection refused"):
        await a_channel(url).deliver(a_message())


async def test_an_address_that_the_manager_does_not_allow_is_not_reached() -> None:
    async with a_receiver() as (url, seen):
        with pytest.raises(NotSent, match="loopback"):
            await a_channel(url, PUBLIC).deliver(a_message())
    assert not seen


def callback(data: Mapping[str, Any], **event: Any) -> tuple[dict[str, str], bytes]:
    body = orjson.dumps({"type": "request.decided", "data": data} | event)
    return signatures.webhook_headers(KEY, "reply-1", body, NOW), body


def test_a_signed_callback_is_an_answer() -> None:
    headers, body = callback({"request": "r", "choice": "Approve", "digest": DIGEST, "by": "ann", "comment": "ok"})
    name, answer = webhook.answer_of(KEY, headers, body, NOW)
    assert (name, answer.responder, answer.choice, answer.digest, answer.comment) == (
        "r", "ann", "Approve", DIGEST, "ok",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        pytest.param(*callback({}, type="request.opened"), id="our own message, sent back"),
        pytest.param(*callback({"choice": 1}), id="a number for a text"),
        pytest.param(signatures.webhook_headers(KEY, "x", b"[]", NOW), b"[]", id="a list"),
        pytest.param(signatures.webhook_headers(KEY, "x", b"{", NOW), b"{", id="no JSON"),
    ],
)
def test_a_signed_callback_that_is_no_answer_is_refused(headers: dict[str, str], body: bytes) -> None:
    with pytest.raises(BadCallback):
        webhook.answer_of(KEY, headers, body, NOW)
