"""Socket Mode: our connection and that of Slack's own library work with the same double in the same way."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
from pydantic import SecretStr
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.async_client import AsyncBaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse
from slack_sdk.web.async_client import AsyncWebClient

from kubechain.humans import listening, socketmode, websockets
from kubechain.humans.http import ChannelHttp
from kubechain.humans.listening import AppListener, Hearing
from kubechain.humans.model import App, ChannelError, EndsSoon, Envelope, NotSent, Refused
from kubechain.humans.socketmode import Hello, SocketMode
from kubechain.net.addresses import AddressPolicy
from test.humans.messages import NOW
from test.humans.slackdouble import SlackDouble, a_slack
from test.humans.socketdouble import APP_TOKEN

LOOPBACK = AddressPolicy.parse(("127.0.0.0/8",))

PRESSED = {"type": "block_actions", "user": {"id": "U1"}}


def a_socket_mode(policy: AddressPolicy = LOOPBACK) -> SocketMode:
    async def lookup(host: str, port: int) -> Sequence[str]:
        return ["127.0.0.1"]

    return SocketMode(ChannelHttp(LOOPBACK), policy, lambda: NOW, lookup)


class Ours:
    """Our listener, with what it heard."""

    def __init__(self, url: str, reply: bytes = b"") -> None:
        self.heard: list[Mapping[str, Any]] = []
        self.said: list[Hearing | None] = []
        self.reply = reply
        self.listener = AppListener(
            App(url, SecretStr(APP_TOKEN)),
            connect=a_socket_mode().connect,
            answer=self.answer,
            on_change=lambda: self.said.append(self.listener.hearing),
            rng=random.Random(0),
        )

    async def answer(self, app: App, envelope: Envelope) -> bytes:
        self.heard.append(envelope.payload)
        return self.reply


@asynccontextmanager
async def ours(url: str, reply: bytes = b"") -> AsyncGenerator[Ours]:
    it = Ours(url, reply)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(it.listener.run())
        yield it
        it.listener.drain()
        await running


@asynccontextmanager
async def theirs(url: str) -> AsyncGenerator[list[Mapping[str, Any]]]:
    """The client of Slack's own library, with what it heard."""
    client = SocketModeClient(app_token=APP_TOKEN, web_client=AsyncWebClient(base_url=url))
    heard: list[Mapping[str, Any]] = []

    async def listen(of: AsyncBaseSocketModeClient, request: SocketModeRequest) -> None:
        heard.append(cast("dict[str, Any]", request.payload))  # pyright: ignore[reportUnknownMemberType]
        await of.send_socket_mode_response(SocketModeResponse(request.envelope_id))

    client.socket_mode_request_listeners.append(listen)  # pyright: ignore[reportUnknownMemberType, reportArgumentType]
    await client.connect()
    try:
        yield heard
    finally:
        await client.close()


async def exercised(double: SlackDouble) -> None:
    """What a connection goes through: envelopes, an announced end, and a new connection."""
    app = double.app
    await app.until_open()
    assert await app.ack(await app.send(PRESSED)) is None
    assert await app.ack(await app.send({"type": "event_callback"}, type_="events_api")) is None
    await app.disconnect("refresh_requested")
    await app.until_opened(2)
    assert await app.ack(await app.send(PRESSED)) is None


async def test_the_double_works_with_our_client_as_with_slacks_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "LASTING_SECONDS", 0.0)
    async with a_slack() as (double, url), ours(url) as it:
        await exercised(double)
    async with a_slack() as (double, url), theirs(url) as heard:
        await exercised(double)
    assert it.heard == heard == [PRESSED, {"type": "event_callback"}, PRESSED]
    assert it.said == [Hearing(is_open=True)]


async def test_a_new_connection_is_open_before_the_old_one_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "LASTING_SECONDS", 0.0)
    async with a_slack() as (double, url), ours(url) as it:
        await double.app.until_open()
        await double.app.disconnect("warning")
        await double.app.until_open(2)
        old = double.app.sockets[0]
        await old.send_json({"type": "interactive", "envelope_id": "late", "payload": PRESSED})
        await double.app.ack("late")
        await old.close()
        await double.app.until_open(1)
    assert it.heard == [PRESSED]
    assert it.said == [Hearing(is_open=True)]


async def test_a_connection_that_breaks_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "LASTING_SECONDS", 0.0)
    async with a_slack() as (double, url), ours(url) as it:
        await double.app.until_open()
        await double.app.break_all()
        await double.app.until_opened(2)
        await double.app.ack(await double.app.send(PRESSED))
    assert it.heard == [PRESSED]


async def test_what_a_dialog_is_to_show_goes_with_the_acknowledgement() -> None:
    async with a_slack() as (double, url), ours(url, b'{"response_action":"errors"}'):
        await double.app.until_open()
        assert await double.app.ack(await double.app.send(PRESSED)) == {"response_action": "errors"}


