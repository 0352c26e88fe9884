"""A run whose conversation was summarised, and whose LLM then fails: what its fallback is sent, and who is recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from kubechain.api.message import Message, ToolCall, ToolCallFunction
from kubechain.api.taskrun import TaskRun, TaskRunPhase
from kubechain.api.usage import Usage
from kubechain.controllers.taskrun import contextsize, summarising
from kubechain.controllers.taskrun.turning import FAILURES_MAX
from kubechain.llm.client import Completion, Target, ToolDefinition
from kubechain.llm.errors import ContextTooLong, LLMError
from kubechain.llm.fake import answer, calls
from test.controllers.taskrun.test_growth import trouble
from test.controllers.taskrun.test_storm import ended
from test.controllers.test_fallbacks import Models, an_llm, answerers, down, runs
from test.controllers.world import NAMESPACE, World, a_world
from test.observability.test_runmeter import value

WINDOW = 4_000
TURNS = 12
SAID = "z" * 1_500


@dataclass(frozen=True, slots=True)
class Asked:
    """One call of a model."""

    target: Target
    messages: Sequence[Message]

    @property
    def is_summary(self) -> bool:
        return self.messages[0].content == summarising.SYSTEM

    def carries(self, text: str) -> bool:
        return any(text in message.content for message in self.messages)

    @property
    def tokens(self) -> int:
        return contextsize.size_bytes(self.messages) // contextsize.BYTES_PER_TOKEN


@dataclass
class Summarisers(Models):
    """Models that say much in each turn, count tokens, and refuse what their windows do not take.

    Attributes:
        windows: By model, in tokens.
        asked: All calls, those that fail as well.
        failures: How many failed.
    """

    windows: dict[str, int] = field(default_factory=dict[str, int])
    asked: list[Asked] = field(default_factory=list[Asked])
    failures: int = 0

    async def complete(
        self, target: Target, messages: Sequence[Message], tools: Sequence[ToolDefinition] = (), **options: Any
    ) -> Completion:
        del tools, options
        asked = Asked(target, tuple(messages))
        failure = self._failure(asked)
        self.asked.append(asked)
        await asyncio.sleep(1.0)
        if failure is not None:
            self.failures += 1
            raise failure
        usage = Usage(input_tokens=asked.tokens, output_tokens=400, total_tokens=asked.tokens + 400, model_calls=1)
        return replace(self._said(asked), usage=usage, model=target.model)

    def of(self, model: str, *, is_summary: bool = False) -> list[Asked]:
        """The calls of a model for turns, or for summaries."""
        return [one for one in self.asked if one.target.model == model and one.is_summary == is_summary]

    def _failure(self, asked: Asked) -> LLMError | None:
        model = asked.target.model
        if asked.tokens > self.windows[model]:
            return ContextTooLong("400: too long", http_status=400)
        is_broken = model == "first" and any(one.carries("summary of ") for one in self.of("first"))
        return down() if is_broken else None

    def _said(self, asked: Asked) -> Completion:
        if asked.is_summary:
            return answer(f"summary of {asked.target.model}")
        results = [one.tool_call_id for one in asked.messages if one.role == "tool" and one.tool_call_id]
        turn = int(results[-1].removeprefix("c")) + 1 if results else 0
        if turn == TURNS:
            return answer(f"from {asked.target.model}")
        call = ToolCall(id=f"c{turn}", function=ToolCallFunction(name="add", arguments='{"a": 1, "b": 2}'))
        completion = calls(call)
        return replace(completion, message=completion.message.with_changes(content=SAID))


async def a_run(world: World, window: int | None, **agent: Any) -> TaskRun:
    """A run of an Agent whose LLM has a fallback of another provider, with a window of so many tokens."""
    known = {} if window is None else {"contextWindow": window}
    values: dict[str, Any] = {"baseUrl": "http://second.test", "model": "second", "maxTokens": 500} | known
    await an_llm(world, "second", provider="anthropic", parameters=values)
    mine = {"baseUrl": "http://first.test/v1", "model": "first", "contextWindow": WINDOW}
    await an_llm(world, "first", "second", parameters=mine)
    await world.apply("tools", {"metadata": {"name": "add"}, "spec": {"execute": {"builtin": {"name": "add"}}}})
    spec: dict[str, Any] = {"llmRef": {"name": "first"}, "system": "Help.", "tools": [{"name": "add"}]} | agent
    await world.apply("agents", {"metadata": {"name": "helper"}, "spec": spec})
    await runs(world, "run")
    (run,) = await ended(world, ["run"])
    assert (run.status.phase, run.status.output, run.status.error) == (TaskRunPhase.FINAL_ANSWER, "from second", None)
    return run


def who_answered(run: TaskRun) -> list[str]:
    """The LLM of each turn."""
    return [name for name, first, last, _ in answerers(run) for _ in range(first, last + 1)]


@pytest.mark.parametrize(
    ("window", "summary"),
    [
        pytest.param(None, "summary of first", id="a window that nobody knows"),
        pytest.param(2 * WINDOW, "summary of first", id="a larger window"),
        pytest.param(WINDOW // 2, "summary of second", id="a smaller window"),
    ],
)
async def test_a_fallback_is_sent_the_summary_and_no_more_than_its_window_takes(
    window: int | None, summary: str
) -> None:
    model = Summarisers(windows={"first": WINDOW, "second": window or 3 * WINDOW})
    async with a_world() as world:
        world.replica(model)
        run = await a_run(world, window)
    sent = model.of("second")
    assert {one.target.provider for one in sent} == {"anthropic"}
    assert all(summary in one.messages[2].content for one in sent)
    assert [trouble(one.messages) for one in sent] == [""] * len(sent)
    assert max(one.tokens for one in model.asked if one.target.model == "second") <= model.windows["second"]
    answered = len(model.of("first")) - model.failures
    assert who_answered(run) == ["first"] * answered + ["second"] * (TURNS + 1 - answered)


async def test_a_summary_for_the_window_of_the_fallback_has_what_the_first_one_said_and_names_its_author() -> None:
    model = Summarisers(windows={"first": WINDOW, "second": WINDOW // 2})
    async with a_world() as world:
        world.replica(model)
        run = await a_run(world, WINDOW // 2)
    assert [one.llm_name for one in run.status.summaries][:2] == ["first", "second"]
    assert model.of("second", is_summary=True)[0].carries("[summary of what came before]\nsummary of first")


async def test_an_llm_that_the_run_has_left_is_not_called_again_after_a_summary_in_the_same_turn() -> None:
    model = Summarisers(windows={"first": WINDOW, "second": WINDOW // 2})
    async with a_world() as world:
        world.replica(model)
        await a_run(world, WINDOW // 2)
    names = [f"{one.target.model}{' summarises' if one.is_summary else ''}" for one in model.asked]
    summarised = names.index("second summarises")
    assert names[summarised - FAILURES_MAX : summarised + 2] == ["first"] * FAILURES_MAX + [
        "second summarises",
        "second",
    ]


async def test_a_summariser_of_the_agent_is_claimed_by_its_name_and_counts_as_no_fallback() -> None:
    model = Summarisers(windows={"first": WINDOW, "second": 3 * WINDOW, "scribe": 3 * WINDOW})
    async with a_world() as world:
        replica = world.replica(model)
        await an_llm(world, "scribe")
        run = a_run(world, None, context={"summariser": {"llmRef": {"name": "scribe"}}})
        _, under_way = await asyncio.gather(run, world.until(is_summarising, "run"))
        claim = under_way.status.llm
        assert claim is not None
        assert claim.llm_name == "scribe"
        assert [
            value(replica, "model_fallbacks_total", namespace=NAMESPACE, llm=name) for name in ("scribe", "second")
        ] == [
            None,
            len(model.of("second")),
        ]


def is_summarising(run: TaskRun) -> bool:
    return run.status.llm is not None and run.status.llm.summary_through is not None
