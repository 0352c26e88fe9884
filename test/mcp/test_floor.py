"""The turns of the calls of one connection: what is held, for how long, and what ends it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from kubechain.mcp import floor
from kubechain.mcp.elicitation import CANCEL, FormAsked, Inputs, Item, Reply
from kubechain.mcp.errors import ConnectionLost, NotSent
from kubechain.mcp.floor import Call, Floor, Outcome
from kubechain.mcp.model import CallResult

COLOR, SURE = FormAsked("", "Which color?", {}), FormAsked("", "Sure?", {})
RED, YES = Reply("accept", {"color": "red"}), Reply("accept", {"sure": True})
PAINT, WASH = Call("paint", "{}", may_hold=True), Call("wash", "{}", may_hold=True)


class Server:
    """A server whose tool asks twice; it says what it was told."""

    def __init__(self, floor: Floor) -> None:
        """Take what answers its questions."""
        self.floor = floor
        self.told: list[list[Reply]] = []
        self.hangs = False
        self.ended = asyncio.Event()

    async def paint(self) -> Outcome:
        """Ask, then do something."""
        told: list[Reply] = []
        self.told.append(told)
        try:
            for asked in (COLOR, SURE):
                told.append(await self.floor.reply(asked))
                if told[-1] == CANCEL:
                    return await self._given_up()
            return CallResult("painted")
        finally:
            self.ended.set()

    async def _given_up(self) -> Outcome:
        if self.hangs:
            await asyncio.Event().wait()
        return CallResult("nobody decided", is_error=True)

    async def call(self, inputs: Inputs | None = None, call: Call = PAINT) -> Outcome:
        """Make the call."""
        return await self.floor.call(call, inputs or Inputs(), self.paint)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """A server of a connection that is open."""
    async with Floor().open() as opened:
        yield Server(opened)


def replied(outcome: Outcome, reply: Reply) -> Inputs:
    """What was asked, with a reply to it."""
    assert isinstance(outcome, Inputs), outcome
    (item,) = outcome.items
    return replace(outcome, items=(Item(item.asked, reply),))


async def test_each_reply_goes_to_the_call_that_is_held(server: Server) -> None:
    second = await server.call(replied(await server.call(), RED))
    assert await server.call(replied(second, YES)) == CallResult("painted")
    assert server.told == [[RED, YES]]


async def test_a_call_that_may_be_repeated_is_not_held(server: Server) -> None:
    first = await server.call(call=replace(PAINT, may_hold=False))
    assert server.told == [[CANCEL]]
    assert replied(first, RED).items == (Item(COLOR, RED),)


async def test_a_call_that_became_repeatable_meanwhile_is_made_anew(server: Server) -> None:
    first = await server.call()
    await server.call(replied(first, RED), call=replace(PAINT, may_hold=False))
    assert server.told == [[CANCEL], [RED, CANCEL]]


async def test_the_hold_ends_with_its_time(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(floor, "HOLD_SECONDS", 0.01)
    first = await server.call()
    await server.ended.wait()
    assert server.told == [[CANCEL]]
    monkeypatch.undo()
    await server.call(replied(first, RED))
    assert server.told[1:] == [[RED]], "its second question is held"


async def test_a_call_that_does_not_end_by_itself_is_cancelled(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(floor, "END_SECONDS", 0.01)
    server.hangs = True
    await server.call()
    await server.floor.let_go()
    assert server.ended.is_set()


async def test_another_call_ends_the_hold_and_is_held_itself(server: Server) -> None:
    first = await server.call()
    await server.call(call=WASH)
    assert server.told == [[CANCEL], []]
    await server.call(replied(first, RED))
    assert server.told == [[CANCEL], [CANCEL], [RED]]


async def test_a_call_is_not_held_while_another_one_waits_for_its_turn(server: Server) -> None:
    both = await asyncio.gather(server.call(), server.call(call=WASH))
    assert [replied(one, RED).items[0].asked for one in both] == [COLOR, COLOR]
    assert server.told == [[CANCEL], []]


async def test_a_server_that_asks_for_two_things_at_once_gets_the_replies_when_the_call_is_made_again(
    server: Server,
) -> None:
    first = await server.call()
    assert await server.floor.reply(SURE) == CANCEL
    await server.ended.wait()
    assert server.told == [[CANCEL]]
    assert isinstance(await server.call(replied(first, RED)), Inputs)


async def test_the_reply_to_another_question_is_no_reply_to_the_held_one(server: Server) -> None:
    second = await server.call(replied(await server.call(), RED))
    blue = replace(replied(second, YES), earlier=(Item(COLOR, Reply("decline")),))
    await server.call(blue)
    assert server.told == [[RED, CANCEL], [Reply("decline"), YES]]


async def test_a_question_outside_a_call_is_cancelled(server: Server) -> None:
    assert await server.floor.reply(COLOR) == CANCEL


async def test_a_connection_that_ends_ends_the_call_that_waits() -> None:
    async with asyncio.TaskGroup() as tasks, Floor().open() as opened:
        call = tasks.create_task(_ends_with_its_connection(opened))
        await asyncio.sleep(0)
    assert call.done()


async def _ends_with_its_connection(opened: Floor) -> None:
    with pytest.raises(ConnectionLost):
        await opened.call(PAINT, Inputs(), _never)


async def test_a_call_waits_for_the_end_of_the_one_before_it_but_not_for_ever(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(floor, "TURN_SECONDS", 0.01)
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(server.floor.call(PAINT, Inputs(), _never))
        await asyncio.sleep(0)
        with pytest.raises(NotSent, match="busy with another one"):
            await server.call(call=WASH)
        first.cancel()


async def _never() -> Outcome:
    return await asyncio.get_running_loop().create_future()
