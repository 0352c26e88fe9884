"""Services that accept a connection and never answer: whoever waits for one is gone at once when it is cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import pytest
from pydantic import SecretStr

from kubechain.humans import mail
from kubechain.humans.model import App
from test.humans import test_mail, test_slack, test_webhook
from test.humans.messages import a_message
from test.humans.socketdouble import APP_TOKEN
from test.humans.test_socketmode import a_socket_mode

AT_ONCE_SECONDS = 5.0
"""Less than any time limit of a channel; a busy machine may need more than a moment."""


GREETING = b"220 at your service\r\n"


class Silent:
    """A server that reads what it gets, and says no more than it is given to say.

    Attributes:
        lines: Said one by one: the first at once, the next after each read.
    """

    def __init__(self, *lines: bytes) -> None:
        self.lines = list(lines)
        self.port = 0
        self.heard = asyncio.Event()
        self.served: set[asyncio.Task[None]] = set()

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.served.add(asyncio.ensure_future(self._serve(reader, writer)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self._say(writer)
            while await reader.read(65_536):
                self.heard.set()
                self._say(writer)
        finally:
            writer.close()

    def _say(self, writer: asyncio.StreamWriter) -> None:
        if self.lines:
            writer.write(self.lines.pop(0))


@asynccontextmanager
async def silent(*lines: bytes) -> AsyncGenerator[Silent]:
    it = Silent(*lines)
    server = await asyncio.start_server(it.accept, "127.0.0.1", 0)
    it.port = server.sockets[0].getsockname()[1]
    async with server:
        yield it
        await asyncio.gather(*it.served, return_exceptions=True)


async def listened(port: int) -> None:
    async with a_socket_mode().connect(App(f"http://127.0.0.1:{port}/api/", SecretStr(APP_TOKEN))):
        raise AssertionError("unreachable")


async def checked(port: int) -> None:
    await test_mail.a_channel(port).check()


async def mailed(port: int) -> None:
    await test_mail.a_channel(port).deliver(a_message())


async def called_back(port: int) -> None:
    await test_webhook.a_channel(f"http://127.0.0.1:{port}/hook").deliver(a_message())


async def posted(port: int) -> None:
    await test_slack.a_channel(f"http://127.0.0.1:{port}/api/").deliver(a_message())


@pytest.mark.parametrize(
    ("lines", "asks"),
    [
        pytest.param([GREETING], checked, id="a mail server"),
        pytest.param([GREETING], mailed, id="a mail server that is to take a mail"),
        pytest.param([], called_back, id="a webhook"),
        pytest.param([], posted, id="Slack"),
        pytest.param([], listened, id="Slack, for the address of a connection"),
    ],
)
async def test_who_waits_for_a_silent_service_ends_at_once(
    lines: Sequence[bytes], asks: Callable[[int], Awaitable[None]]
) -> None:
    async with silent(*lines) as service:
        waiting = asyncio.ensure_future(asks(service.port))
        await service.heard.wait()
        waiting.cancel()
        done, _ = await asyncio.wait({waiting}, timeout=AT_ONCE_SECONDS)
        assert done
        assert waiting.cancelled()


async def test_the_good_bye_of_a_mail_server_is_not_waited_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail, "QUIT_TIMEOUT_SECONDS", 0.05)
    async with silent(GREETING, b"250 hello\r\n") as service:
        async with asyncio.timeout(AT_ONCE_SECONDS):
            assert (await test_mail.a_channel(service.port).check()).startswith("The mail server")
