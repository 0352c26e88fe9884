"""What replicas that share the runs tell each other of LLMs: the leader, which writes their status, hears it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from kubechain.api import conditions
from kubechain.api.llm import LLM
from kubechain.api.meta import StatusType
from kubechain.controllers import checks, circuits
from kubechain.controllers.checks import LLMChecks, Report
from kubechain.controllers.circuits import OpenCircuits
from kubechain.llm.errors import LLMError, QuotaExhausted, ServerFailed
from kubechain.llm.fake import FakeLLMClient, answer
from kubechain.runtime.clock import LoopClock
from kubechain.runtime.keys import Request
from kubechain.runtime.manager import Election, Options
from kubechain.runtime.sources import Trigger
from test.controllers.test_durability import is_over
from test.controllers.world import NAMESPACE, Replica, World, a_world

GPT = Request(NAMESPACE, "gpt-4o")
OPTIONS = Options(election=Election(namespace=NAMESPACE), shards=True)
COUNT = 20
"""Runs: enough for each of two replicas to have more than open a circuit."""

UNREADABLE = ["", "nonsense", "[]", '{"a": 1}', '{"no-namespace": "x"}', '{"a/b/c": "x"}', '[{"name": "x"}]']


class Others:
    """Other replicas, as far as a test says what they say."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.looked_at: list[Request] = []
        self.trigger = Trigger()
        self.trigger.feed(self.looked_at.append)
        self._texts: Sequence[str] = ()
        self._act: Callable[[], None] = lambda: None

    def note(self, name: str, text: str) -> None:
        del name
        self.said.append(text)

    def notes(self, name: str) -> Sequence[str]:
        del name
        return self._texts

    def when_noted(self, act: Callable[[], None]) -> None:
        self._act = act

    def say(self, *texts: str) -> None:
        self._texts = texts
        self._act()


def test_a_circuit_that_opens_or_closes_is_told_to_the_others() -> None:
    others = Others()
    mine = OpenCircuits(others.trigger, others)
    mine.opened(GPT, "overloaded")
    mine.closed(GPT)
    mine.closed(GPT)
    assert [circuits.read(text) for text in others.said] == [{GPT: "overloaded"}, {}]


def test_a_circuit_of_another_replica_is_open_until_that_one_closes_it() -> None:
    others = Others()
    mine = OpenCircuits(others.trigger, others)
    others.say(circuits.written({GPT: "overloaded"}))
    assert (mine.get(GPT), others.looked_at) == ("overloaded", [GPT])
    others.say(circuits.written({GPT: "overloaded"}))
    assert others.looked_at == [GPT], "nothing is new"
    others.say()
    assert (mine.get(GPT), others.looked_at) == (None, [GPT, GPT])


def test_a_circuit_is_closed_when_it_is_closed_everywhere() -> None:
    others = Others()
    mine = OpenCircuits(others.trigger, others)
    mine.opened(GPT, "mine")
    others.say(circuits.written({GPT: "theirs"}))
    assert mine.get(GPT) == "mine"
    mine.closed(GPT)
    assert mine.get(GPT) == "theirs"


@pytest.mark.parametrize("text", UNREADABLE)
def test_what_cannot_be_read_says_nothing(text: str) -> None:
    assert circuits.read(text) == {}
    assert checks.read(text) == []


async def test_a_refusal_that_another_replica_met_is_one_for_the_next_check_once() -> None:
    theirs, ours = Others(), Others()
    report = Report("no credit", generation=3, is_checkable=False)
    LLMChecks(Trigger(), LoopClock(), theirs).report(GPT, report)
    mine = LLMChecks(ours.trigger, LoopClock(), ours)
    ours.say(*theirs.said)
    assert (mine.report_of(GPT), ours.looked_at) == (report, [GPT])
    mine.remember(GPT, checks.Checked("as it was"), mine.report_of(GPT))
    ours.say(*theirs.said)
    assert (mine.report_of(GPT), ours.looked_at) == (None, [GPT])


async def test_a_new_leader_does_not_believe_what_was_refused_long_ago() -> None:
    theirs, ours, clock = Others(), Others(), LoopClock()
    LLMChecks(Trigger(), clock, theirs).report(GPT, Report("no credit", 3, is_checkable=False))
    await asyncio.sleep(timedelta(hours=1).total_seconds())
    mine = LLMChecks(ours.trigger, clock, ours)
    ours.say(*theirs.said)
    assert (mine.report_of(GPT), ours.looked_at) == (None, [])


@asynccontextmanager
async def a_failing_follower(error: LLMError) -> AsyncGenerator[tuple[World, Replica]]:
    """A leader whose provider answers, another replica whose calls fail, and runs that both work on."""
    async with a_world() as world:
        await world.apply_walk_through()
        leader = world.replica(FakeLLMClient(answer("done")), "pod-a_1", options=OPTIONS)
        await asyncio.sleep(5)
        assert leader.manager.leads
        follower = world.replica(FakeLLMClient(error), "pod-b_1", options=OPTIONS)
        await asyncio.sleep(20)
        spec = {"agentRef": {"name": "my-assistant"}, "userMessage": "What is the capital of the moon?"}
        for number in range(COUNT):
            await world.apply("taskruns", {"metadata": {"name": f"run-{number}"}, "spec": spec})
        yield world, follower


def is_open(llm: LLM) -> bool:
    return conditions.is_true(llm.status.conditions, conditions.CIRCUIT_OPEN)


async def test_the_circuit_of_a_replica_that_does_not_lead_is_in_the_status_of_the_llm() -> None:
    async with a_failing_follower(ServerFailed("overloaded", http_status=503)) as (world, follower):
        condition = conditions.find_condition(
            (await world.llm_until(is_open)).status.conditions, conditions.CIRCUIT_OPEN
        )
        assert condition is not None
        assert "overloaded" in condition.message
        follower.crash()
        await world.llm_until(lambda llm: not is_open(llm))
        for number in range(COUNT):
            await world.until(is_over, f"run-{number}")


async def test_an_llm_that_refuses_the_runs_of_a_replica_that_does_not_lead_is_not_ready() -> None:
    async with a_failing_follower(QuotaExhausted("no credit left", http_status=402)) as (world, _):
        refused = await world.llm_until(lambda llm: llm.status.status == StatusType.ERROR)
        assert "no credit left" in refused.status.status_detail
