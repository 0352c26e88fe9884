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


async def seconds_of_drain(listeners: Listeners, connections: FakeConnections) -> tuple[float, asyncio.Task[None]]:
    """How long the drain takes while an envelope is answered; and the task that still runs the listeners."""
    loop = asyncio.get_running_loop()
    running = asyncio.create_task(listeners.run())
    await asyncio.sleep(0)
    listeners.use(Request("default", "ops"), APP)
    await asyncio.sleep(1)
    (connection,) = connections.open
    await connection.frames.put(PRESSED)
    await asyncio.sleep(0.5)
    began = loop.time()
    await listeners.drain()
    return loop.time() - began, running


async def test_an_answer_that_hangs_is_given_its_time_and_then_cancelled() -> None:
    answers, connections = Answers(), FakeConnections()
    listeners = Listeners(connections.connect, answers.answer, lambda channel: None, LoopClock())
    seconds, running = await seconds_of_drain(listeners, connections)
    assert (seconds, answers.under_way) == (pytest.approx(DRAIN_SECONDS), 1)
    running.cancel()
    async with asyncio.timeout(1):
        await asyncio.wait({running})
    assert (answers.under_way, connections.open) == (0, [])


async def test_a_connection_that_takes_no_bytes_is_given_up() -> None:
    connections = DeafConnections()
    listeners = Listeners(connections.connect, at_once, lambda channel: None, LoopClock())
    seconds, running = await seconds_of_drain(listeners, connections)
    assert seconds == pytest.approx(SEND_SECONDS - 0.5)
    assert connections.open == []
    running.cancel()
    await asyncio.wait({running})
