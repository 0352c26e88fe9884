"""Answers what servers of older protocol revisions ask while a call is in flight.

Before 2026-07-28 a server asks by a request of its own, `elicitation/create`, and holds the call open until it has its
answer. A person may take days, and the request does not say which call it belongs to. So such a server gets one call at
a time. Where a question has no reply yet, the server is told that nobody decided (`cancel`), and the call is ended: it
is made again with the reply, and the same question is then answered at once.

That is right only for tools that do nothing before they ask. Nobody but the person who wrote the MCPServer can know
that, so it is off by default, and the server is then not told that people can be asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio

from kubechain.mcp.elicitation import CANCEL, Asked, Inputs, Item, Replies, Reply
from kubechain.mcp.errors import NotSent

TURN_SECONDS = 60.0
"""How long a call waits for the end of the one before it."""

END_SECONDS = 5.0
"""How long a call may take to end by itself once its question is recorded; then the server is asked to cancel it."""


class Turn:
    """One call in flight, and what its server asks meanwhile."""

    def __init__(self, inputs: Inputs, scope: anyio.CancelScope) -> None:
        """Begin a call.

        Args:
            inputs: The replies that the call is made with.
            scope: Ends the call when it is cancelled.
        """
        self._inputs = inputs
        self._replies = Replies(inputs.replied)
        self._scope = scope
        self._question: Asked | None = None

    @property
    def open(self) -> Inputs | None:
        """What the call needs before it can go on; None where it needs nothing."""
        return None if self._question is None else self._inputs.then(Inputs((Item(self._question),)))

    def reply(self, asked: Asked) -> Reply:
        """Return the reply to a question; each reply is used once. One without a reply ends the call."""
        if self._question is not None:
            return CANCEL
        if (reply := self._replies.take(asked)) is not None:
            return reply
        self._question = asked
        self._scope.deadline = anyio.current_time() + END_SECONDS
        return CANCEL


class Floor:
    """Gives the calls of one connection their turns."""

    def __init__(self) -> None:
        """Start without a call."""
        self._lock = asyncio.Lock()
        self._turn: Turn | None = None

    @asynccontextmanager
    async def turn(self, inputs: Inputs) -> AsyncGenerator[Turn]:
        """Wait for the turn of a call; the body is cancelled soon after its server has asked something new.

        Raises:
            NotSent: Another call took too long.
        """
        try:
            async with asyncio.timeout(TURN_SECONDS):
                await self._lock.acquire()
        except TimeoutError as error:
            raise NotSent("the server takes one call at a time, and is busy with another one") from error
        try:
            with anyio.CancelScope() as scope:
                self._turn = Turn(inputs, scope)
                yield self._turn
        finally:
            self._turn = None
            self._lock.release()

    def reply(self, asked: Asked) -> Reply:
        """Return the reply to a question of the server; one that comes outside a call is cancelled."""
        return CANCEL if self._turn is None else self._turn.reply(asked)
