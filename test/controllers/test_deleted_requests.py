"""Requests that are deleted, by people or with what asks: their messages at contact channels say so first."""

from __future__ import annotations

import asyncio

from kubechain.api import names
from kubechain.api.humanrequest import DeliveryState, HumanRequest
from kubechain.controllers import resources
from kubechain.controllers.humanrequest.deliveries import DELETED_SECONDS_MAX
from kubechain.humans.fake import FakeChannel
from kubechain.humans.model import NotSent
from test.controllers.people import CALL, answers_of, decide
from test.controllers.test_contact import Contacted, contacted
from test.controllers.world import NAMESPACE, World

DOWN = [NotSent("connection refused")] * 100


async def delete_run(world: World) -> None:
    await world.client.delete(resources.TASK_RUNS, NAMESPACE, "hello-1")


async def requests_of(world: World) -> list[HumanRequest]:
    return list(await world.client.list(resources.HUMAN_REQUESTS, NAMESPACE))


async def drop_finalizers(world: World) -> None:
    await world.client.patch(resources.HUMAN_REQUESTS, NAMESPACE, CALL, {"metadata": {"finalizers": None}})


async def sent(it: Contacted) -> HumanRequest:
    return await it.request_until_state(DeliveryState.SENT)


async def test_a_request_that_goes_with_its_run_says_so_in_its_channel() -> None:
    async with contacted() as it:
        assert (await sent(it)).metadata.finalizers == (names.HUMAN_REQUEST_FINALIZER,)
        await delete_run(it.world)
        await asyncio.sleep(30)
        assert await requests_of(it.world) == []
    (ending,) = it.channel.closed.values()
    assert ending.startswith("Withdrawn: ")


async def test_a_run_that_is_deleted_while_its_request_is_sent_is_told_in_the_channel_as_well() -> None:
    channel = FakeChannel()
    async with contacted(channel) as it:
        deleting = list[asyncio.Task[None]]()

        def act(name: str) -> None:
            if name == "deliver" and not deleting:
                deleting.append(asyncio.ensure_future(delete_run(it.world)))

        channel.on_effect = act
        await asyncio.sleep(DELETED_SECONDS_MAX)
        await deleting[0]
        assert await requests_of(it.world) == []
    assert [one.key for one in channel.delivered] == list(channel.closed)


async def test_a_channel_that_is_down_holds_a_deleted_request_for_a_short_time_only() -> None:
    async with contacted() as it:
        request = await sent(it)
        it.channel.failures.extend(DOWN)
        await delete_run(it.world)
        await asyncio.sleep(DELETED_SECONDS_MAX / 2)
        assert [one.metadata.uid for one in await requests_of(it.world)] == [request.metadata.uid]
        await asyncio.sleep(DELETED_SECONDS_MAX)
        assert await requests_of(it.world) == []
        await asyncio.sleep(10)
        events = await it.world.client.request("GET", f"/apis/events.k8s.io/v1/namespaces/{NAMESPACE}/events")
    assert b"does not say that the request is over: connection refused" in events


async def test_a_request_whose_channel_and_secret_are_gone_is_deleted_at_once() -> None:
    async with contacted() as it:
        await sent(it)
        await it.world.client.request("DELETE", f"/api/v1/namespaces/{NAMESPACE}/secrets/ops")
        await delete_run(it.world)
        await asyncio.sleep(10)
        assert await requests_of(it.world) == []


async def test_a_request_that_is_over_is_held_no_longer() -> None:
    async with contacted() as it:
        await sent(it)
        await decide(it.world, "Approve")
        assert await answers_of(it.world) == ["5"]
        await it.world.request_until(lambda request: not request.metadata.finalizers)
    assert len(it.channel.closed) == 1


async def test_a_request_that_people_delete_is_withdrawn_and_asked_anew() -> None:
    async with contacted() as it:
        first = await sent(it)
        await it.world.client.delete(resources.HUMAN_REQUESTS, NAMESPACE, CALL)
        again = await it.world.request_until(lambda request: request.metadata.uid != first.metadata.uid)
        assert again.metadata.deletion_timestamp is None
        await sent(it)
        assert list(it.channel.closed.values()) == ["Withdrawn: the request was deleted"]
        await decide(it.world, "Approve")
        assert await answers_of(it.world) == ["5"]
    assert len({one.key for one in it.channel.delivered}) == 2


async def test_a_decision_before_the_deletion_counts() -> None:
    async with contacted() as it:
        await sent(it)
        await decide(it.world, "Approve")
        await it.world.client.delete(resources.HUMAN_REQUESTS, NAMESPACE, CALL)
        assert await answers_of(it.world) == ["5"]
        await asyncio.sleep(10)
    assert list(it.channel.closed.values()) == ["Approve by bob (Claimed)"]


async def test_a_request_of_an_earlier_release_is_held_from_now_on() -> None:
    async with contacted() as it:
        await sent(it)
        await drop_finalizers(it.world)
        await it.world.request_until(lambda request: request.metadata.finalizers == (names.HUMAN_REQUEST_FINALIZER,))
        await delete_run(it.world)
        await asyncio.sleep(30)
        assert await requests_of(it.world) == []
    (ending,) = it.channel.closed.values()
    assert ending.startswith("Withdrawn: ")


async def test_an_administrator_lets_a_deleted_request_go_by_hand() -> None:
    async with contacted() as it:
        await sent(it)
        it.channel.failures.extend(DOWN)
        await delete_run(it.world)
        await asyncio.sleep(DELETED_SECONDS_MAX / 2)
        await drop_finalizers(it.world)
        await asyncio.sleep(1)
        assert await requests_of(it.world) == []