async def test_an_answer_that_takes_long_is_acknowledged_before_it_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "ACKNOWLEDGE_SECONDS", 0.0)
    go_on = asyncio.Event()
    async with a_slack() as (double, url), ours(url) as it:
        heard = it.answer

        async def slow(app: App, envelope: Envelope) -> bytes:
            await go_on.wait()
            return await heard(app, envelope)

        it.listener._answer = slow  # pyright: ignore[reportPrivateUsage]
        await double.app.until_open()
        assert await double.app.ack(await double.app.send(PRESSED)) is None
        assert not it.heard
        go_on.set()
    assert it.heard == [PRESSED], "what was read is answered before the connection ends"


async def test_an_envelope_that_could_not_be_answered_is_not_acknowledged() -> None:
    async with a_slack() as (double, url), ours(url) as it:
        heard, failed = it.answer, asyncio.Event()

        async def fails(app: App, envelope: Envelope) -> bytes:
            if not failed.is_set():
                failed.set()
                raise RuntimeError("a defect")
            return await heard(app, envelope)

        it.listener._answer = fails  # pyright: ignore[reportPrivateUsage]
        await double.app.until_open()
        await double.app.send(PRESSED, id_="again")
        await failed.wait()
        assert not double.app.acknowledged
        await double.app.ack(await double.app.send(PRESSED, id_="again"))
    assert it.heard == [PRESSED]


async def test_a_wrong_token_is_refused_and_not_shown() -> None:
    async with a_slack() as (_, url):
        with pytest.raises(Refused, match=r"apps\.connections\.open: invalid_auth") as caught:
            async with a_socket_mode().connect(App(url, SecretStr("xapp-wrong-token-1234"))):
                raise AssertionError("unreachable")
    assert "xapp-" not in str(caught.value)
    assert "xapp-" not in repr(App(url, SecretStr("xapp-wrong-token-1234")))


@pytest.mark.parametrize(
    ("address", "said"),
    [
        pytest.param("", "no WebSocket's", id="none"),
        pytest.param("https://slack.example.com/", "no WebSocket's", id="no WebSocket"),
        pytest.param("ws://[", "cannot be parsed", id="no address"),
        pytest.param("ws://10.0.0.1/?ticket=canary", "10.0.0.1", id="a private address"),
        pytest.param("ws://127.0.0.1:1/?ticket=canary", "unreachable: ws://127.0.0.1:1", id="nobody listens"),
        pytest.param(
            "{host}/link/?ticket=canary", "HTTP 403 in place of a WebSocket", id="a ticket that does not count"
        ),
        pytest.param("{host}/away", "leads to another address", id="a redirect to another address"),
    ],
)
async def test_an_address_that_cannot_be_used_says_so_without_its_ticket(address: str, said: str) -> None:
    async with a_slack() as (double, url):
        host = url.replace("http", "ws").removesuffix("/api/")
        double.app.address = address.format(host=host)
        with pytest.raises(ChannelError, match=said.replace(".", r"\.")) as caught:
            async with a_socket_mode().connect(App(url, SecretStr(APP_TOKEN))):
                raise AssertionError("unreachable")
    assert "canary" not in str(caught.value)


async def test_a_connection_without_hello_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socketmode, "MESSAGE_TIMEOUT_SECONDS", 0.01)
    async with a_slack() as (double, url):
        double.app.says_hello = False
        with pytest.raises(NotSent, match="no hello in time"):
            async with a_socket_mode().connect(App(url, SecretStr(APP_TOKEN))):
                raise AssertionError("unreachable")


async def test_a_connection_that_is_never_quiet_is_closed_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websockets, "CLOSE_SECONDS", 0.1)
    async with a_slack() as (double, url):
        double.app.is_chatty = True
        async with a_socket_mode().connect(App(url, SecretStr(APP_TOKEN))):
            pass


async def test_a_stop_before_the_first_connection_was_begun_ends_the_listener() -> None:
    it = Ours("http://127.0.0.1:1/api/")
    running = asyncio.create_task(it.listener.run())
    await asyncio.sleep(0)
    it.listener.drain()
    await running
    assert it.said == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param('{"type":"hello"}', Hello(), id="hello"),
        pytest.param('{"type":"disconnect","reason":"warning"}', EndsSoon("warning"), id="an end is announced"),
        pytest.param('{"type":"x","envelope_id":"e","payload":{"a":1}}', Envelope("e", {"a": 1}), id="an envelope"),
        pytest.param('{"type":"x","envelope_id":"e"}', Envelope("e", {}), id="an envelope without payload"),
        pytest.param('{"type":"x"}', None, id="nothing to acknowledge"),
        pytest.param("ping", None, id="no JSON"),
        pytest.param("[1]", None, id="no object"),
    ],
)
def test_a_frame_is_read(text: str, found: Any) -> None:
    assert socketmode.frame(text) == found
