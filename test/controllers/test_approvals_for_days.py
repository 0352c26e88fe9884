"""Requests that are open for a week, over thirty restarts: they cost nothing while nobody decides.

Two hundred of them; with KUBECHAIN_OPEN_REQUESTS=1000 as many as there should be, which takes a minute.
"""

from __future__ import annotations

import asyncio
import gc
import os
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest

from kubechain.api.humanrequest import HumanRequest, HumanRequestPhase
from kubechain.api.taskruntoolcall import TaskRunToolCall, ToolCallPhase
from kubechain.controllers import resources
from kubechain.controllers.humanrequest.reconciler import HumanRequestReconciler
from kubechain.controllers.toolcall.reconciler import ToolCallReconciler
from kubechain.llm.fake import FakeLLMClient, answer, calls
from kubechain.runtime.controller import Result
from kubechain.runtime.keys import Request
from kubechain.runtime.transport import Reply
from test.controllers.builders import a_call
from test.controllers.test_tool_turns import ADD
from test.controllers.world import NAMESPACE, BreakableExchange, World, a_world

OPEN = int(os.environ.get("KUBECHAIN_OPEN_REQUESTS", "200"))
CALLS = 50
RUNS = OPEN // CALLS
RESTARTS = 30
DAY_SECONDS = 86_400.0
WEEK_SECONDS = 7 * DAY_SECONDS
ON_FOOT_SECONDS = 300.0
"""Until a manager that has just started has looked at everything."""

READS_AT_START_MAX = 5
"""Beside the lists, which are watches: whether the admission policies are in force, whether there are Jobs."""

GROWTH_SHARE = 0.02
"""Of the Python objects that a process holds."""

UNWATCHED = ("/events", "/leases", "/selfsubjectaccessreviews")


class Counts:
    """What managers do: requests to the API server, and reconciles."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.requests: Counter[str] = Counter()
        self.reconciles: Counter[str] = Counter()
        self._count_requests(monkeypatch)
        self._count_reconciles(monkeypatch, ToolCallReconciler, "calls")
        self._count_reconciles(monkeypatch, HumanRequestReconciler, "requests")

    def clear(self) -> None:
        self.requests.clear()
        self.reconciles.clear()

    def _count_requests(self, monkeypatch: pytest.MonkeyPatch) -> None:
        send = BreakableExchange.send

        async def counted(
            self: BreakableExchange,
            method: str,
            target: str,
            *,
            headers: Mapping[str, str],
            body: bytes | None,
            timeout_seconds: float,
        ) -> Reply:
            if not any(kind in target for kind in UNWATCHED):
                counts.requests[method] += 1
            return await send(self, method, target, headers=headers, body=body, timeout_seconds=timeout_seconds)

        counts = self
        monkeypatch.setattr(BreakableExchange, "send", counted)

    def _count_reconciles(
        self, monkeypatch: pytest.MonkeyPatch, kind: type[ToolCallReconciler | HumanRequestReconciler], name: str
    ) -> None:
        reconcile: Any = kind.reconcile

        async def counted(self: Any, request: Request) -> Result:
            counts.reconciles[name] += 1
            return await reconcile(self, request)

        counts = self
        monkeypatch.setattr(kind, "reconcile", counted)


async def ask(world: World) -> None:
    """Runs whose calls all wait for a person."""
    turn = calls(*(a_call("add", f'{{"a": {number}, "b": 1}}', call_id=f"id-{number}") for number in range(CALLS)))
    world.replica(FakeLLMClient(*[turn] * RUNS))
    await world.apply_walk_through(tools=[{"name": "add"}])
    await world.apply("tools", {"metadata": {"name": "add"}, "spec": ADD | {"requiresApproval": True}})
    await world.agent_until(lambda agent: agent.status.ready)
    for number in range(RUNS):
        await world.apply_task(f"task-{number}")
    await asyncio.sleep(ON_FOOT_SECONDS)
    assert len(await requests_of(world)) == OPEN


async def restart(world: World) -> None:
    old = world.replicas.pop()
    await old.stop()
    world.replica(FakeLLMClient(*[answer("done")] * RUNS), f"pod-a_{old.manager.identity}")


async def requests_of(world: World) -> list[HumanRequest]:
    return list(await world.client.list(resources.HUMAN_REQUESTS, NAMESPACE))


async def calls_of(world: World) -> list[TaskRunToolCall]:
    return list(await world.client.list(resources.TOOL_CALLS, NAMESPACE))


async def reach_the_last_day(world: World, counts: Counts) -> None:
    """Six days with a restart every five hours or so; after each, one look at everything, and then silence."""
    held = list[int]()
    for _ in range(RESTARTS):
        counts.clear()
        await restart(world)
        await asyncio.sleep(ON_FOOT_SECONDS)
        assert counts.requests.keys() <= {"GET"}
        assert counts.requests.total() <= READS_AT_START_MAX
        assert counts.reconciles == {"calls": OPEN, "requests": OPEN}
        counts.clear()
        await asyncio.sleep((WEEK_SECONDS - DAY_SECONDS) / RESTARTS - ON_FOOT_SECONDS)
        assert (counts.requests.total(), counts.reconciles.total()) == (0, 0)
        gc.collect()
        held.append(len(gc.get_objects()))
    assert max(held[RESTARTS // 2 :]) < max(held[: RESTARTS // 2]) * (1 + GROWTH_SHARE), held


@pytest.mark.timeout(600)
async def test_requests_that_nobody_decides_cost_nothing_for_a_week(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = Counts(monkeypatch)
    async with a_world() as world:
        await ask(world)
        versions = {one.metadata.name: one.metadata.resource_version for one in await requests_of(world)}
        await reach_the_last_day(world, counts)
        assert {one.metadata.name: one.metadata.resource_version for one in await requests_of(world)} == versions
        assert {one.status.phase for one in await calls_of(world)} == {ToolCallPhase.AWAITING_HUMAN_APPROVAL}
        await asyncio.sleep(DAY_SECONDS + ON_FOOT_SECONDS)
        assert {one.status.phase for one in await requests_of(world)} == {HumanRequestPhase.EXPIRED}
        written = Counter(line.split("/")[-3] for line in world.replicas[0].exchange.writes if "/status " in line)
        assert (written["humanrequests"], written["taskruntoolcalls"]) == (OPEN, OPEN)
