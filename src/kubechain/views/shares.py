"""Who spends what: runs summed up by agent, by LLM or by namespace."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from kubechain.api.taskrun import TaskRun, TaskRunPhase
from kubechain.api.usage import Spending, Usage, total
from kubechain.views.telling import agent_name


@dataclass(frozen=True, slots=True)
class Share:
    """What the runs of one agent, LLM or namespace spent; a run counts without those below it, which count too.

    Attributes:
        open: Runs that are not over.
    """

    name: str
    open: int
    answered: int
    failed: int
    cancelled: int
    spent: Spending


def _llm_name(run: TaskRun) -> str:
    return run.status.pinned.llm_name if run.status.pinned is not None else ""


KEYS: Mapping[str, Callable[[TaskRun], str]] = {
    "agent": agent_name,
    "llm": _llm_name,
    "namespace": lambda run: run.metadata.namespace,
}
"""By what runs are summed up."""


def shares(runs: Iterable[TaskRun], by: str) -> list[Share]:
    """The sums, those that spent most first."""
    groups: dict[str, list[TaskRun]] = {}
    for run in runs:
        groups.setdefault(KEYS[by](run) or "-", []).append(run)
    found = [_share(name, members) for name, members in groups.items()]
    return sorted(found, key=lambda share: (-float(share.spent.cost or 0), -share.spent.total_tokens, share.name))


def _share(name: str, runs: list[TaskRun]) -> Share:
    phases = [run.status.phase for run in runs]
    parts: list[Usage] = [run.status.usage for run in runs if run.status.usage is not None]
    counts = [Spending(turns=run.status.turn, tool_calls=run.status.tool_call_count) for run in runs]
    return Share(
        name=name,
        open=sum(phase is None or not phase.is_terminal for phase in phases),
        answered=phases.count(TaskRunPhase.FINAL_ANSWER),
        failed=phases.count(TaskRunPhase.FAILED),
        cancelled=phases.count(TaskRunPhase.CANCELLED),
        spent=total([*parts, *counts]),
    )
