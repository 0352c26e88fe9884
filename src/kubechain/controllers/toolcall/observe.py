"""A tool call, the run that it belongs to, and what stands behind the name that the model used."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from kubechain.api import names
from kubechain.api.meta import is_owned_by
from kubechain.api.taskrun import PinnedTool, TaskRun, TaskRunPhase, pinned_tool
from kubechain.api.taskruntoolcall import TaskRunToolCall, ToolCallPhase
from kubechain.api.usage import Spending
from kubechain.controllers.blocked import Block, block_of
from kubechain.controllers.replica import Replica
from kubechain.controllers.resources import TASK_RUNS
from kubechain.controllers.retrylimit import retry_for_seconds
from kubechain.controllers.spending import SpendingReader
from kubechain.controllers.toolcall.approvalfacts import ApprovalFacts, ApprovalReader
from kubechain.controllers.toolcall.watches import is_held, is_run_over
from kubechain.controllers.toolkinds.model import Found, Offer, Planner
from kubechain.controllers.toolkinds.registry import ToolKinds
from kubechain.runtime.client import Client
from kubechain.runtime.clock import Clock
from kubechain.runtime.errors import NotFound
from kubechain.runtime.store import Lister


@dataclass(frozen=True, slots=True)
class Observed:
    """All that a decision about a call depends on.

    Attributes:
        run: None when it is gone, or when another one has its name.
        found: What the name of the tool stands for now; None when it was never offered.
        planner: Of an offer that was found; None where there is none.
        obstacle: What this process still lacks for a call of the offer; empty for nothing.
        child: The run that another Agent does for this call, once it exists.
        spent: By that run and all runs below it.
        depth: How many runs delegated down to the call's own run; 0 for a run that a person or a Task started.
        goes_on: Whether what was started for the call goes on without the process that started it.
        holder_gone_in_seconds: For a claim found in the status: 0 when its holder is gone, else how long to wait before
            asking again.
        approval: What a decision about its approval depends on.
    """

    call: TaskRunToolCall
    run: TaskRun | None
    now: datetime
    found: Found | None = None
    planner: Planner | None = None
    obstacle: str = ""
    child: TaskRun | None = None
    spent: Spending | None = None
    depth: int = 0
    goes_on: bool = False
    holder_gone_in_seconds: float = 0.0
    approval: ApprovalFacts = field(default_factory=ApprovalFacts)

    @property
    def block(self) -> Block:
        """What keeps the call from going on, if anything does."""
        pinned = self.run.status.pinned if self.run is not None else None
        return block_of(self.call.status.blocked_since, self.now, retry_for_seconds(pinned))

    @property
    def is_awaited(self) -> bool:
        """Whether the run has yet to take the result: until then the call's object must stay."""
        run = self.run
        if run is None or run.metadata.deletion_timestamp is not None or run.status.completion_time is not None:
            return False
        return is_pending(run, self.call)


