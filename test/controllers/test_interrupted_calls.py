"""Calls that act outside, point by point: claimed first, and repeated only where a person says that it does no harm."""

from __future__ import annotations

import pytest

from kubechain.api.taskruntoolcall import ToolCallPhase
from kubechain.controllers import resources
from kubechain.llm.fake import FakeLLMClient, answer
from test.controllers.oneserver import ASKED, SILENT, Connect, OneServer, a_task_that_looks
from test.controllers.test_durability import is_over
from test.controllers.test_tool_turns import CRASHES, SURVIVABLE, tool_answers
from test.controllers.world import NAMESPACE, Harm, Point, World, a_world

POINTS = pytest.mark.parametrize("phase", ["Running", "Succeeded"])
LISTED = {"tools": {"idempotent": ["look"]}}


async def until_crashed(world: World, point: Point, **spec: object) -> None:
    """Until the first manager is gone at that point; then another one is there."""
    first = world.replica(FakeLLMClient(ASKED))
    first.exchange.points.append(point)
    await a_task_that_looks(world, **spec)
    await first.crashed.wait()
    world.replica(FakeLLMClient(answer("done")), "pod-a_2")


async def test_a_call_that_acts_outside_costs_three_writes_and_its_turn_two(connect: Connect) -> None:
    connect(OneServer(SILENT, []))
    async with a_world() as world:
        replica = world.replica(FakeLLMClient(ASKED, answer("done")))
        await a_task_that_looks(world, **LISTED)
        await world.until(is_over)
        writes = [line for line in replica.exchange.writes if "/taskrun" in line and line.split()[0] != "PATCH"]
        assert len(writes) == 1 + 2 + (2 + 3), writes


@pytest.mark.parametrize("harm", SURVIVABLE)
@POINTS
async def test_a_failed_write_repeats_no_call(connect: Connect, phase: str, harm: Harm) -> None:
    server = OneServer(SILENT, [])
    connect(server)
    async with a_world() as world:
        point = Point(phase, harm)
        world.replica(FakeLLMClient(ASKED, answer("done"))).exchange.points.append(point)
        await a_task_that_looks(world)
        assert tool_answers(await world.until(is_over)) == [("call_1", "seen")]
        assert (point.hits, server.attempts) == (1, 1)


@pytest.mark.parametrize("harm", CRASHES)
@POINTS
async def test_a_listed_tool_gives_its_result_to_the_next_manager_under_the_same_key(
    connect: Connect, phase: str, harm: Harm
) -> None:
    server = OneServer(SILENT, [])
    connect(server)
    async with a_world() as world:
        await until_crashed(world, Point(phase, harm), **LISTED)
        assert tool_answers(await world.until(is_over)) == [("call_1", "seen")]
        is_repeated = (phase, harm) == ("Succeeded", "crash before")
        assert (server.attempts, len(server.idempotency_keys)) == (2 if is_repeated else 1, 1)


@pytest.mark.parametrize(
    ("phase", "harm", "end", "attempts"),
    [
        pytest.param("Running", "crash before", ToolCallPhase.SUCCEEDED, 1, id="before the claim"),
        pytest.param("Running", "crash after", ToolCallPhase.OUTCOME_UNKNOWN, 0, id="after the claim"),
        pytest.param("Succeeded", "crash before", ToolCallPhase.OUTCOME_UNKNOWN, 1, id="after the call"),
        pytest.param("Succeeded", "crash after", ToolCallPhase.SUCCEEDED, 1, id="after the result"),
    ],
)
async def test_any_other_tool_is_never_called_twice(
    connect: Connect, phase: str, harm: Harm, end: ToolCallPhase, attempts: int
) -> None:
    server = OneServer(SILENT, [])
    connect(server)
    async with a_world() as world:
        await until_crashed(world, Point(phase, harm), tools={"idempotent": ["touch*"]})
        await world.until(is_over)
        call = await world.call_until(lambda call: True)
        assert (call.status.phase, server.attempts) == (end, attempts)


async def test_what_a_person_says_after_the_claim_is_for_later_calls(connect: Connect) -> None:
    server = OneServer(SILENT, [])
    connect(server)
    async with a_world() as world:
        first = world.replica(FakeLLMClient(ASKED))
        first.exchange.points.append(Point("Succeeded", "crash before"))
        await a_task_that_looks(world)
        await first.crashed.wait()
        await world.client.patch(resources.MCP_SERVERS, NAMESPACE, "eyes", {"spec": LISTED})
        world.replica(FakeLLMClient(answer("done")), "pod-a_2")
        await world.until(is_over)
        call = await world.call_until(lambda call: True)
        assert (call.status.phase, server.attempts) == (ToolCallPhase.OUTCOME_UNKNOWN, 1)
