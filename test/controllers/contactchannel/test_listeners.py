"""How the connections of apps end with the manager: on virtual time, with answers that never end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from pydantic import SecretStr

from kubechain.controllers.contactchannel.listeners import DRAIN_SECONDS, Listeners
from kubechain.humans.fake import FakeConnection, FakeConnections
from kubechain.humans.listening import SEND_SECONDS
from kubechain.humans.model import App, Envelope
from kubechain.runtime.clock import LoopClock
from kubechain.runtime.keys import Request

APP = App("https://slack.example.com/api/", SecretStr("xapp-canary"))
PRESSED = Envelope("e-1", {})


class Answers:
    """Answers that never end, unless they are cancelled."""

    def __init__(self) -> None:
        self.under_way = 0

    async def answer(self, app: App, envelope: Envelope) -> bytes:
        del app, envelope
        self.under_way += 1
        try:
            return await asyncio.get_running_loop().create_future()
        finally:
            self.under_way -= 1


async def at_once(app: App, envelope: Envelope) -> bytes:
    del app, envelope
    return b""


@dataclass
class Deaf(FakeConnection):
    """A connection that takes none of our bytes."""

    async def acknowledge(self, envelope: Envelope, reply: bytes) -> None:
        del envelope, reply
        await asyncio.get_running_loop().create_future()


class DeafConnections(FakeConnections):
    @asynccontextmanager
    async def connect(self, app: App) -> AsyncGenerator[FakeConnection]:
        made = Deaf(app)
        self.open.append(made)
        yield made
        self.open.remove(made)


async def answering(listeners: Listeners, connections: FakeConnections) -> asyncio.Task[None]:
    """The task that runs the listeners, half a second after an envelope has come."""
    running = asyncio.create_task(listeners.run())
    await asyncio.sleep(0)
    listeners.use(Request("default", "ops"), APP)
    await asyncio.sleep(1)
    (connection,) = connections.open
    await connection.frames.put(PRESSED)
    await asyncio.sleep(0.5)
    return running


async def seconds_of_drain(listeners: Listeners) -> float:
    began = asyncio.get_running_loop().time()
    await listeners.drain()
    return asyncio.get_running_loop().time() - began


async def ended(running: asyncio.Task[None]) -> None:
    running.cancel()
    async with asyncio.timeout(1):
        await asyncio.wait({running})


@pytest.mark.parametrize("is_drained", [True, False], ids=["after its time", "at once, where the manager is cancelled"])
async def test_an_answer_that_hangs_is_cancelled(is_drained: bool) -> None:
    answers, connections = Answers(), FakeConnections()
    listeners = Listeners(connections.connect, answers.answer, lambda channel: None, LoopClock())
    running = await answering(listeners, connections)
    if is_drained:
        assert await seconds_of_drain(listeners) == pytest.approx(DRAIN_SECONDS)
    assert answers.under_way == 1
    await ended(running)
    assert (answers.under_way, connections.open) == (0, [])


async def test_a_connection_that_takes_no_bytes_is_given_up() -> None:
    connections = DeafConnections()
    listeners = Listeners(connections.connect, at_once, lambda channel: None, LoopClock())
    running = await answering(listeners, connections)
    assert await seconds_of_drain(listeners) == pytest.approx(SEND_SECONDS - 0.5)
    assert connections.open == []
    await ended(running)
