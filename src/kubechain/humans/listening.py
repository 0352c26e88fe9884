"""Keeps one connection of an app open: opens the next one before an announced end, and again after one that broke.

    open ──▶ hello ──▶ envelopes ──▶ EndsSoon ──▶ the next one is opened, while this one is still read
      ▲                    └───────▶ Ended
      └── backoff with jitter ◀─────────┘ at once where the connection had lasted for some time

What an envelope means is the caller's. It is acknowledged with the caller's reply, or without one when that takes too
long; a process that ends before has not acknowledged it, and the service sends it again.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

import structlog

from kubechain.humans.model import App, AppConnection, AppConnector, ChannelError, Ended, EndsSoon, Envelope
from kubechain.net.backoff import EQUAL_JITTER, Backoff

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

RETRY = Backoff(initial_seconds=1.0, max_seconds=300.0, jitter=EQUAL_JITTER)
"""Between two attempts to connect."""

LASTING_SECONDS = 30.0
"""A connection that lasted as long was a good one: the next is opened at once."""

ACKNOWLEDGE_SECONDS = 2.0
"""Slack gives up after three."""

SEND_SECONDS = 5.0
"""A connection that takes none of our bytes for as long is of no use; the envelope comes again by another one."""

MAX_IN_FLIGHT = 16
"""Envelopes of one connection that are answered at the same time; more wait in the socket."""

OVERLAP_SECONDS = 30.0
"""How long a connection is still read whose end was announced."""

Answerer = Callable[[App, Envelope], Awaitable[bytes]]
"""Does what an envelope wants; returns JSON for the service, or nothing."""


@dataclass(frozen=True, slots=True)
class Hearing:
    """Whether an app's connection is open.

    Attributes:
        problem: Why it is not; stable between tries.
    """

    is_open: bool
    problem: str = ""


class AppListener:
    """The owner of the connections of one app."""

    def __init__(
        self, app: App, *, connect: AppConnector, answer: Answerer, on_change: Callable[[], None], rng: random.Random
    ) -> None:
        """Create it; `run` connects.

        Args:
            on_change: Called when `hearing` has changed; must not block or raise.
            rng: For jitter.
        """
        self.app = app
        self.hearing: Hearing | None = None
        self._connect = connect
        self._answer = answer
        self._on_change = on_change
        self._rng = rng
        self._another = asyncio.Event()
        self._stopping = asyncio.Event()
        self._opening: asyncio.Task[None] | None = None
        self._reading: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Keep a connection open until cancelled or drained."""
        attempt, loop = 0, asyncio.get_running_loop()
        async with asyncio.TaskGroup() as connections:
            while not self._stopping.is_set():
                # Of this connection: the end of an older one, which was announced, asks for nothing more.
                self._another = another = asyncio.Event()
                opened: asyncio.Future[bool] = loop.create_future()
                began = loop.time()
                self._opening = connections.create_task(self._follow(opened, another))
                # Not in the task: one that is cancelled before it has begun does nothing at all.
                self._opening.add_done_callback(partial(_not_opened, opened))
                if await opened:
                    await another.wait()
                lasted = opened.result() and loop.time() - began >= LASTING_SECONDS
                attempt = 0 if lasted else attempt + 1
                await self._pause(0.0 if lasted else RETRY.seconds(attempt - 1, self._rng.random()))

    def drain(self) -> None:
        """Open and read nothing more; `run` returns when what was read is answered."""
        self._stopping.set()
        self._another.set()
        for task in (*self._reading, self._opening):
            if task is not None:
                task.cancel()

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return

    async def _follow(self, opened: asyncio.Future[bool], another: asyncio.Event) -> None:
        """Open a connection, and read it to its end.

        Args:
            another: Set when the next connection is to be opened.
        """
        try:
            async with self._connect(self.app) as connection:
                self._opening = None
                self._say(Hearing(is_open=True))
                opened.set_result(True)
                await self._read_all(connection, another)
        except ChannelError as error:
            self._failed(opened, str(error))
        except Exception:  # must end neither the listener nor the manager
            log.exception("the connection of an app failed")
            self._failed(opened, "internal error; the manager's log has it")

    def _failed(self, opened: asyncio.Future[bool], problem: str) -> None:
        """Say why there is no connection; one that was open is made again first, and may still be read."""
        if not opened.done() and not self._reading:
            self._say(Hearing(is_open=False, problem=problem))

    async def _read_all(self, connection: AppConnection, another: asyncio.Event) -> None:
        """Read until the end, then wait for the answers to what was read."""
        async with asyncio.TaskGroup() as answers:
            reading = answers.create_task(self._read(connection, answers, another))
            self._reading.add(reading)
            reading.add_done_callback(self._reading.discard)
            if self._stopping.is_set():
                reading.cancel()

    async def _read(self, connection: AppConnection, answers: asyncio.TaskGroup, another: asyncio.Event) -> None:
        free = asyncio.Semaphore(MAX_IN_FLIGHT)
        try:
            async with asyncio.timeout(None) as limit:
                while True:
                    await free.acquire()
                    match await connection.receive():
                        case Envelope() as envelope:
                            answering = answers.create_task(self._answered(connection, envelope))
                            answering.add_done_callback(lambda _: free.release())
                        case EndsSoon(reason):
                            free.release()
                            log.debug("connection of an app ends soon", reason=reason)
                            limit.reschedule(asyncio.get_running_loop().time() + OVERLAP_SECONDS)
                            another.set()
                        case Ended():
                            return
        except TimeoutError:
            return
        finally:
            another.set()

    async def _answered(self, connection: AppConnection, envelope: Envelope) -> None:
        answering = asyncio.ensure_future(self._reply(envelope))
        try:
            done, _ = await asyncio.wait({answering}, timeout=ACKNOWLEDGE_SECONDS)
            reply = answering.result() if done else b""
            if reply is not None:
                await self._acknowledge(connection, envelope, reply)
            await answering
        finally:
            # Where this task is cancelled: an answer whose write hangs would keep the manager from its end.
            if answering.cancel():
                await asyncio.wait({answering})

    async def _acknowledge(self, connection: AppConnection, envelope: Envelope, reply: bytes) -> None:
        """Say that an envelope has arrived; one that is not acknowledged comes again, and is recorded once."""
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await connection.acknowledge(envelope, reply)
        except (ChannelError, TimeoutError) as error:
            log.info("an envelope could not be acknowledged", error=str(error) or "the connection takes no bytes")

    async def _reply(self, envelope: Envelope) -> bytes | None:
        """The reply to an envelope; None where there is none, and the service is to send it again."""
        try:
            return await self._answer(self.app, envelope)
        except Exception:  # must not end the connection
            log.exception("an envelope could not be answered")
            return None

    def _say(self, hearing: Hearing) -> None:
        if hearing != self.hearing:
            self.hearing = hearing
            self._on_change()


def _not_opened(opened: asyncio.Future[bool], _: asyncio.Task[None]) -> None:
    """Say that the task is over which was to open the connection."""
    if not opened.done():
        opened.set_result(False)