@dataclass(frozen=True, slots=True)
class Observer:
    """Reads what a decision about a call needs: from the caches, and from the server where they may be behind."""

    calls: Lister[TaskRunToolCall]
    runs: Lister[TaskRun]
    kinds: ToolKinds
    approvals: ApprovalReader
    client: Client
    replica: Replica
    clock: Clock

    async def observe(self, call: TaskRunToolCall) -> Observed:
        """Read everything, change nothing."""
        namespace = call.metadata.namespace
        run, child = self.run_of(call), self.runs.get(namespace, names.sub_agent_run_name(call.metadata.name))
        is_live = not _is_settled(call) and (not _knows(run, call) or _is_cancelled(child))
        if is_live:
            run = await self._live_run_of(call)
        pinned = pinned_tool(run, call.spec.tool_ref.name) if run is not None else None
        found = self.kinds.find(namespace, pinned) if pinned else None
        planner = self.kinds.planner(found) if isinstance(found, Offer) else None
        approval = await self.approvals.facts(call)
        is_grave = planner is not None and (planner.acts_outside or _may_ask(found, pinned, approval))
        if not is_live and is_grave and _may_start(call):
            run = await self._live_run_of(call)
        spending = SpendingReader(self.runs, self.calls)
        counted = spending.child(call)
        return Observed(
            call=call,
            run=run,
            now=self.clock.now(),
            found=found,
            planner=planner,
            obstacle=planner.obstacle(found) if planner and isinstance(found, Offer) else "",
            child=child,
            spent=spending.of_tree(counted) if counted is not None else None,
            depth=self._depth(run),
            goes_on=self.kinds.follower(call.spec.tool_type) is not None,
            holder_gone_in_seconds=await self._holder_gone_in_seconds(call),
            approval=approval,
        )

    def run_of(self, call: TaskRunToolCall) -> TaskRun | None:
        """The run that owns the call, as the cache has it."""
        run = self.runs.get(call.metadata.namespace, call.spec.task_run_ref.name)
        return run if run is not None and is_owned_by(call, run) else None

    def is_unwanted(self, call: TaskRunToolCall) -> bool:
        """Whether no run waits for the call any more, as the caches have it."""
        latest, run = self.calls.get(call.metadata.namespace, call.metadata.name), self.run_of(call)
        is_deleted = latest is None or latest.metadata.deletion_timestamp is not None
        return is_deleted or (run is not None and is_run_over(run))

    async def _live_run_of(self, call: TaskRunToolCall) -> TaskRun | None:
        """Read the run from the server where the cache has none, or one that does not wait for this call.

        A cache that is behind must neither end a call nor release it: it would be created and carried out again.
        """
        try:
            run = await self.client.get(TASK_RUNS, call.metadata.namespace, call.spec.task_run_ref.name)
        except NotFound:
            return None
        return run if is_owned_by(call, run) else None

    def _depth(self, run: TaskRun | None) -> int:
        depth = 0
        while run is not None and run.spec.task_run_tool_call_ref is not None:
            depth += 1
            parent = self.calls.get(run.metadata.namespace, run.spec.task_run_tool_call_ref.name)
            run = self.run_of(parent) if parent is not None else None
        return depth

    async def _holder_gone_in_seconds(self, call: TaskRunToolCall) -> float:
        execution = call.status.execution
        if call.status.phase != ToolCallPhase.RUNNING or execution is None:
            return 0.0
        return await self.replica.gone_in_seconds(execution.holder, call)


def is_pending(run: TaskRun, call: TaskRunToolCall) -> bool:
    """Whether the run's open turn contains the call."""
    return any(pending.tool_call_id == call.spec.tool_call_id for pending in run.status.pending_turn)


def _is_settled(call: TaskRunToolCall) -> bool:
    return call.status.completion_time is not None and not is_held(call)


def _may_start(call: TaskRunToolCall) -> bool:
    """Whether the next step may be the first attempt of the call.

    A manager whose cache of runs is behind may have created the call again, after it was answered and deleted. Such a
    call is newer than the answer, so the run as the server has it now does not wait for it.
    """
    phases = (None, ToolCallPhase.PENDING, ToolCallPhase.READY_TO_EXECUTE_APPROVED_TOOL)
    return call.status.phase in phases and call.status.execution is None


def _may_ask(found: Found | None, pinned: PinnedTool | None, approval: ApprovalFacts) -> bool:
    """Whether a person may have to approve the call: the run, as the server has it, knows what was granted."""
    is_wanted = isinstance(found, Offer) and found.approval is not None
    return is_wanted or (pinned is not None and pinned.approval is not None) or bool(approval.policies)


def _is_cancelled(child: TaskRun | None) -> bool:
    """Whether the run that the call delegated to was cancelled, perhaps because the call's own run was.

    The server may have been asked for that run before, and its cache be behind: what is known must stay known.
    """
    return child is not None and child.status.phase == TaskRunPhase.CANCELLED


def _knows(run: TaskRun | None, call: TaskRunToolCall) -> bool:
    """Whether a run, as the cache has it, waits for the call, or is over and waits for nothing."""
    return run is not None and (run.status.completion_time is not None or is_pending(run, call))
