"""Attempts are counted from 0, one at a time, by whichever manager makes them."""

from __future__ import annotations

from typing import Any

from kubechain.api.taskrun import TaskRunPhase
from kubechain.api.taskruntoolcall import ToolCallPhase
from kubechain.llm import errors
from kubechain.llm.fake import FakeLLMClient, answer, calls
from test.controllers.builders import a_call
from test.controllers.oneserver import ASKED, SILENT, Connect, OneServer, a_task_that_looks
from test.controllers.test_durability import is_over
from test.controllers.test_tool_turns import ADD
from test.controllers.wires import Claims
from test.controllers.world import Point, World, a_world


def attempts(claims: Claims, of: str) -> list[int]:
    return [int(status[of]["attempt"]) for status in claims.statuses]


async def a_run_with_a_tool(world: World, tool: dict[str, Any]) -> None:
    await world.apply_walk_through(tools=[{"name": "add"}])
    await world.apply("tools", {"metadata": {"name": "add"}, "spec": tool})
    await world.apply_task()


async def test_the_first_model_call_is_attempt_0_and_each_failure_adds_one() -> None:
    script = [errors.ServerFailed("openai: 503"), errors.ServerFailed("openai: 503"), answer("It has none.")]
    async with a_world() as world:
        claims = Claims(TaskRunPhase.SEND_CONTEXT_WINDOW_TO_LLM, "500")
        world.replica(FakeLLMClient(*script)).exchange.points.append(claims)
        await world.apply_walk_through()
        await world.apply_task()
        await world.until(is_over)
        assert attempts(claims, "llm") == [0, 1, 2]


async def test_a_take_over_of_a_model_call_is_the_next_attempt() -> None:
    claims = Claims(TaskRunPhase.SEND_CONTEXT_WINDOW_TO_LLM, "500")
    async with a_world() as world:
        for number in range(3):
            replica = world.replica(FakeLLMClient(answer("It has none.")), f"pod-a_{number}")
            replica.exchange.points += [claims, *([Point("FinalAnswer", "crash before")] if number < 2 else [])]
            if number == 0:
                await world.apply_walk_through()
                await world.apply_task()
            if number < 2:
                await replica.crashed.wait()
        await world.until(is_over)
        assert attempts(claims, "llm") == [0, 1, 2]


async def test_each_turn_counts_anew() -> None:
    claims = Claims(TaskRunPhase.SEND_CONTEXT_WINDOW_TO_LLM, "500")
    script = [errors.ServerFailed("openai: 503"), calls(a_call("add", '{"a": 2, "b": 3}')), answer("five")]
    async with a_world() as world:
        world.replica(FakeLLMClient(*script)).exchange.points.append(claims)
        await a_run_with_a_tool(world, ADD)
        await world.until(is_over)
        assert [(status["llm"].get("turn", 0), status["llm"].get("attempt", 0)) for status in claims.statuses] == [
            (0, 0),
            (0, 1),
            (1, 0),
        ]


async def test_a_repeatable_call_that_ends_every_manager_is_carried_out_three_times(connect: Connect) -> None:
    claims, server = Claims(ToolCallPhase.RUNNING, "500"), OneServer(SILENT, [])
    connect(server)
    async with a_world() as world:
        for number in range(4):
            script = [ASKED, answer("sorry")] if number == 0 else [answer("sorry")]
            replica = world.replica(FakeLLMClient(*script), f"pod-a_{number}")
            replica.exchange.points += [
                claims,
                *([Point(ToolCallPhase.SUCCEEDED, "crash before")] if number < 3 else []),
            ]
            if number == 0:
                await a_task_that_looks(world, tools={"idempotent": ["look"]})
            if number < 3:
                await replica.crashed.wait()
        call = await world.call_until(lambda call: call.status.completion_time is not None)
        assert call.status.phase == ToolCallPhase.OUTCOME_UNKNOWN
        assert call.status.error == "the call was interrupted 3 times"
        assert attempts(claims, "execution") == [0, 1, 2]
        assert (server.attempts, len(server.idempotency_keys)) == (3, 1)
        assert (await world.until(is_over)).status.output == "sorry"
