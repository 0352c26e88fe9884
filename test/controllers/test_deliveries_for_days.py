"""Requests that a channel carries, open for a week over thirty restarts: each is sent once, and reminded once when due.

Two hundred of them, or as many as KUBECHAIN_OPEN_REQUESTS says.
"""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from collections.abc import Sequence

import pytest

from kubechain.api.humanrequest import Delivery, DeliveryState, HumanRequest, HumanRequestPhase
from kubechain.humans.fake import FakeChannel, kinds_with
from kubechain.llm.fake import FakeLLMClient, answer, calls
from test.controllers.builders import a_call
from test.controllers.test_approvals_for_days import (
    CALLS,
    DAY_SECONDS,
    GROWTH_SHARE,
    ON_FOOT_SECONDS,
    OPEN,
    READS_AT_START_MAX,
    RESTARTS,
    RUNS,
    WEEK_SECONDS,
    Counts,
    requests_of,
)
from test.controllers.test_contact import KEY, apply_channel
from test.controllers.test_tool_turns import ADD
from test.controllers.world import World, a_world

REMIND_HOURS = 36
PERIOD_SECONDS = (WEEK_SECONDS - DAY_SECONDS) / RESTARTS
READS_OF_CHANNEL = 1
"""Of its Secret, at the start of a manager: the channel is checked."""

WRITES_OF_REMINDER = 3
"""That people are reminded, the claim, and that the message was sent."""


async def ask(world: World, channel: FakeChannel) -> None:
    """Runs whose calls all wait for a person, who is asked by the channel."""
    turn = calls(*(a_call("add", f'{{"a": {number}, "b": 1}}', call_id=f"id-{number}") for number in range(CALLS)))
    world.replica(FakeLLMClient(*[turn] * RUNS), channels=kinds_with(channel))
    await world.apply("secrets", {"metadata": {"name": "ops"}, "stringData": {"key": KEY}})
    await apply_channel(world)
    await world.apply_walk_through(tools=[{"name": "add"}])
    approval = {"approvalContactChannel": {"name": "ops"}, "approval": {"remindAfter": f"{REMIND_HOURS}h"}}
    await world.apply("tools", {"metadata": {"name": "add"}, "spec": ADD | approval})
    await world.agent_until(lambda agent: agent.status.ready)
    for number in range(RUNS):
        await world.apply_task(f"task-{number}")
    await asyncio.sleep(ON_FOOT_SECONDS)
    assert len(channel.delivered) == OPEN


async def restart(world: World, channel: FakeChannel) -> None:
    old = world.replicas.pop()
    await old.stop()
    model = FakeLLMClient(*[answer("done")] * RUNS)
    world.replica(model, f"pod-a_{old.manager.identity}", channels=kinds_with(channel))


def deliveries_of(requests: Sequence[HumanRequest], *, is_reminder: bool) -> list[Delivery]:
    return [one for request in requests for one in request.status.deliveries if one.reminder is is_reminder]


def delay_seconds(request: HumanRequest) -> float:
    """How long after it was due people were reminded."""
    (reminder,) = deliveries_of([request], is_reminder=True)
    created_at = request.metadata.creation_timestamp
    assert reminder.sent_at is not None
    assert created_at is not None
    return (reminder.sent_at - created_at).total_seconds() - REMIND_HOURS * 3_600


async def reach_the_last_day(world: World, channel: FakeChannel, counts: Counts) -> None:
    """Six days with a restart every five hours or so: a look at everything, and nothing but the reminders between."""
    held = list[int]()
    spent = Counter[str]()
    for _ in range(RESTARTS):
        counts.clear()
        await restart(world, channel)
        await asyncio.sleep(ON_FOOT_SECONDS)
        assert counts.requests.keys() <= {"GET"}
        assert counts.requests.total() <= READS_AT_START_MAX + READS_OF_CHANNEL
        counts.clear()
        await asyncio.sleep(PERIOD_SECONDS - ON_FOOT_SECONDS)
        spent += counts.requests
        gc.collect()
        held.append(len(gc.get_objects()))
    assert spent == {"PUT": WRITES_OF_REMINDER * OPEN}
    assert max(held[RESTARTS // 2 :]) < max(held[: RESTARTS // 2]) * (1 + GROWTH_SHARE), held


@pytest.mark.timeout(600)
async def test_requests_of_a_channel_are_sent_once_and_reminded_once_in_a_week(monkeypatch: pytest.MonkeyPatch) -> None:
    counts, channel = Counts(monkeypatch), FakeChannel()
    async with a_world() as world:
        await ask(world, channel)
        await reach_the_last_day(world, channel, counts)
        found = await requests_of(world)
        assert [one.is_reminder for one in channel.delivered] == [False] * OPEN + [True] * OPEN
        assert len({one.key for one in channel.delivered}) == 2 * OPEN
        assert {one.attempts for one in deliveries_of(found, is_reminder=True)} == {1}
        assert all(0 <= delay_seconds(one) < ON_FOOT_SECONDS for one in found)
        assert not channel.closed
        await asyncio.sleep(DAY_SECONDS + ON_FOOT_SECONDS)
        over = await requests_of(world)
        assert {one.status.phase for one in over} == {HumanRequestPhase.EXPIRED}
        assert {one.state for request in over for one in request.status.deliveries} == {DeliveryState.CLOSED}
    assert len(channel.delivered) == len(channel.closed) == 2 * OPEN
