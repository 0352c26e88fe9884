"""An LLM that cannot answer, and the ones that answer in its place: the real control loops on virtual time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from kubechain.api.conditions import find_condition
from kubechain.api.llm import LLM
from kubechain.api.message import Message, ToolCall, ToolCallFunction
from kubechain.api.taskrun import TaskRun, TaskRunPhase
from kubechain.controllers import resources
from kubechain.llm.client import Completion, Target, ToolDefinition
from kubechain.llm.errors import (
    AuthenticationFailed,
    ContextTooLong,
    InvalidAnswer,
    LLMError,
    ModelNotFound,
    QuotaExhausted,
    RateLimited,
    RequestRefused,
    ServerFailed,
    TimedOut,
)
from kubechain.llm.fake import FakeLLMClient, answer, calls
from test.controllers.taskrun.test_storm import ended
from test.controllers.world import NAMESPACE, World, a_world

LATENCY_SECONDS = 2.0


def down() -> LLMError:
    return ServerFailed("provider failed: HTTP 503", http_status=503)


@dataclass
class Models(FakeLLMClient):
    """Models that answer with their names, but for those that fail.

    Attributes:
        failing: By model, how it fails.
        calls_of: When calls of each model began.
        turns: So many tool calls are asked for before the answer.
    """

    failing: dict[str, Callable[[], LLMError]] = field(default_factory=dict[str, Callable[[], LLMError]])
    calls_of: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    turns: int = 0

    def __post_init__(self) -> None:
        super().__init__()

    async def complete(
        self, target: Target, messages: Sequence[Message], tools: Sequence[ToolDefinition] = (), **options: Any
    ) -> Completion:
        del tools, options
        model = target.model
        self.calls_of.setdefault(model, []).append(asyncio.get_running_loop().time())
        if (failure := self.failing.get(model)) is not None:
            await asyncio.sleep(0.1)
            raise failure()
        await asyncio.sleep(LATENCY_SECONDS)
        said = sum(message.role == "assistant" for message in messages)
        if said < self.turns:
            call = ToolCallFunction(name="add", arguments='{"a": 1, "b": 2}')
            return replace(calls(ToolCall(id=f"c{said}", function=call)), model=model)
        return answer(f"from {model}", model=model)

    def count(self, model: str) -> int:
        return len(self.calls_of.get(model, ()))


async def an_llm(world: World, name: str, *fallbacks: str, **spec: Any) -> None:
    values = {"provider": "openai", "parameters": {"baseUrl": f"http://{name}.test/v1", "model": name}} | spec
    if fallbacks:
        values["fallbacks"] = [{"name": one} for one in fallbacks]
    await world.apply("llms", {"metadata": {"name": name}, "spec": values})


async def arranged(world: World, **agent: Any) -> None:
    """The LLM `first` with two fallbacks, and an Agent that uses it."""
    await an_llm(world, "second", prices={"inputPerMillion": "2", "outputPerMillion": "2"})
    await an_llm(world, "third")
    await an_llm(world, "first", "second", "third", prices={"inputPerMillion": "1", "outputPerMillion": "1"})
    await world.apply("tools", {"metadata": {"name": "add"}, "spec": {"execute": {"builtin": {"name": "add"}}}})
    spec: dict[str, Any] = {"llmRef": {"name": "first"}, "system": "Help.", "tools": [{"name": "add"}]} | agent
    await world.apply("agents", {"metadata": {"name": "helper"}, "spec": spec})


async def runs(world: World, *names: str) -> None:
    for name in names:
        spec = {"agentRef": {"name": "helper"}, "userMessage": "What is the capital of the moon?"}
        await world.apply("taskruns", {"metadata": {"name": name}, "spec": spec})


async def ended_run(world: World, name: str = "run") -> TaskRun:
    await runs(world, name)
    (run,) = await ended(world, [name])
    return run


async def llm_of(world: World, name: str) -> LLM:
    return await world.client.get(resources.LLMS, NAMESPACE, name)


async def events_of(world: World, reason: str) -> list[str]:
    await asyncio.sleep(5.0)
    reply = await world.client.request("GET", f"/apis/events.k8s.io/v1/namespaces/{NAMESPACE}/events")
    return [item["note"] for item in json.loads(reply)["items"] if item["reason"] == reason]


def answerers(run: TaskRun) -> list[tuple[str, int, int, list[str]]]:
    """Who answered which turns, and which LLMs were passed over, with the reason."""
    return [
        (one.llm_name, one.first_turn, one.last_turn, [f"{other.llm_name} {other.reason}" for other in one.passed_over])
        for one in run.status.answered_by
    ]


async def test_while_the_first_is_dead_all_runs_finish_on_the_fallback_and_then_on_the_first_again() -> None:
    model = Models(failing={"first": down})
    async with a_world() as world:
        world.replica(model)
        await arranged(world)
        names = [f"dead-{number}" for number in range(60)]
        await runs(world, *names)
        for run in await ended(world, names):
            assert (run.status.phase, run.status.output) == (TaskRunPhase.FINAL_ANSWER, "from second")
        assert model.count("third") == 0
        began, tried = asyncio.get_running_loop().time(), model.count("first")
        while asyncio.get_running_loop().time() < began + 600.0:
            assert (await ended_run(world, f"later-{model.count('second')}")).status.output == "from second"
        assert model.count("first") - tried <= 20, "one trial at a time, ever rarer"
        model.failing.clear()
        await asyncio.sleep(120.0)
        assert (await ended_run(world, "trial")).status.output == "from first"
        for run in [await ended_run(world, f"after-{number}") for number in range(5)]:
            assert run.status.output == "from first"
            assert answerers(run) == [("first", 0, 0, [])]


async def test_the_calls_that_were_in_flight_when_the_first_died_are_made_again_elsewhere_at_once() -> None:
    model = Models(failing={"first": down})
    async with a_world() as world:
        world.replica(model)
        await arranged(world)
        names = [f"run-{number}" for number in range(20)]
        began = asyncio.get_running_loop().time()
        await runs(world, *names)
        found = await ended(world, names)
        assert {run.status.output for run in found} == {"from second"}
        assert max(model.calls_of["second"]) - began < 5.0, "nobody waits for the circuit, nor for a backoff"
        passed = {tuple(other for one in answerers(run) for other in one[3]) for run in found}
        assert passed <= {("first CallsFail",), ("first ProviderDown",)}


@pytest.mark.parametrize(
    ("failure", "reason", "calls_of_first"),
    [
        pytest.param(down, "CallsFail", 3, id="a server that fails three times"),
        pytest.param(lambda: TimedOut("timed out"), "CallsFail", 3, id="a server that does not answer"),
        pytest.param(lambda: InvalidAnswer("an empty answer"), "CallsFail", 3, id="answers that cannot be used"),
        pytest.param(lambda: RateLimited("429", retry_after_seconds=2.0), "CallsFail", 3, id="a rate limit"),
        pytest.param(lambda: RateLimited("429", retry_after_seconds=900.0), "CallsFail", 1, id="a wait of 15 minutes"),
        pytest.param(lambda: QuotaExhausted("no credit"), "NoCredit", 1, id="no credit"),
        pytest.param(lambda: AuthenticationFailed("401"), "KeyRefused", 1, id="a key that is refused"),
        pytest.param(lambda: ModelNotFound("404"), "ModelGone", 1, id="a model that is gone"),
    ],
)
async def test_a_failure_of_the_llm_leads_to_the_next_one(
    failure: Callable[[], LLMError], reason: str, calls_of_first: int
) -> None:
    model = Models(failing={"first": failure})
    async with a_world() as world:
        world.replica(model)
        await arranged(world)
        run = await ended_run(world)
        assert (run.status.output, run.status.error) == ("from second", None)
        assert answerers(run) == [("second", 0, 0, [f"first {reason}"])]
        assert (model.count("first"), model.count("second")) == (calls_of_first, 1)
        (note,) = await events_of(world, "FallbackUsed")
        assert note.startswith('LLM "second" is called: LLM "first" is passed over: ')


async def test_a_request_that_is_wrong_by_itself_is_sent_to_no_other_llm() -> None:
    model = Models(failing={"first": lambda: RequestRefused("400: this is wrong", http_status=400)})
    async with a_world() as world:
        world.replica(model)
        await arranged(world)
        run = await ended_run(world)
        assert (run.status.phase, run.status.error) == (TaskRunPhase.FAILED, "400: this is wrong")
        assert (model.count("first"), model.count("second")) == (1, 0)


@pytest.mark.parametrize(
    ("windows", "policy", "answerer"),
    [
        pytest.param((100_000, 200_000), "Summarise", "second", id="a larger window"),
        pytest.param((100_000, 100_000), "Fail", "", id="no larger window, and nothing may be left out"),
    ],
)
async def test_what_is_too_long_for_one_model_goes_to_a_larger_one_only(
    windows: tuple[int, int], policy: str, answerer: str
) -> None:
    model = Models(failing={"first": lambda: ContextTooLong("400: too long", http_status=400)})
    async with a_world() as world:
        world.replica(model)
        await arranged(world, context={"policy": policy})
        for name, window in zip(("first", "second"), windows, strict=True):
            patch = {"spec": {"parameters": {"contextWindow": window}}}
            await world.client.patch(resources.LLMS, NAMESPACE, name, patch)
        run = await ended_run(world)
        assert (model.count("first"), model.count("third")) == (1, 0)
        if answerer:
            assert answerers(run) == [(answerer, 0, 0, ["first ContextTooLong"])]
        else:
            assert (run.status.phase, model.count("second")) == (TaskRunPhase.FAILED, 0)
            assert "too long" in (run.status.error or "")


async def test_the_next_turn_goes_back_to_the_first_and_the_answer_says_so() -> None:
    model = Models(failing={"first": down}, turns=2)
    async with a_world() as world:
        world.replica(model)
        await arranged(world)
        await runs(world, "run")
        await world.until(lambda run: run.status.turn == 1, "run")
        model.failing.clear()
        (run,) = await ended(world, ["run"])
        assert answerers(run) == [("second", 0, 0, ["first CallsFail"]), ("first", 1, 2, [])]
        assert await events_of(world, "FallbackEnded") == ['LLM "first" answers again; no fallback is called']


async def test_the_cost_of_a_turn_is_that_of_the_llm_that_answered() -> None:
    model = Models(failing={"first": lambda: QuotaExhausted("no credit")})
    async with a_world() as world:
        world.replica(model)
        await arranged(world)
        usage = (await ended_run(world)).status.usage
        assert usage is not None
        assert float(usage.cost or 0) == pytest.approx(usage.total_tokens * 2 / 1_000_000)


async def test_a_fallback_without_a_price_is_passed_over_where_a_limit_of_cost_binds() -> None:
    model = Models(failing={"first": down, "second": down})
    async with a_world() as world:
        world.replica(model)
        await arranged(world, limits={"maxCost": "1", "retryFor": "30s"})
        run = await ended_run(world)
        assert run.status.phase == TaskRunPhase.FAILED
        assert "HTTP 503" in (run.status.error or "")
        assert model.count("third") == 0


async def test_a_run_that_nobody_can_answer_waits_and_takes_the_first_llm_that_comes_back() -> None:
    model = Models(failing={"first": down, "second": down, "third": down})
    async with a_world() as world:
        world.replica(model)
        await arranged(world)
        await runs(world, *(f"run-{number}" for number in range(10)))
        await asyncio.sleep(900.0)
        calls_before = sum(model.count(name) for name in ("first", "second", "third"))
        await asyncio.sleep(600.0)
        assert sum(model.count(name) for name in ("first", "second", "third")) - calls_before <= 60
        del model.failing["third"]
        found = await ended(world, [f"run-{number}" for number in range(10)])
        assert {run.status.output for run in found} == {"from third"}


async def test_where_all_refuse_for_good_the_run_fails_and_names_them() -> None:
    model = Models(failing=dict.fromkeys(("first", "second", "third"), lambda: QuotaExhausted("no credit left")))
    async with a_world() as world:
        world.replica(model)
        await arranged(world)
        run = await ended_run(world)
        assert run.status.phase == TaskRunPhase.FAILED
        for name in ("first", "second"):
            assert f'LLM "{name}" is passed over: its account has no credit left' in (run.status.error or "")


async def test_an_llm_that_is_not_ready_is_no_obstacle_while_a_fallback_is() -> None:
    model = Models(failing={"first": lambda: AuthenticationFailed("401: bad key")})
    async with a_world() as world:
        world.replica(model)
        await arranged(world)
        await an_llm(world, "other", apiKeyFrom={"secretKeyRef": {"name": "nowhere", "key": "KEY"}})
        await an_llm(world, "user", "other", "missing", "second")
        await asyncio.sleep(5.0)
        user = await llm_of(world, "user")
        told = find_condition(user.status.conditions, "FallbacksReady")
        assert told is not None
        assert user.status.ready
        assert told.message == 'runs pass over: LLM "other" is not ready; LLM "missing" does not exist'
        await an_llm(world, "broken", "second", apiKeyFrom={"secretKeyRef": {"name": "nowhere", "key": "KEY"}})
        spec = {"llmRef": {"name": "broken"}, "system": "Help."}
        await world.apply("agents", {"metadata": {"name": "hurt"}, "spec": spec})
        run_spec = {"agentRef": {"name": "hurt"}, "userMessage": "Hello?"}
        await world.apply("taskruns", {"metadata": {"name": "hurt"}, "spec": run_spec})
        (run,) = await ended(world, ["hurt"])
        assert answerers(run) == [("second", 0, 0, ["broken NotReady"])]


async def test_two_llms_may_be_each_others_fallback() -> None:
    model = Models(failing={"left": down})
    async with a_world() as world:
        world.replica(model)
        await an_llm(world, "left", "right")
        await an_llm(world, "right", "left")
        for name in ("left", "right"):
            spec = {"llmRef": {"name": name}, "system": "Help."}
            await world.apply("agents", {"metadata": {"name": name}, "spec": spec})
            run_spec = {"agentRef": {"name": name}, "userMessage": "Hello?"}
            await world.apply("taskruns", {"metadata": {"name": name}, "spec": run_spec})
        found = await ended(world, ["left", "right"])
        assert [run.status.output for run in found] == ["from right", "from right"]


async def test_an_edit_of_the_list_changes_no_run_that_has_begun() -> None:
    model = Models(turns=2)
    async with a_world() as world:
        world.replica(model)
        await arranged(world)
        await runs(world, "run")
        await world.until(lambda run: run.status.turn == 1, "run")
        model.failing["first"] = down
        await world.client.patch(resources.LLMS, NAMESPACE, "first", {"spec": {"fallbacks": [{"name": "third"}]}})
        (run,) = await ended(world, ["run"])
        assert run.status.output == "from second"
        assert run.status.pinned is not None
        assert [one.name for one in run.status.pinned.fallbacks] == ["second", "third"]
