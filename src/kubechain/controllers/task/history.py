"""Which finished runs of a Task are kept, and which are deleted. Pure.

The same runs are chosen however often and by whomever it is decided: what was deleted already is found to be gone.
"""

from __future__ import annotations

from collections.abc import Iterable

from kubechain.api.task import HistoryLimit
from kubechain.api.taskrun import TaskRun, TaskRunPhase


def surplus(runs: Iterable[TaskRun], newest: TaskRun, limit: HistoryLimit | None) -> tuple[TaskRun, ...]:
    """The finished runs that are deleted, the oldest first.

    Args:
        runs: All runs of the Task, as far as the cache knows.
        newest: The run that the Task's status tells of: it stays.
        limit: None where all stay.
    """
    if limit is None:
        return ()
    ended = [run for run in runs if run.status.is_over and run.metadata.deletion_timestamp is None]
    answered = [run for run in ended if run.status.phase is TaskRunPhase.FINAL_ANSWER]
    others = [run for run in ended if run.status.phase is not TaskRunPhase.FINAL_ANSWER]
    found = (*_beyond(answered, limit.succeeded), *_beyond(others, limit.failed))
    return tuple(sorted((run for run in found if run.metadata.uid != newest.metadata.uid), key=_end_key))


def _beyond(ended: list[TaskRun], limit: int | None) -> list[TaskRun]:
    """All but the newest so many."""
    return [] if limit is None else sorted(ended, key=_end_key)[: max(len(ended) - limit, 0)]


def _end_key(run: TaskRun) -> tuple[float, str]:
    ended_at = run.status.completion_time or run.metadata.creation_timestamp
    return ended_at.timestamp() if ended_at else 0.0, run.metadata.name
