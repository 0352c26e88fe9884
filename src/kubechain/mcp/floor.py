"""Answers what servers of older protocol revisions ask while a call is in flight.

Before 2026-07-28 a server asks by a request of its own, `elicitation/create`, and holds the call open until it has its
answer. A person may take days, and the request does not say which call it belongs to. So such a server gets one call at
a time. Where a question has no reply yet, the server is told that nobody decided (`cancel`), and the call is ended: it
is made again with the reply, and the same question is then answered at once.

That is right only for tools that do nothing before they ask. Nobody but the person who wrote the MCPServer can know
that, so it is off by default, and the server is then not told that people can be asked.

A call that is never repeated after a failure is held for a while: its question stays open, and a reply that comes soon
goes to the server directly. At most one call is held, for at most `HOLD_SECONDS`, and it is ended as soon as anything
else wants the server. Nothing depends on a held call: where it is over, the call is made again as above. A call that
may be repeated is not held, because the server knows the held call by the idempotency key of the round before.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from kubechain.mcp.elicitation import CANCEL, Asked, Inputs, Item, Replies, Reply, is_same
from kubechain.mcp.errors import ConnectionLost, McpError, NotSent
from kubechain.mcp.model import CallResult

TURN_SECONDS = 60.0
"""How long a call waits for the end of the one before it."""

END_SECONDS = 5.0
"""How long a call may take to end by itself once its question is cancelled; then the server is asked to cancel it."""

HOLD_SECONDS = 30.0
"""How long the question of a held call stays open; servers give up after a minute or more."""

Outcome = CallResult | Inputs


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a tool. Calls that are equal are the same one to a server, before it has an answer.

    Attributes:
        arguments: As JSON.
        may_hold: Whether the call may be held.
    """

    tool: str
    arguments: str = field(repr=False)
    may_hold: bool = False


class Turn:
    """One call in flight, and what its server asks meanwhile."""

    def __init__(self, call: Call, inputs: Inputs, request: Coroutine[Any, Any, Outcome]) -> None:
        """Begin a call.

        Args:
            call: The call.
            inputs: The replies that the call is made with.
            request: Sends the call, and returns what came of it.
        """
        loop = asyncio.get_running_loop()
        self._call = call
        self._inputs = inputs
        self._replies = Replies(inputs.replied)
        self._open: Inputs | None = None
        self._answer: asyncio.Future[Reply] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._outcome: asyncio.Future[Outcome] = loop.create_future()
        self.task = loop.create_task(request)
        self.task.add_done_callback(self._ended)

    async def outcome(self) -> Outcome:
        """Wait for the end of the call or for its next question; a caller that is cancelled cancels the call.

        Raises:
            McpError: See `errors`.
        """
        try:
            return await self._outcome
        except asyncio.CancelledError:
            self.task.cancel()
            await asyncio.wait([self.task])
            raise

    async def reply(self, asked: Asked, *, may_hold: bool) -> Reply:
        """Return the reply to a question; each reply is used once. One without a reply holds the call, or ends it.

        Args:
            asked: The question.
            may_hold: Whether nothing else wants the server.
        """
        if self._open is not None:
            self.release()
            return CANCEL
        if (reply := self._replies.take(asked)) is not None:
            return reply
        self._open = self._inputs.then(Inputs((Item(asked),)))
        if not (may_hold and self._call.may_hold):
            self._end()
            return CANCEL
        return await self._held(self._open)

    def resume(self, call: Call, inputs: Inputs) -> bool:
        """Answer the open question of a held call; return False where it is another call, or another question."""
        asked, answer = self._open, self._answer
        if asked is None or answer is None or answer.done() or call != self._call:
            return False
        if (reply := _reply(asked, inputs)) is None:
            return False
        self._open, self._answer, self._inputs = None, None, inputs
        self._outcome = asyncio.get_running_loop().create_future()
        answer.set_result(reply)
        return True

    def release(self) -> bool:
        """End the call if it is held; return whether it was."""
        if self._answer is None or self._answer.done():
            return False
        self._answer.set_result(CANCEL)
        return True

    async def _held(self, asked: Inputs) -> Reply:
        answer = self._answer = asyncio.get_running_loop().create_future()
        if not self._outcome.done():
            self._outcome.set_result(asked)
        try:
            async with asyncio.timeout(HOLD_SECONDS):
                return await answer
        except TimeoutError:
            return CANCEL
        finally:
            if self._open is not None:
                self._end()

    def _end(self) -> None:
        if not self.task.done():
            self._timer = asyncio.get_running_loop().call_later(END_SECONDS, self.task.cancel)

    def _ended(self, task: asyncio.Task[Outcome]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        error = ConnectionLost("the call was ended with its connection") if task.cancelled() else task.exception()
        if self._outcome.done():
            return
        if self._open is not None and (error is None or isinstance(error, McpError)):
            self._outcome.set_result(self._open)
        elif error is not None:
            self._outcome.set_exception(error)
        else:
            result = task.result()
            self._outcome.set_result(result if isinstance(result, CallResult) else self._inputs.then(result))


class Floor:
    """Gives the calls of one connection their turns."""

    def __init__(self) -> None:
        """Start without a call."""
        self._lock = asyncio.Lock()
        self._turn: Turn | None = None
        self._waiting_count = 0

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[Floor]:
        """End the call in flight, held or not, at the end of the body."""
        try:
            yield self
        finally:
            if self._turn is not None:
                self._turn.task.cancel()
                await asyncio.wait([self._turn.task])

    async def call(
        self, call: Call, inputs: Inputs, request: Callable[[], Coroutine[Any, Any, Outcome]]
    ) -> CallResult | Inputs:
        """Go on with the held call where it is this one; else wait for the turn of a new one.

        Args:
            call: The call.
            inputs: The replies that there are.
            request: Sends the call, and returns what came of it.

        Returns:
            The result, or what the server asks for that has no reply yet.

        Raises:
            McpError: `NotSent` where another call took too long; else see `errors`.
        """
        turn = self._turn
        if turn is None or not turn.resume(call, inputs):
            await self._wait()
            turn = self._turn = Turn(call, inputs, request())
            turn.task.add_done_callback(self._free)
        return await turn.outcome()

    async def let_go(self) -> None:
        """End a held call, since many servers do one thing at a time and theirs is wanted for something else."""
        if self._turn is not None and self._turn.release():
            await asyncio.wait([self._turn.task])

    async def reply(self, asked: Asked) -> Reply:
        """Return the reply to a question of the server; one that comes outside a call is cancelled."""
        if self._turn is None:
            return CANCEL
        return await self._turn.reply(asked, may_hold=not self._waiting_count)

    async def _wait(self) -> None:
        self._waiting_count += 1
        try:
            await self.let_go()
            async with asyncio.timeout(TURN_SECONDS):
                await self._lock.acquire()
        except TimeoutError as error:
            raise NotSent("the server takes one call at a time, and is busy with another one") from error
        finally:
            self._waiting_count -= 1

    def _free(self, _: object) -> None:
        self._turn = None
        self._lock.release()


def _reply(asked: Inputs, inputs: Inputs) -> Reply | None:
    """Return the reply to what a held call asks; None where `inputs` are of another question or have no reply."""
    match asked.items, inputs.items:
        case [Item(asked=one)], [Item(asked=other, reply=Reply() as reply)]:
            return reply if is_same(one, other) and asked.earlier == inputs.earlier else None
        case _:
            return None
