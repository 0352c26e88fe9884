"""People who are asked and do not decide: they are reminded once, and a second channel is asked."""

from __future__ import annotations

import asyncio

import pytest

from kubechain.api.humanrequest import REMINDED, DeliveryState, HumanRequest, HumanRequestPhase
from kubechain.controllers import resources
from kubechain.humans.fake import FakeChannel, kinds_with
from kubechain.llm.fake import FakeLLMClient, answer
from test.controllers.people import CALL, answers_of, decide, request_is
from test.controllers.test_contact import apply_channel, contacted
from test.controllers.world import NAMESPACE, World

REMINDER = {"remindAfter": "2m"}
SECOND = {"escalateTo": {"channel": "boss", "after": "4m"}}


def sent(request: HumanRequest) -> list[tuple[str, bool]]:
    """What arrived: the channels, each with whether it was the reminder."""
    arrived = (DeliveryState.SENT, DeliveryState.CLOSED)
    return [(one.channel, one.reminder) for one in request.status.deliveries if one.state in arrived]


def is_reminded(request: HumanRequest) -> bool:
    return any(one.type == REMINDED and one.status == "True" for one in request.status.conditions)


async def now(world: World) -> HumanRequest:
    return await world.client.get(resources.HUMAN_REQUESTS, NAMESPACE, CALL)


async def test_people_who_do_not_decide_are_reminded_once_and_then_a_second_channel_is_asked() -> None:
    async with contacted(terms=REMINDER | SECOND) as it:
        await apply_channel(it.world, "boss")
        await it.request_until_state(DeliveryState.SENT)
        await asyncio.sleep(110)
        assert sent(await now(it.world)) == [("ops", False)]
        await asyncio.sleep(20)
        assert sent(await now(it.world)) == [("ops", False), ("ops", True)]
        assert is_reminded(await now(it.world))
        await asyncio.sleep(120)
        assert sent(await now(it.world)) == [("ops", False), ("ops", True), ("boss", False)]
        await asyncio.sleep(120)
        assert [one.is_reminder for one in it.channel.delivered] == [False, True, False]
        await decide(it.world, "Approve")
        assert await answers_of(it.world) == ["5"]
        closed = await it.world.request_until(
            lambda request: all(one.state == DeliveryState.CLOSED for one in request.status.deliveries)
        )
        assert len(it.channel.closed) == len(closed.status.deliveries) == 3, "each message says how it ended"


async def test_a_second_channel_is_asked_although_the_first_one_does_not_exist() -> None:
    async with contacted(terms=REMINDER | SECOND, is_made=False) as it:
        await apply_channel(it.world, "boss")
        request = await it.request_until_state(DeliveryState.SENT)
        assert sent(request) == [("boss", False)]
        assert is_reminded(request)
        await asyncio.sleep(60)
        writes = len(it.replica.exchange.writes)
        await asyncio.sleep(60)
        assert len(it.replica.exchange.writes) == writes, "a channel that does not exist is told once"


async def test_a_reminder_is_told_by_an_event_where_there_is_no_channel() -> None:
    async with contacted(terms=REMINDER, is_made=False) as it:
        request = await it.world.request_until(is_reminded)
        assert sent(request) == []
        events = await it.world.client.request("GET", f"/apis/events.k8s.io/v1/namespaces/{NAMESPACE}/events")
        assert events.count(b'"reason":"Reminded"') == 1


@pytest.mark.parametrize("seconds", [60.0, 150.0])
async def test_a_manager_that_starts_later_reminds_at_the_same_time_and_not_twice(seconds: float) -> None:
    async with contacted(terms=REMINDER) as it:
        await it.request_until_state(DeliveryState.SENT)
        await asyncio.sleep(seconds)
        await it.replica.stop()
        it.world.replica(FakeLLMClient(answer("done")), "pod-a_2", channels=kinds_with(it.channel))
        await it.world.request_until(lambda request: sent(request) == [("ops", False), ("ops", True)])
        await asyncio.sleep(200)
        assert [one.is_reminder for one in it.channel.delivered] == [False, True]


async def test_nobody_is_reminded_of_what_is_decided() -> None:
    channel = FakeChannel()
    async with contacted(channel, terms=REMINDER | SECOND) as it:
        await it.request_until_state(DeliveryState.SENT)
        await decide(it.world, "Reject")
        await it.world.request_until(request_is(HumanRequestPhase.DECIDED))
        await asyncio.sleep(400)
        assert not is_reminded(await now(it.world))
    assert len(channel.delivered) == 1
