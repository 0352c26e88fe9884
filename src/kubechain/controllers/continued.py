"""Which runs others wait to continue: while one waits, the run that it continues is deleted for no limit.

For the loops of Tasks and TaskRuns, which delete finished runs. A run that people delete is gone all the same, and so
is one whose follower is not in the cache yet. What is copied of a run is in `taskrun.continuation`.
"""

from __future__ import annotations

from kubechain.api.taskrun import TaskRun
from kubechain.runtime.store import Lister

UNBEGUN_BY_SOURCE = "unbegun-by-source"

LOOK_AGAIN_SECONDS = 60.0
"""Before it is looked whether a run that was kept is still waited for."""


def is_unbegun(run: TaskRun) -> bool:
    """Whether a run may still wait for what it begins with."""
    return run.status.pinned is None and run.status.completion_time is None


def unbegun_by_source(run: TaskRun) -> list[str]:
    """Runs that may still wait for the run that they continue, by that run."""
    wanted = run.spec.continue_from
    return [_key(run.metadata.namespace, wanted.name)] if wanted is not None and is_unbegun(run) else []


def is_awaited(runs: Lister[TaskRun], run: TaskRun) -> bool:
    """Whether some run waits to continue this one.

    Args:
        runs: With the index `UNBEGUN_BY_SOURCE`.
    """
    return bool(runs.by_index(UNBEGUN_BY_SOURCE, _key(run.metadata.namespace, run.metadata.name)))


def _key(namespace: str, name: str) -> str:
    return f"{namespace}/{name}"
