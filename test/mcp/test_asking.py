"""What servers ask people for, on real servers of both protocol revisions."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from kubechain.mcp.elicitation import FormAsked, Inputs, Item, Reply, UrlAsked
from kubechain.mcp.errors import TimedOut
from kubechain.mcp.model import CallResult, ServerKey
from test.mcp.asking import accepted, held, replied
from test.mcp.conftest import World, a_server, running


async def call(world: World, key: ServerKey, tool: str, inputs: Inputs | None = None, **arguments: Any) -> Any:
    return await world.manager.call(key, tool, arguments, timeout_seconds=20, meta={}, inputs=inputs)


async def runs(world: World, key: ServerKey) -> int:
    """How often the tool ran that asks."""
    return json.loads((await world.call(key, "runs")).content)["paint"]


# -- the current revision ------------------------------------------------------------------------------------------


async def test_a_tool_asks_twice_and_each_round_goes_on_from_the_state_of_the_one_before(world: World) -> None:
    key = await world.ready(a_server("asking"))
    first = await call(world, key, "ship", item="a lamp")
    assert isinstance(first, Inputs)
    (item,) = first.items
    assert isinstance(item.asked, FormAsked)
    assert item.asked.message == "Where shall a lamp go?"
    assert item.asked.schema["properties"]["street"] == {"minLength": 3, "title": "Street", "type": "string"}
    assert item.asked.schema["required"] == ["street"]
    second = await call(world, key, "ship", replied(first, accepted(street="Main St", express=True)), item="a lamp")
    assert [one.asked.message for one in second.items] == ["Really to Main St?"]
    done = await call(world, key, "ship", replied(second, accepted(sure=True)), item="a lamp")
    assert done == CallResult("a lamp to Main St, express=True, sure=True")


async def test_a_person_who_declines_is_told_to_the_server(world: World) -> None:
    key = await world.ready(a_server("asking"))
    first = await call(world, key, "ship", item="a lamp")
    done = await call(world, key, "ship", replied(first, Reply("decline")), item="a lamp")
    assert isinstance(done, CallResult)
    assert done.is_error
    assert "decline" in done.content


async def test_an_address_is_opened_by_a_person_and_the_state_comes_back_byte_for_byte(world: World) -> None:
    key = await world.ready(a_server("asking"))
    asked = await call(world, key, "sign_in")
    assert [one.asked for one in asked.items] == [
        UrlAsked("page", "Sign in, please", "https://login.example.com/start?id=7")
    ]
    assert await call(world, key, "sign_in", replied(asked, Reply("accept"))) == CallResult("accept after started")


async def test_another_process_goes_on_with_what_the_first_one_kept(world: World) -> None:
    asked = await call(world, await world.ready(a_server("asking")), "two_at_once")
    replies = replied(asked, accepted(value="Ada"), accepted(value="Ulm"))
    async with running(World()) as successor:
        done = await call(successor, await successor.ready(a_server("asking")), "two_at_once", replies)
    assert done == CallResult("[('name', {'value': 'Ada'}), ('town', {'value': 'Ulm'})]")


async def test_a_server_that_has_forgotten_what_it_asked_is_asked_anew_and_answered_with_the_replies_that_there_are(
    world: World,
) -> None:
    key = await world.ready(a_server("asking"))
    first = await call(world, key, "ship", item="a lamp")
    second = await call(world, key, "ship", replied(first, accepted(street="Main St")), item="a lamp")
    async with running(World()) as successor:  # with a server of its own, which cannot read the other one's state
        key = await successor.ready(a_server("asking"))
        done = await call(successor, key, "ship", replied(second, accepted(sure=True)), item="a lamp")
        other = await call(successor, key, "ship", replied(second, accepted(sure=True)), item="a chair")
    assert done == CallResult("a lamp to Main St, express=False, sure=True")
    assert [one.asked.message for one in other.items] == ["Where shall a chair go?"], "that was never answered"


async def test_a_server_that_only_wants_to_be_called_again_asks_for_nothing(world: World) -> None:
    key = await world.ready(a_server("asking"))
    inputs = await call(world, key, "busy")
    rounds = 0
    while isinstance(inputs, Inputs):
        assert inputs.items == ()
        inputs, rounds = await call(world, key, "busy", inputs), rounds + 1
    assert (rounds, inputs.content) == (2, "done after xx")


@pytest.mark.parametrize(
    ("tool", "reason"),
    [
        pytest.param("phish", "its URL does not plainly name a host", id="an address that deceives"),
        pytest.param("roots", "roots/list", id="roots, which are not offered"),
    ],
)
async def test_what_is_refused_is_put_to_nobody_and_the_model_reads_why(world: World, tool: str, reason: str) -> None:
    result = await call(world, await world.ready(a_server("asking")), tool)
    assert isinstance(result, CallResult)
    assert result.is_error
    assert reason in result.content


# -- older revisions -----------------------------------------------------------------------------------------------


async def test_a_server_of_an_older_revision_is_not_told_that_people_can_be_asked(world: World) -> None:
    key = await world.ready(a_server("asking_by_requests"))
    assert "elicitation" not in json.loads((await world.call(key, "capabilities")).content)
    result = await world.call(key, "paint")
    assert "Elicitation is not supported" in result.content


async def test_one_whose_tools_ask_first_is_called_again_with_the_replies_so_far(world: World) -> None:
    key = await world.ready(a_server("asking_by_requests", asks_first=True))
    told = json.loads((await world.call(key, "capabilities")).content)
    assert told["elicitation"] == {"form": {}, "url": {}}
    first = await call(world, key, "paint")
    assert [(one.asked.message, one.reply) for one in first.items] == [("Which color?", None)]
    second = await call(world, key, "paint", replied(first, accepted(color="red")))
    assert [(one.asked.message, one.reply) for one in second.earlier] == [("Which color?", accepted(color="red"))]
    assert [(one.asked.message, one.reply) for one in second.items] == [("Sure?", None)]
    done = await call(world, key, "paint", replied(second, accepted(sure=True)))
    assert done == CallResult("painted red: {'sure': True}")
    assert await runs(world, key) == 3


async def test_a_no_reaches_a_server_of_an_older_revision(world: World) -> None:
    key = await world.ready(a_server("asking_by_requests", asks_first=True))
    first = await call(world, key, "paint")
    done = await call(world, key, "paint", replied(first, Reply("decline")))
    assert done == CallResult('not painted: {"action": "decline"}')


async def test_an_address_that_must_be_opened_first_comes_as_an_error_and_is_asked_for(world: World) -> None:
    key = await world.ready(a_server("asking_by_requests"))
    asked = await call(world, key, "sign_in")
    assert [one.asked for one in asked.items] == [UrlAsked("e-1", "Sign in", "https://login.example.com/")]
    assert await call(world, key, "sign_in", replied(asked, Reply("accept"))) == CallResult("signed in")


# -- older revisions, a call that is held --------------------------------------------------------------------------


async def test_a_reply_that_comes_soon_goes_to_the_call_that_is_held(world: World) -> None:
    key = await world.ready(a_server("asking_by_requests", asks_first=True))
    first = await held(world, key, "paint")
    assert world.manager.statistics().calls_in_flight == 0, "nobody waits for it"
    second = await held(world, key, "paint", replied(first, accepted(color="red")))
    assert [(one.asked.message, one.reply) for one in second.earlier] == [("Which color?", accepted(color="red"))]
    done = await held(world, key, "paint", replied(second, accepted(sure=True)))
    assert done == CallResult("painted red: {'sure': True}")
    assert await runs(world, key) == 1


@pytest.mark.parametrize(
    ("arguments", "is_listed"),
    [
        pytest.param((), False, id="another call"),
        pytest.param(("changing",), True, id="a look at its tools"),
    ],
)
async def test_a_held_call_is_ended_by_whatever_else_wants_the_server(
    world: World, arguments: tuple[str, ...], is_listed: bool
) -> None:
    key = await world.ready(a_server("asking_by_requests", *arguments, asks_first=True))
    first = await held(world, key, "paint")
    if is_listed:
        await world.until(lambda: len(world.state(key).tools) == 5)
    else:
        assert await runs(world, key) == 1
    second = await held(world, key, "paint", replied(first, accepted(color="red")))
    done = await held(world, key, "paint", replied(second, accepted(sure=True)))
    assert done == CallResult("painted red: {'sure': True}")
    assert await runs(world, key) == 2, "once more, and that call was held for the second question"


async def test_another_process_makes_the_call_anew(world: World) -> None:
    first = await held(world, await world.ready(a_server("asking_by_requests", asks_first=True)), "paint")
    async with running(World()) as successor:
        key = await successor.ready(a_server("asking_by_requests", asks_first=True))
        second = await held(successor, key, "paint", replied(first, accepted(color="red")))
        assert [one.asked.message for one in second.items] == ["Sure?"]
        assert await runs(successor, key) == 1


async def test_a_held_call_is_not_for_the_reply_to_another_question(world: World) -> None:
    key = await world.ready(a_server("asking_by_requests", asks_first=True))
    first = await held(world, key, "paint")
    second = await held(world, key, "paint", replied(first, accepted(color="red")))
    blue = replace(second, earlier=(Item(first.items[0].asked, accepted(color="blue")),))
    done = await held(world, key, "paint", replied(blue, accepted(sure=True)))
    assert done == CallResult("painted blue: {'sure': True}"), "the held call was told red"


async def test_a_call_that_is_cancelled_while_it_goes_on_ends_the_held_call_too(world: World) -> None:
    key = await world.ready(a_server("asking_by_requests", asks_first=True))
    first = await held(world, key, "paint")
    with pytest.raises(TimedOut):
        await world.manager.call(
            key, "paint", {}, timeout_seconds=0, meta={}, inputs=replied(first, accepted(color="red")), may_hold=True
        )


async def test_a_connection_that_ends_takes_its_held_call_along(world: World) -> None:
    key = await world.ready(a_server("asking_by_requests", asks_first=True))
    await held(world, key, "paint")
    await world.manager.remove(key)
    assert world.manager.statistics().children == 0
