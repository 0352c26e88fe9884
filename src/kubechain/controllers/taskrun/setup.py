"""Registers the control loop of TaskRuns."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from kubechain.api import reasons
from kubechain.api.agent import Agent
from kubechain.controllers import gauges, resources
from kubechain.controllers.inflight import InFlight, interrupter
from kubechain.controllers.outcomewriter import OutcomeWriter
from kubechain.controllers.parts import Parts
from kubechain.controllers.requesting import Requester
from kubechain.controllers.taskrun import watches
from kubechain.controllers.taskrun.budgetfacts import BudgetReader
from kubechain.controllers.taskrun.chunkstore import ChunkCache, ChunkStore
from kubechain.controllers.taskrun.effects import ModelCaller, Turn
from kubechain.controllers.taskrun.llmqueue import LLMQueue, Timer, whole
from kubechain.controllers.taskrun.observe import Observer
from kubechain.controllers.taskrun.reconciler import TaskRunReconciler
from kubechain.controllers.taskrun.sources import SourceReader
from kubechain.controllers.taskrun.treecalls import TreeCalls
from kubechain.llm import prices
from kubechain.runtime.controller import controller
from kubechain.runtime.keys import Request
from kubechain.runtime.manager import Manager
from kubechain.runtime.sources import Trigger


def _start_timer(seconds: float, act: Callable[[], None]) -> Timer:
    return asyncio.get_running_loop().call_later(seconds, act)


def setup(manager: Manager, parts: Parts) -> None:
    """Follow runs, their tool calls, and everything that a run may wait for."""
    runs = manager.lister(resources.TASK_RUNS)
    slot_reserved = Trigger()
    gate, bucket_of = manager.gate, parts.buckets.of(resources.TASK_RUNS)
    queue = LLMQueue(
        slot_reserved.enqueue,
        manager.clock,
        parts.circuits,
        _start_timer,
        parts.witness,
        share=gate.share if gate else whole,
    )
    if gate is not None:
        gate.when_lost(lambda: queue.keep(lambda run: gate.acts_on(bucket_of(run))))
    manager.metrics.follow(gauges.queues(queue.in_use, parts.meter.bounded))
    chunks = ChunkStore(manager.client, ChunkCache())
    observer = Observer(
        runs=runs,
        tasks=manager.lister(resources.TASKS),
        agents=manager.lister(resources.AGENTS),
        llms=manager.lister(resources.LLMS),
        tool_calls=manager.lister(resources.TOOL_CALLS),
        policies=manager.lister(resources.APPROVAL_POLICIES),
        kinds=parts.tool_kinds,
        budgets=BudgetReader(manager.lister(resources.HUMAN_REQUESTS), parts.authority),
        trouble=queue.trouble,
        budget_book=parts.budget_book,
        replica=parts.replica,
        chunks=chunks,
        sources=SourceReader(runs, manager.lister(resources.TOOL_CALLS), chunks),
        clock=manager.clock,
    )
    for resource, name, index in watches.INDEXES:
        manager.add_index(resource, name, index)
    in_flight = InFlight()
    manager.informer(resources.TASK_RUNS).add_handler(interrupter(in_flight, lambda run: run.spec.cancel))
    writer = parts.writer(resources.TASK_RUNS, reasons.TASK_RUN_CONTROLLER)
    prices.load()
    reconciler = TaskRunReconciler(
        runs=runs,
        observer=observer,
        turn=Turn(
            caller=ModelCaller(parts.llm, parts.secrets, chunks, clock=manager.clock, witness=parts.witness),
            observer=observer,
            in_flight=in_flight,
            writer=writer,
            outcomes=OutcomeWriter(writer, manager.clock),
            checks=parts.llm_checks,
            queue=queue,
            replica=parts.replica,
            clock=manager.clock,
        ),
        queue=queue,
        tree_calls=TreeCalls(slot_reserved.enqueue),
        requester=Requester(manager.client, writer.recorder),
        writer=writer,
        chunks=chunks,
        clock=manager.clock,
    )
    wakers = watches.Wakers(
        runs=runs,
        tasks=observer.tasks,
        agents=observer.agents,
        tool_calls=observer.tool_calls,
        llms=observer.llms,
    )

    def for_agent(agent: Agent) -> list[Request]:
        return [*wakers.for_agent(agent), *wakers.for_tool_source(agent)]

    (
        controller(manager, "taskrun")
        .for_(resources.TASK_RUNS)
        .shared(bucket_of)
        .owns(resources.TOOL_CALLS)
        .owns(resources.HUMAN_REQUESTS)
        .watches(resources.TASK_RUNS, map=wakers.for_stopped)
        .watches(resources.TASK_RUNS, map=wakers.for_continued)
        .watches(resources.TASKS, map=wakers.for_task)
        .watches(resources.AGENTS, map=for_agent)
        .watches(resources.LLMS, map=wakers.for_llm)
        .watches(resources.BUDGETS, map=wakers.for_budget)
        .watches(resources.TOOLS, map=wakers.for_tool_source)
        .watches(resources.MCP_SERVERS, map=wakers.for_tool_source)
        .triggered_by(slot_reserved)
        .with_(workers=parts.settings.max_concurrent_runs, drain_seconds=parts.settings.drain_seconds)
        .complete(reconciler)
    )
