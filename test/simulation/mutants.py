"""The simulation's own test: each way to break the promise that people are tempted by must be caught.

Run by `python -m test.simulation mutants`, as a part of `make test-simulation`. A mutant is a table entry: what is
replaced by what, and the stories in which it should show.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import structlog

from kubechain.api.taskrun import PendingToolCall, TaskRun
from kubechain.api.taskruntoolcall import TaskRunToolCall
from kubechain.api.tool import ToolSemantics
from kubechain.controllers import parts, setup
from kubechain.controllers.frame import Again, Settled, StatusWriter, next_version
from kubechain.controllers.replica import Replica
from kubechain.controllers.secrets import SecretReader
from kubechain.controllers.taskrun import conversation, effects, retries
from kubechain.controllers.taskrun import reconciler as runs
from kubechain.controllers.taskrun import settle as run_settlement
from kubechain.controllers.taskrun.steps import AnswerToolCalls
from kubechain.controllers.toolcall import decide as call_decision
from kubechain.controllers.toolcall import effects as call_effects
from kubechain.controllers.toolcall import observe as call_observation
from kubechain.runtime.client import Client
from kubechain.runtime.errors import AlreadyExists, ApiError, TransportError
from kubechain.runtime.resource import Resource
from test.simulation import (
    approval_mutants,
    asking_mutants,
    budget_mutants,
    continuing,
    delivery_mutants,
    fallback_mutants,
    form_mutants,
    growth_mutants,
    history,
    isolation_mutants,
    shard_mutants,
    spending_mutants,
    tasks,
    turnlaws,
    typed_mutants,
)
from test.simulation.explore import Case, Failure, examine, plans_of
from test.simulation.mutant import Mutant
from test.simulation.oracles import BROKE_NOTHING
from test.simulation.plans import REFERENCE
from test.simulation.scenarios import BY_NAME
from test.simulation.simulation import simulate

log = structlog.get_logger(__name__)


async def _claim_nothing(
    self: call_effects.ToolCaller, call: TaskRunToolCall, settled: Settled, execution: object
) -> TaskRunToolCall:
    """Execute, then record."""
    del self, execution
    return next_version(call, settled)


_update_status = Client.update_status


async def _overwrite(self: Client, resource: Resource[Any], obj: Any) -> Any:
    """GET the latest, then put our status over it."""
    latest = await self.get(resource, obj.metadata.namespace, obj.metadata.name)
    return await _update_status(self, resource, latest.model_copy(update={"status": obj.status}))


def _always(*_: object) -> bool:
    """No look at the token, or at how old a cache is."""
    return True


def _never(*_: object) -> bool:
    """No look at the run before a call starts."""
    return False


_claim = call_effects.ToolCaller._claim  # pyright: ignore[reportPrivateUsage]


async def _claim_and_hope(
    self: call_effects.ToolCaller, call: TaskRunToolCall, settled: Settled, execution: Any
) -> TaskRunToolCall | None:
    """Go on whatever became of the claim."""
    try:
        return await _claim(self, call, settled, execution)
    except (ApiError, TransportError):
        return next_version(call, settled)


_tool_call = effects.tool_call


def _without_finalizer(run: TaskRun, pending: PendingToolCall) -> TaskRunToolCall:
    """A call that anybody can delete at once."""
    call = _tool_call(run, pending)
    return call.model_copy(update={"metadata": call.metadata.with_changes(finalizers=())})


def _stays(observed: object) -> bool:
    """Nobody deletes a call."""
    del observed
    return False


_tools_answered = run_settlement.tools_answered


def _answered_backwards(run: TaskRun, step: AnswerToolCalls) -> Settled:
    return _tools_answered(run, replace(step, messages=step.messages[::-1]))


_tool_message = conversation.tool_message


def _empty_answer(call: TaskRunToolCall, name: str, *limits: int) -> Any:
    """An answer that its call never gave."""
    return _tool_message(call, name, *limits).with_changes(content="ok")


def _said_to_have_worked(call: TaskRunToolCall, name: str, *limits: int) -> Any:
    """The result of a call that was refused, as if it were that of one that did what was asked."""
    return _tool_message(call, name, *limits).with_changes(is_error=False)


async def _fail_on_what_exists(client: Client, run: TaskRun, missing: Sequence[PendingToolCall]) -> Any:
    try:
        return await _create_tool_calls(client, run, missing)
    except AlreadyExists:
        return effects.Taken("exists")


async def _create_tool_calls(client: Client, run: TaskRun, missing: Sequence[PendingToolCall]) -> None:
    for pending in missing:
        await client.create(effects.TOOL_CALLS, effects.tool_call(run, pending))


_write_run = runs.TaskRunReconciler._write  # pyright: ignore[reportPrivateUsage]


async def _write_w5_blindly(self: runs.TaskRunReconciler, run: TaskRun, settled: Settled) -> Again[TaskRun]:
    """W5 without a condition."""
    if "pending_turn" in settled.status:
        latest = await self.writer.client.get(self.writer.resource, run.metadata.namespace, run.metadata.name)
        run = run.model_copy(update={"metadata": latest.metadata})
    return await _write_run(self, run, settled)


_execution_for = call_effects.execution_for


def _safe(call: TaskRunToolCall, **claim: Any) -> Any:
    """Every call may be repeated."""
    claim["semantics"] = ToolSemantics.IDEMPOTENT
    return _execution_for(call, **claim)


async def _release_everything(self: StatusWriter[Any], obj: TaskRunToolCall, finalizer: str) -> None:
    """Drop all finalizers, whoever put them there."""
    del finalizer
    meta, patch = obj.metadata, {"metadata": {"finalizers": None}}
    await self.client.patch(self.resource, meta.namespace, meta.name, patch)


def _at_once(*_: object, **__: object) -> float:
    """No backoff, whatever the provider asked for."""
    return 0.0


async def _never_gone(self: Replica, holder: str) -> float:
    """Wait for the dead."""
    del self, holder
    return 60.0


_value = SecretReader.value


async def _told_value(self: SecretReader, namespace: str, name: str, key: str) -> str:
    value = await _value(self, namespace, name, key)
    log.debug("read a secret", value=value)
    return value


_take = runs.TaskRunReconciler._take  # pyright: ignore[reportPrivateUsage]


async def _claim_without_pin(
    self: runs.TaskRunReconciler, run: TaskRun, record: Settled, observed: Any, step: Any
) -> Again[TaskRun]:
    """The claim of the first turn, and what it is for later."""
    status = {name: value for name, value in record.status.items() if name != "pinned"}
    return await _take(self, run, replace(record, status=status), observed, step)


async def _record_and_ask(
    self: runs.TaskRunReconciler, run: TaskRun, record: Settled, observed: Any, step: Any
) -> Again[TaskRun]:
    """The record alone, and the model is asked all the same."""
    claim, settled = self.turn.claim(observed, step)
    written = await self.writer.write(run, record)
    claimed = next_version(written or run, settled)
    return await self.turn.take(observed, claimed, step, claim, self._refused)  # pyright: ignore[reportPrivateUsage]


async def _ask_and_hope(
    self: runs.TaskRunReconciler, run: TaskRun, record: Settled, observed: Any, step: Any
) -> Again[TaskRun]:
    """Ask the model whatever became of record and claim."""
    try:
        return await _take(self, run, record, observed, step)
    except (ApiError, TransportError):
        claim, settled = self.turn.claim(observed, step)
        claimed = next_version(run, record.then(settled))
        return await self.turn.take(observed, claimed, step, claim, self._refused)  # pyright: ignore[reportPrivateUsage]


async def _merge_blindly(
    self: runs.TaskRunReconciler, run: TaskRun, record: Settled, observed: Any, step: Any
) -> Again[TaskRun]:
    """Record and claim without a condition."""
    latest = await self.writer.client.get(self.writer.resource, run.metadata.namespace, run.metadata.name)
    return await _take(self, run.model_copy(update={"metadata": latest.metadata}), record, observed, step)


async def _claim_the_turn_before(
    self: runs.TaskRunReconciler, run: TaskRun, record: Settled, observed: Any, step: Any
) -> Again[TaskRun]:
    """Decide on the claim before the record is counted."""
    return await _take(self, run, record, observed, replace(step, turn=run.status.turn))


_compute = call_effects.ToolCaller._compute  # pyright: ignore[reportPrivateUsage]


async def _compute_blindly(self: call_effects.ToolCaller, observed: Any, step: Any, execution: Any) -> Any:
    """The result of a pure function without a condition."""
    call: TaskRunToolCall = observed.call
    latest = await self.writer.client.get(self.writer.resource, call.metadata.namespace, call.metadata.name)
    call = call.model_copy(update={"metadata": latest.metadata})
    return await _compute(self, replace(observed, call=call), step, execution)


ALL = (
    Mutant("no-claim", ((call_effects.ToolCaller, "_claim", _claim_nothing),), "one-tool-call"),
    Mutant("hasty-claim", ((call_effects.ToolCaller, "_claim", _claim_and_hope),), "rivals-tool", ("stale", "errors")),
    Mutant("overwrite", ((Client, "update_status", _overwrite),), "rivals-tool"),
    Mutant(
        "no-token-check",
        ((call_effects, "holds", _always), (effects, "holds", _always)),
        "rivals",
        ("before", "errors"),
    ),
    Mutant(
        "no-finalizer",
        ((effects, "tool_call", _without_finalizer), (call_decision, "_may_vanish", _stays)),
        "call-deleted",
    ),
    Mutant("backwards", ((run_settlement, "tools_answered", _answered_backwards),), "parallel-calls"),
    Mutant("wrong-answer", ((conversation, "tool_message", _empty_answer),), "one-tool-call"),
    Mutant("always-worked", ((conversation, "tool_message", _said_to_have_worked),), "rejected"),
    Mutant("exists-fails", ((runs, "create_tool_calls", _fail_on_what_exists),), "rivals-tool", ("stale",)),
    Mutant("blind-w5", ((runs.TaskRunReconciler, "_write", _write_w5_blindly),), "rivals-tool", ("after", "stop")),
    Mutant("repeats-orphans", ((call_effects, "execution_for", _safe),), "one-tool-call", ("before", "after")),
    Mutant(
        "believes-caches",
        ((call_observation, "_knows", _always), (call_observation, "_may_start", _never)),
        "rivals-call-deleted",
        ("behind", "storm"),
    ),
    Mutant("greedy-release", ((StatusWriter, "drop_finalizer", _release_everything),), "held-call-deleted"),
    Mutant("no-backoff", ((retries, "next_wait_seconds", _at_once),), "model-trouble"),
    Mutant("no-take-over", ((Replica, "gone_in_seconds", _never_gone),), "plain", ("before",)),
    Mutant("no-drain", ((setup, "Settings", partial(parts.Settings, drain_seconds=0.0)),), "one-tool-call", ("stop",)),
    Mutant("talkative", ((SecretReader, "value", _told_value),), "plain"),
    Mutant("claim-without-pin", ((runs.TaskRunReconciler, "_take", _claim_without_pin),), "plain"),
    Mutant("record-and-ask", ((runs.TaskRunReconciler, "_take", _record_and_ask),), "one-tool-call"),
    Mutant("ask-and-hope", ((runs.TaskRunReconciler, "_take", _ask_and_hope),), "rivals", ("stale", "errors")),
    Mutant("blind-merge", ((runs.TaskRunReconciler, "_take", _merge_blindly),), "cancel-at-results"),
    Mutant("turn-before", ((runs.TaskRunReconciler, "_take", _claim_the_turn_before),), "one-tool-call"),
    Mutant("taken-for-pure", ((call_effects, "_is_pure", _always),), "one-tool-call"),
    Mutant("blind-result", ((call_effects.ToolCaller, "_compute", _compute_blindly),), "rivals-builtin", ("stale",)),
    *approval_mutants.ALL,
    *asking_mutants.ALL,
    *budget_mutants.ALL,
    *delivery_mutants.ALL,
    *fallback_mutants.ALL,
    *form_mutants.ALL,
    *growth_mutants.ALL,
    *shard_mutants.ALL,
    *isolation_mutants.ALL,
    *typed_mutants.ALL,
    *spending_mutants.ALL,
    *tasks.ALL,
    *continuing.ALL,
    *history.ALL,
    *turnlaws.ALL,
)


SEEDS = range(8)
"""Orders to try for each mutant. One that needs a rare interleaving is not caught by each."""


def catch(mutant: Mutant, *, seeds: range = SEEDS) -> tuple[Failure | None, int]:
    """Look for a plan that shows that the mutant is broken; returns it, and how many plans it took."""
    tried, scenario = 0, BY_NAME[mutant.scenario]
    for seed in seeds:
        reference = simulate(scenario, REFERENCE, seed)
        plans = [plan for plan in plans_of(scenario, reference, seed=seed) if plan.fault in mutant.faults]
        for plan in plans or (REFERENCE,):
            tried += 1
            with mutant.applied():
                failure = examine(Case(scenario.name, plan, seed), reference)
            if failure is not None and any(BROKE_NOTHING not in sentence for sentence in failure.found):
                return failure, tried
    return None, tried
