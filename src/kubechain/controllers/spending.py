"""What a run and the runs below it have spent, and the runs above it: limits bind the whole tree.

Used by the loops of TaskRuns and tool calls. Reads the caches only. What a limit means must not go here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from kubechain.api import names
from kubechain.api.meta import is_owned_by
from kubechain.api.taskrun import PendingToolCall, TaskRun
from kubechain.api.taskruntoolcall import TaskRunToolCall
from kubechain.api.usage import Spending, total


class RunReader(Protocol):
    """Looks runs up."""

    def get(self, namespace: str, name: str) -> TaskRun | None:
        """The run; None when there is none."""
        ...


class CallReader(Protocol):
    """Looks tool calls up."""

    def get(self, namespace: str, name: str) -> TaskRunToolCall | None:
        """The tool call; None when there is none."""
        ...


@dataclass(frozen=True, slots=True)
class SpendingReader:
    """Follows the tree of runs by the deterministic names of calls and child runs.

    Attributes:
        newest: A run that is known better than the cache has it.
    """

    runs: RunReader
    calls: CallReader
    newest: TaskRun | None = None

    def of_tree(self, run: TaskRun) -> Spending:
        """What the run and all runs below it have spent so far."""
        status = run.status
        own = Spending(turns=status.turn, tool_calls=status.tool_call_count + len(status.pending_turn))
        recorded = [part for part in (status.usage, status.sub_agent_usage) if part is not None]
        return total((own, *recorded, *self._below(run)))

    def above(self, run: TaskRun) -> Iterator[TaskRun]:
        """The run that delegated to this one, the one that delegated to that, and so on."""
        current: TaskRun | None = run
        while current is not None:
            current = self._parent(current)
            if current is not None:
                yield current

    def below(self, run: TaskRun) -> Iterator[TaskRun]:
        """The runs that answer delegations of the open turn, those that answer theirs, and so on."""
        for pending in run.status.pending_turn:
            call = self._call(run, pending)
            child = self.child(call) if call is not None else None
            if child is not None:
                yield child
                yield from self.below(child)

    def _below(self, run: TaskRun) -> Iterator[Spending]:
        """What each delegation of the open turn has spent: those of earlier turns are recorded in the run."""
        for pending in run.status.pending_turn:
            call = self._call(run, pending)
            if call is None:
                continue
            if call.status.spent is not None:
                yield call.status.spent
            elif (child := self.child(call)) is not None:
                yield self.of_tree(child)

    def child(self, call: TaskRunToolCall) -> TaskRun | None:
        """The run that answers a delegated call."""
        if self.newest is not None and is_owned_by(self.newest, call):
            return self.newest
        found = self.runs.get(call.metadata.namespace, names.sub_agent_run_name(call.metadata.name))
        return found if found is not None and is_owned_by(found, call) else None

    def _call(self, run: TaskRun, pending: PendingToolCall) -> TaskRunToolCall | None:
        name = names.tool_call_name(run.metadata.name, turn=run.status.turn, index=pending.idx)
        found = self.calls.get(run.metadata.namespace, name)
        return found if found is not None and is_owned_by(found, run) else None

    def _parent(self, run: TaskRun) -> TaskRun | None:
        reference = run.spec.task_run_tool_call_ref
        call = self.calls.get(run.metadata.namespace, reference.name) if reference else None
        if call is None or not is_owned_by(run, call):
            return None
        parent = self.runs.get(run.metadata.namespace, call.spec.task_run_ref.name)
        return parent if parent is not None and is_owned_by(call, parent) else None
