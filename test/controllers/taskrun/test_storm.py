"""Providers that limit, fail and break connections: every run ends right, and a good LLM notices nothing.

On virtual time, with the real control loops.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from kubechain.api.conditions import is_true
from kubechain.api.llm import LLM
from kubechain.api.message import Message
from kubechain.api.taskrun import TaskRun, TaskRunPhase
from kubechain.controllers import resources
from kubechain.llm.client import Completion, Target, ToolDefinition
from kubechain.llm.errors import ConnectionLost, LLMError, RateLimited, ServerFailed
from kubechain.llm.fake import FakeLLMClient, answer
from test.controllers.world import NAMESPACE, World, a_world

STORM_SECONDS = 600.0
LATENCY_SECONDS = 2.0

LOOK_SECONDS = 10.0


@dataclass
class Weather(FakeLLMClient):
    """Three models, of which all but the one called "good" fail for ten minutes as a storm would have it.

    Attributes:
        starts: When calls of each model began.
        held_until: Until when each model's provider asked to wait.
        early: Calls that began before.
    """

    seed: int = 1
    is_down: bool = False
    starts: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    held_until: dict[str, float] = field(default_factory=dict[str, float])
    early: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        super().__init__()
        self.random = random.Random(self.seed)

    async def complete(
        self, target: Target, messages: Sequence[Message], tools: Sequence[ToolDefinition] = (), **options: Any
    ) -> Completion:
        del messages, tools, options
        loop, model = asyncio.get_running_loop(), target.model
        self.starts.setdefault(model, []).append(loop.time())
        if loop.time() < self.held_until.get(model, 0.0):
            self.early.append(f"{model} at {loop.time()}")
        if model != "good" and (error := self._error(model, loop.time())):
            await asyncio.sleep(0.1)
            if isinstance(error, RateLimited) and error.retry_after_seconds is not None:
                until = loop.time() + error.retry_after_seconds
                self.held_until[model] = max(self.held_until.get(model, 0.0), until)
            raise error
        await asyncio.sleep(LATENCY_SECONDS)
        return answer(f"from {model}", model=model)

    def _error(self, model: str, now: float) -> LLMError | None:
        if self.is_down:
            return ServerFailed("provider failed: HTTP 503", http_status=503)
        draw = self.random.random() if now < STORM_SECONDS else 1.0
        if draw < 0.6:
            return RateLimited("rate limited: HTTP 429", retry_after_seconds=self.random.choice([1.0, 3.0, 8.0]))
        if draw < 0.7:
            return ServerFailed("provider failed: HTTP 503", http_status=503)
        return ConnectionLost(f"connection to {model} lost") if draw < 0.75 else None


async def arranged(world: World, models: Sequence[str], *, limits: dict[str, str] | None = None, **spec: Any) -> None:
    for name in models:
        llm = {"provider": "openai", "parameters": {"baseUrl": f"http://{name}.test/v1", "model": name}} | spec
        await world.apply("llms", {"metadata": {"name": name}, "spec": {"maxConcurrentRequests": 10} | llm})
        agent: dict[str, Any] = {"llmRef": {"name": name}, "system": "Help."} | ({"limits": limits} if limits else {})
        await world.apply("agents", {"metadata": {"name": name}, "spec": agent})


async def runs_of(world: World, agent: str, count: int) -> list[str]:
    names = [f"{agent}-{number}" for number in range(count)]
    for name in names:
        spec = {"agentRef": {"name": agent}, "userMessage": "What is the capital of the moon?"}
        await world.apply("taskruns", {"metadata": {"name": name}, "spec": spec})
    return names


async def ended(world: World, names: Sequence[str]) -> list[TaskRun]:
    """The runs, once all have ended; looked at rarely, since the virtual hours of many runs are long."""
    async with asyncio.timeout(7_200.0):
        while True:
            found = {run.metadata.name: run for run in await world.client.list(resources.TASK_RUNS, NAMESPACE)}
            runs = [found[name] for name in names if name in found]
            if len(runs) == len(names) and all(run.status.completion_time is not None for run in runs):
                return runs
            await asyncio.sleep(LOOK_SECONDS)


async def seconds_of_good(model: Weather, bad_runs: int) -> float:
    """How long the 66 runs of the good LLM take, beside so many of each bad one."""
    async with a_world() as world:
        world.replica(model)
        await arranged(world, ["good", "bad", "worse"])
        bad = [name for agent in ("bad", "worse") for name in await runs_of(world, agent, bad_runs)]
        began = asyncio.get_running_loop().time()
        for run in await ended(world, await runs_of(world, "good", 66)):
            assert run.status.phase == TaskRunPhase.FINAL_ANSWER
        took = model.starts["good"][-1] + LATENCY_SECONDS - began
        for run in await ended(world, bad):
            assert (run.status.phase, run.status.error) == (TaskRunPhase.FINAL_ANSWER, None), run.metadata.name
            assert run.status.output == f"from {run.metadata.name.split('-')[0]}"
        return took


async def test_in_a_storm_every_run_ends_right_and_the_good_llm_is_as_fast_as_alone() -> None:
    alone = await seconds_of_good(Weather(), 0)
    model = Weather()
    in_storm = await seconds_of_good(model, 67)
    assert not model.early, "no call before the end of a Retry-After"
    assert in_storm <= alone * 1.05


async def llm_of(world: World, name: str) -> LLM:
    return await world.client.get(resources.LLMS, NAMESPACE, name)


async def test_while_a_provider_is_down_its_runs_wait_in_the_queue_and_go_on_when_it_answers() -> None:
    model = Weather(is_down=True)
    async with a_world() as world:
        world.replica(model)
        await arranged(world, ["bad"])
        names = await runs_of(world, "bad", 40)
        await asyncio.sleep(30.0)
        waiting = await world.run(names[-1])
        assert "circuit is open" in waiting.status.status_detail
        assert "HTTP 503" in waiting.status.status_detail
        calls = len(model.starts["bad"])
        assert calls <= 15, "those that were in flight at once, and no more"
        assert is_true((await llm_of(world, "bad")).status.conditions, "CircuitOpen")
        await asyncio.sleep(300.0)
        assert len(model.starts["bad"]) - calls <= 10, "one trial at a time, ever rarer"
        model.is_down = False
        await asyncio.sleep(STORM_SECONDS)
        for run in await ended(world, names):
            assert run.status.phase == TaskRunPhase.FINAL_ANSWER
        assert not is_true((await llm_of(world, "bad")).status.conditions, "CircuitOpen")


async def test_a_queue_that_only_waits_for_a_dead_provider_ends_its_runs_after_retry_for() -> None:
    async with a_world() as world:
        world.replica(Weather(is_down=True))
        await arranged(world, ["bad"], limits={"retryFor": "10m"})
        for run in await ended(world, await runs_of(world, "bad", 30)):
            assert run.status.phase == TaskRunPhase.FAILED
            assert "HTTP 503" in (run.status.error or "")
            assert "retryFor" in (run.status.error or "")


async def test_rate_limit_holds_in_every_minute() -> None:
    model = Weather()
    async with a_world() as world:
        world.replica(model)
        await arranged(world, ["good"], rateLimit={"requestsPerMinute": 30})
        await ended(world, await runs_of(world, "good", 100))
    starts = model.starts["good"]
    assert max(sum(1 for one in starts if start <= one < start + 59.9) for start in starts) <= 30
    assert starts[-1] - starts[0] < 240.0


@dataclass
class Counted(FakeLLMClient):
    """A provider that answers five calls in each minute of its own, and says with each how many are left."""

    starts: list[float] = field(default_factory=list[float])
    refused: int = 0

    def __post_init__(self) -> None:
        super().__init__()

    async def complete(
        self, target: Target, messages: Sequence[Message], tools: Sequence[ToolDefinition] = (), **options: Any
    ) -> Completion:
        now = asyncio.get_running_loop().time()
        resets_in = 60.0 - now % 60.0
        left = 5 - sum(1 for start in self.starts if start // 60.0 == now // 60.0)
        if left <= 0:
            self.refused += 1
            raise RateLimited("rate limited: HTTP 429", retry_after_seconds=resets_in)
        self.starts.append(now)
        return replace(answer("Five."), used_up_for_seconds=resets_in if left == 1 else None)


async def test_a_provider_that_says_that_nothing_is_left_is_not_called_in_vain() -> None:
    model = Counted()
    async with a_world() as world:
        world.replica(model)
        await arranged(world, ["good"], maxConcurrentRequests=1)
        names = await runs_of(world, "good", 12)
        await asyncio.sleep(30.0)
        waiting = [await world.run(name) for name in names]
        [first] = [run for run in waiting if "next in its queue" in run.status.status_detail]
        assert "its provider's own rate limit is used up until it resets" in first.status.status_detail
        assert first.status.blocked_since is None, "no outage: the queue moves"
        for run in await ended(world, names):
            assert run.status.phase == TaskRunPhase.FINAL_ANSWER
    assert (len(model.starts), model.refused) == (12, 0)
