"""Which runs may call an LLM now and which are queued; and that a full LLM holds up no runs of another one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from kubechain.api.llm import LLM
from kubechain.api.message import Message
from kubechain.api.taskrun import TaskRun, TaskRunPhase
from kubechain.controllers.circuits import OpenCircuits
from kubechain.controllers.setup import Settings
from kubechain.controllers.taskrun.llmqueue import LLMQueue, Timer
from kubechain.llm.client import Completion, Target, ToolDefinition
from kubechain.llm.fake import FakeLLMClient, answer
from kubechain.runtime.clock import SystemClock
from kubechain.runtime.keys import Request
from kubechain.runtime.sources import Trigger
from test.controllers.world import World, a_world


def an_llm(limit: int, name: str = "gpt-4o") -> LLM:
    spec = {"provider": "openai", "maxConcurrentRequests": limit}
    return LLM.from_wire({"kind": "LLM", "metadata": {"name": name, "namespace": "default"}, "spec": spec})


def no_timer(seconds: float, act: Callable[[], None]) -> Timer:
    raise AssertionError(f"only other calls free a slot here, not {seconds} s")


RUNS = [Request("default", f"run-{number}") for number in range(6)]


class Queues(RuleBasedStateMachine):
    """Reconciles of six runs of one agent that begin and end in any order: first come, first served."""

    @initialize(limit=st.integers(1, 3))
    def begin(self, limit: int) -> None:
        self.woken: list[Request] = []
        self.queue = LLMQueue(self.woken.append, SystemClock(), OpenCircuits(Trigger()), no_timer)
        self.limit = limit
        self.calling: dict[Request, ExitStack] = {}
        self.queued: list[Request] = []

    def idle(self) -> list[Request]:
        return [run for run in RUNS if run not in self.calling]

    @rule(data=st.data())
    @precondition(lambda self: self.idle())
    def ask(self, data: st.DataObject) -> None:
        """A reconcile that wants to call: it does, or it is queued."""
        run = data.draw(st.sampled_from(self.idle()))
        was_reserved = run in self.woken
        is_free = not self.queued and len(self.calling) + len(self.woken) < self.limit
        with ExitStack() as stack:
            stack.enter_context(self.queue.reconciling(run))
            is_reserved = stack.enter_context(self.queue.reserve(an_llm(self.limit), run))
            assert is_reserved == (was_reserved or is_free)
            if is_reserved:
                self.calling[run] = stack.pop_all()
            elif run not in self.queued:
                self.queued.append(run)
        if was_reserved:
            self.woken.remove(run)
        self.expect_woken()

    @rule(data=st.data())
    @precondition(lambda self: self.calling)
    def end(self, data: st.DataObject) -> None:
        """A call is over."""
        self.calling.pop(data.draw(st.sampled_from(sorted(self.calling)))).close()
        self.expect_woken()

    @rule(data=st.data())
    @precondition(lambda self: self.woken)
    def want_no_longer(self, data: st.DataObject) -> None:
        """A run whose turn has come was cancelled meanwhile: its reconcile does not call."""
        run = data.draw(st.sampled_from(self.woken))
        with self.queue.reconciling(run):
            pass
        self.woken.remove(run)
        self.expect_woken()

    @rule(limit=st.integers(1, 4))
    def edit(self, limit: int) -> None:
        """The LLM changes, which brings its runs back: the first of the queue notices."""
        self.limit = limit
        if self.queued:
            with self.queue.reserve(an_llm(limit), self.queued[0]) as is_reserved:
                assert not is_reserved
            self.expect_woken()

    def expect_woken(self) -> None:
        """The first runs of the queue were woken, in their order."""
        moved_up = [run for run in self.queued if run in self.woken]
        assert moved_up == self.queued[: len(moved_up)]
        self.queued = self.queued[len(moved_up) :]

    @invariant()
    def nobody_waits_for_nothing(self) -> None:
        if self.queued:
            assert len(self.calling) + len(self.woken) >= self.limit
        if not (self.calling or self.woken or self.queued):
            assert len(self.queue) == 0


TestQueues = Queues.TestCase


class Gate(FakeLLMClient):
    """A model that answers at once, but for the one called "slow", which answers when it is let."""

    def __init__(self) -> None:
        super().__init__(answer("It has none."))
        self.opened = asyncio.Event()
        self.most = self.slow = 0

    async def complete(
        self, target: Target, messages: Sequence[Message], tools: Sequence[ToolDefinition] = (), **options: Any
    ) -> Completion:
        if target.model != "slow":
            return await super().complete(target, messages, tools, **options)
        self.slow += 1
        self.most = max(self.most, self.slow)
        try:
            await self.opened.wait()
            await asyncio.sleep(0.5)
            return await super().complete(target, messages, tools, **options)
        finally:
            self.slow -= 1


async def arranged(world: World, runs: int) -> None:
    """Two LLMs that need no key, the slow one with one slot; an agent for each; runs of the slow one."""
    for replica in world.replicas:
        await replica.manager.wait_synced()  # the first run that is made is then the one that gets the slot
    for name in ("slow", "fast"):
        parameters = {"baseUrl": "http://127.0.0.1:1/v1", "model": name}
        spec = {"provider": "openai", "parameters": parameters, "maxConcurrentRequests": 1}
        await world.apply("llms", {"metadata": {"name": name}, "spec": spec})
        await world.apply("agents", {"metadata": {"name": name}, "spec": {"llmRef": {"name": name}, "system": "Help."}})
    for number in range(runs):
        await a_run(world, f"slow-{number}", "slow")


def test_a_run_is_woken_to_say_its_place_a_few_times_and_not_at_each_move() -> None:
    llm, runs = an_llm(1), [Request("default", f"run-{number}") for number in range(115)]
    woken = list[Request]()
    queue = LLMQueue(woken.append, SystemClock(), OpenCircuits(Trigger()), no_timer)
    calling = ExitStack()
    assert calling.enter_context(queue.reserve(llm, runs[0]))
    for run in runs[1:]:
        with queue.reserve(llm, run) as is_reserved:
            assert not is_reserved
        queue.place(llm, run)
    last, said = runs[-1], list[str]()
    for run in runs[1:-1]:
        calling.close()  # the next run is woken, and takes the slot
        with queue.reconciling(run):
            assert calling.enter_context(queue.reserve(llm, run))
        if last in woken:
            woken.remove(last)
            said.append(queue.place(llm, last).text.partition(";")[0])
    assert said == ["queued behind at most 99 runs", "queued behind at most 9 runs", "next in its queue"]
    calling.close()


async def test_a_run_that_moves_up_writes_its_place_a_few_times() -> None:
    async with a_world() as world:
        replica = world.replica(FakeLLMClient(answer("done"), latency_seconds=60.0))
        await arranged(world, runs=14)
        await world.until(has_answer, "slow-13")
        details = [line for line in replica.exchange.writes if "/taskruns/slow-13" in line]
        assert len(details) == 6, "pinned, three places, the claim and the answer"


async def test_an_agent_with_one_run_does_not_wait_for_all_runs_of_another_one() -> None:
    model = Gate()
    async with a_world() as world:
        world.replica(model)
        await arranged(world, runs=5)
        await world.until(lambda run: "queued behind at most 9" in run.status.status_detail, "slow-4")
        await world.apply(
            "agents", {"metadata": {"name": "polite"}, "spec": {"llmRef": {"name": "slow"}, "system": "Help."}}
        )
        await a_run(world, "polite-0", "polite")
        await world.until(lambda run: "slots are taken" in run.status.status_detail, "polite-0")
        model.opened.set()
        polite = await world.until(has_answer, "polite-0")
        others = [await world.until(has_answer, f"slow-{number}") for number in range(5)]
        ends = sorted(str(run.status.completion_time) for run in others)
        assert str(polite.status.completion_time) <= ends[2], "the run in flight and one queued run went before it"


async def a_run(world: World, name: str, agent: str, **spec: Any) -> None:
    spec |= {"agentRef": {"name": agent}, "userMessage": "What is the capital of the moon?"}
    await world.apply("taskruns", {"metadata": {"name": name}, "spec": spec})


def has_answer(run: TaskRun) -> bool:
    return run.status.phase == TaskRunPhase.FINAL_ANSWER


async def test_a_full_llm_holds_up_nobody_elses_runs() -> None:
    model = Gate()
    async with a_world() as world:
        world.replica(model, settings=Settings(max_concurrent_runs=2))
        await arranged(world, runs=5)
        await world.until(lambda run: run.status.phase == TaskRunPhase.SEND_CONTEXT_WINDOW_TO_LLM, "slow-0")
        await a_run(world, "fast-0", "fast")
        await world.until(has_answer, "fast-0")
        waiting = await world.until(lambda run: "slots are taken" in run.status.status_detail, "slow-4")
        expected = (
            'Waiting for LLM "slow": queued behind at most 9 runs; all its slots are taken (maxConcurrentRequests)'
        )
        assert waiting.status.status_detail == expected
        assert waiting.status.phase == TaskRunPhase.READY_FOR_LLM
        model.opened.set()
        for number in range(5):
            await world.until(has_answer, f"slow-{number}")
        assert model.most == 1


async def test_a_short_wait_costs_no_write() -> None:
    model = Gate()
    async with a_world() as world:
        replica = world.replica(model)
        await arranged(world, runs=2)
        await world.until(lambda run: run.status.phase == TaskRunPhase.READY_FOR_LLM, "slow-1")
        model.opened.set()
        await world.until(has_answer, "slow-1")
        writes = [line.split()[0] for line in replica.exchange.writes if "/taskruns/slow-1" in line]
        assert writes == ["PUT", "PUT", "PUT"]


async def test_a_queued_run_can_be_cancelled_and_the_next_one_calls() -> None:
    model = Gate()
    async with a_world() as world:
        world.replica(model)
        await arranged(world, runs=3)
        await world.until(lambda run: "slots are taken" in run.status.status_detail, "slow-1")
        await world.patch_run({"spec": {"cancel": True}}, "slow-1")
        await world.until(lambda run: run.status.phase == TaskRunPhase.CANCELLED, "slow-1")
        model.opened.set()
        await world.until(has_answer, "slow-2")
        assert len(model.calls) == 2


async def test_a_run_that_is_queued_until_its_deadline_fails_then() -> None:
    async with a_world() as world:
        world.replica(Gate())
        await arranged(world, runs=1)
        await world.until(lambda run: run.status.phase == TaskRunPhase.SEND_CONTEXT_WINDOW_TO_LLM, "slow-0")
        await a_run(world, "slow-1", "slow", activeDeadlineSeconds=30)
        late = await world.until(lambda run: run.status.completion_time is not None, "slow-1")
        assert (late.status.phase, late.status.error) == ("Failed", "the run took longer than 30 seconds")


def test_runs_of_another_process_lose_their_places_and_the_slots_that_are_reserved_for_them() -> None:
    woken: list[Request] = []
    queue = LLMQueue(woken.append, SystemClock(), OpenCircuits(Trigger()), no_timer)
    first, reserved, lost, kept = RUNS[:4]
    with queue.reserve(an_llm(1), first):
        for run in (reserved, lost, kept):
            with queue.reserve(an_llm(1), run) as is_free:
                assert not is_free
    assert woken == [reserved]
    queue.keep(lambda run: run == kept)
    assert woken == [reserved, kept]
    with queue.reserve(an_llm(1), kept) as is_free:
        assert is_free
    assert len(queue) == 0


def test_a_limit_is_this_processs_part_of_it() -> None:
    queue = LLMQueue(
        list[Request]().append, SystemClock(), OpenCircuits(Trigger()), no_timer, share=lambda limit: limit // 2
    )
    with queue.reserve(an_llm(4), RUNS[0]), queue.reserve(an_llm(4), RUNS[1]):
        with queue.reserve(an_llm(4), RUNS[2]) as is_free:
            assert not is_free
        queue.keep(lambda run: False)
