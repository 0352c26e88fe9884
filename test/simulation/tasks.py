"""What a Task says of its runs when everything is over, and a Task that counts wrongly."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from kubechain.api.task import RunCounts
from kubechain.api.taskrun import TaskRun
from kubechain.controllers.task import decide
from test.simulation.mutant import Mutant

JsonObject = Mapping[str, Any]


def miscounted(objects: Mapping[str, Iterable[JsonObject]]) -> Iterator[str]:
    """Yield Tasks whose counts are not those of the runs that there are."""
    runs = [run for run in objects["taskruns"] if "taskRef" in run["spec"]]
    for task in objects["tasks"]:
        name, said = task["metadata"]["name"], task.get("status", {}).get("runs")
        if said is None:
            continue
        phases = [run.get("status", {}).get("phase", "") for run in runs if run["spec"]["taskRef"]["name"] == name]
        succeeded = phases.count("FinalAnswer")
        failed = phases.count("Failed") + phases.count("Cancelled")
        true = {"active": len(phases) - succeeded - failed, "succeeded": succeeded, "failed": failed}
        if said != true:
            yield f"tasks/{name}: says {said} of its runs, which are {true}"


_counts = decide.counts


def _newest_only(runs: Iterable[TaskRun]) -> RunCounts:
    """The runs before the newest one are forgotten."""
    return _counts(list(runs)[-1:])


ALL: tuple[Mutant, ...] = (Mutant("task-counts-newest-run-only", ((decide, "counts", _newest_only),), "rerun"),)
