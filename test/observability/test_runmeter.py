"""What the metrics say after runs on the real loops and engine, with a model that follows a script."""

from __future__ import annotations

from typing import Any

from kubechain.api.humanrequest import HumanRequestPhase
from kubechain.llm.errors import ServerFailed
from kubechain.llm.fake import FakeLLMClient, answer, calls
from test.controllers.builders import a_call
from test.controllers.people import decide, request_is, request_of
from test.controllers.test_approvals import waiting_world
from test.controllers.test_budgets import FIRST, working_world
from test.controllers.test_durability import is_over
from test.controllers.world import NAMESPACE, Replica, a_world

AGENT = {"namespace": NAMESPACE, "agent": "my-assistant"}
LLM = {"namespace": NAMESPACE, "llm": "gpt-4o"}


def value(replica: Replica, name: str, **labels: str) -> float | None:
    return replica.manager.metrics.registry.get_sample_value(f"kubechain_{name}", labels)


def tokens_of(*completions: Any) -> int:
    return sum(completion.usage.input_tokens for completion in completions)


async def test_a_run_with_a_tool_and_a_failed_call_is_counted_once_each() -> None:
    turns = calls(a_call("update_plan", '{"steps": []}')), answer("done")
    async with a_world() as world:
        replica = world.replica(FakeLLMClient(ServerFailed("503"), *turns))
        await world.apply_walk_through(planning=True)
        await world.apply_task()
        run = await world.until(is_over)
        model = {"model": "gpt-4o"}
        assert value(replica, "runs_started_total", **AGENT) == 1
        assert value(replica, "runs_ended_total", **AGENT, end="FinalAnswer") == 1
        assert value(replica, "run_duration_seconds_count", **AGENT, end="FinalAnswer") == 1
        assert value(replica, "run_first_turn_seconds_count", **AGENT) == 1
        assert value(replica, "turn_duration_seconds_count", **AGENT) == run.status.turn == 2
        assert value(replica, "model_call_duration_seconds_count", **LLM, **model, result="answered") == 2
        assert value(replica, "model_call_duration_seconds_count", **LLM, **model, result="failed") == 1
        assert value(replica, "model_errors_total", **LLM, error="ServerFailed") == 1
        assert value(replica, "model_retries_total", **LLM) == 1
        assert value(replica, "tokens_total", **LLM, **model, kind="input") == tokens_of(*turns)
        assert value(replica, "tool_calls_total", **AGENT, tool="update_plan", end="Succeeded") == 1
        assert value(replica, "runs", namespace=NAMESPACE, phase="FinalAnswer") == 1


async def test_the_first_answer_of_a_run_is_there_before_a_person_decides_about_its_tools() -> None:
    async with waiting_world() as world:
        (replica,) = world.replicas
        await world.request_until(request_is(HumanRequestPhase.OPEN))
        assert value(replica, "run_first_turn_seconds_count", **AGENT) == 1
        await decide(world, "Approve")
        await world.until(is_over)
        assert value(replica, "run_first_turn_seconds_count", **AGENT) == 1


async def test_a_request_to_a_person_is_a_gauge_while_it_is_open_and_a_wait_afterwards() -> None:
    async with working_world() as world:
        (replica,) = world.replicas
        await request_of(world, FIRST)
        labels = {"namespace": NAMESPACE, "type": "Budget"}
        await world.request_until(request_is(HumanRequestPhase.OPEN, FIRST))
        assert value(replica, "human_requests_open", **labels) == 1
        used = value(replica, "human_request_life_used_ratio", **labels)
        assert used is not None
        assert 0 <= used < 0.1
        await decide(world, "Approve", FIRST)
        await world.until(is_over)
        await world.request_until(request_is(HumanRequestPhase.DECIDED, FIRST))
        assert value(replica, "human_requests_open", **labels) is None
        assert value(replica, "human_requests_ended_total", **labels, end="Decided") == 1
        assert value(replica, "human_wait_seconds_count", **labels, end="Decided") == 1


async def test_after_a_restart_gauges_are_right_and_counters_start_anew() -> None:
    async with a_world() as world:
        first = world.replica(FakeLLMClient(answer("done")))
        await world.apply_walk_through()
        await world.apply_task()
        await world.until(is_over)
        await first.stop()
        second = world.replica(FakeLLMClient(), "pod-b_1")
        await second.manager.wait_synced()
        assert value(second, "runs", namespace=NAMESPACE, phase="FinalAnswer") == 1
        assert value(second, "runs_ended_total", **AGENT, end="FinalAnswer") is None


async def test_a_budget_and_its_use_are_a_gauge() -> None:
    async with a_world() as world:
        replica = world.replica(FakeLLMClient(answer("done")))
        await world.apply("budgets", {"metadata": {"name": "month"}, "spec": {"maxTokens": 1000}})
        await world.apply_walk_through()
        await world.apply_task()
        run = await world.until(is_over)
        assert run.status.usage is not None
        ratio = value(replica, "budget_used_ratio", namespace=NAMESPACE, budget="month", limit="tokens")
        assert ratio == run.status.usage.total_tokens / 1000
