"""What must hold about the history of a Task: no run is deleted that goes on, or that the limit keeps.

Part of the watchman; with the mutants that it must catch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from kubechain.api.task import HistoryLimit
from kubechain.api.taskrun import TaskRun
from kubechain.controllers.task import history
from test.simulation.cluster import phase_of
from test.simulation.mutant import Mutant

JsonObject = dict[str, Any]

_ENDS = {"FinalAnswer": "succeeded", "Failed": "failed", "Cancelled": "failed"}


class HistoryLaws:
    """Knows the Tasks with a limit and their runs, and judges each deletion of a run."""

    def __init__(self, violated: Callable[[str], None]) -> None:
        """Know nothing yet.

        Args:
            violated: Told what must never be.
        """
        self._violated = violated
        self._limits: dict[str, Mapping[str, int]] = {}
        self._runs: dict[str, JsonObject] = {}

    def on_change(self, plural: str, after: JsonObject) -> None:
        """Look at one write."""
        name = after["metadata"]["name"]
        if plural == "tasks" and "historyLimit" in after["spec"]:
            self._limits[name] = after["spec"]["historyLimit"]
        if plural == "taskruns":
            self._runs[name] = after

    def on_deletion(self, plural: str, before: JsonObject, *, is_by_people: bool) -> None:
        """Look at a run that is gone."""
        if plural != "taskruns":
            return
        name, run = before["metadata"]["name"], self._runs.pop(before["metadata"]["name"])
        task = _task_of(run)
        if task not in self._limits or is_by_people:
            return
        kind = _kind(run)
        if kind is None:
            self._violated(f"taskruns/{name}: went on, and was deleted for the limit of its Task")
            return
        others = [other for other in self._runs.values() if _task_of(other) == task]
        kept = [other for other in others if _kind(other) == kind]
        if len(kept) < self._limits[task].get(kind, 0):
            self._violated(f"taskruns/{name}: was deleted, and only {len(kept)} of its kind are left")
        if any(_ended_at(other) < _ended_at(run) for other in kept):
            self._violated(f"taskruns/{name}: was deleted before an older one")
        if not any(_created_at(other) >= _created_at(run) for other in others):
            self._violated(f"taskruns/{name}: was deleted, and is the newest run of its Task")


def _task_of(run: JsonObject) -> str:
    reference: JsonObject = run["spec"].get("taskRef") or {}
    return str(reference.get("name", ""))


def _kind(run: JsonObject) -> str | None:
    return _ENDS.get(phase_of(run))


def _created_at(run: JsonObject) -> str:
    return str(run["metadata"]["creationTimestamp"])


def _ended_at(run: JsonObject) -> str:
    return str(run["status"]["completionTime"])


_end_key = history._end_key  # pyright: ignore[reportPrivateUsage]


def _newest_first(run: TaskRun) -> tuple[float, str]:
    """The newest go, the oldest stay."""
    ended_at, name = _end_key(run)
    return -ended_at, name


def _all_but_open(runs: list[TaskRun], limit: int | None) -> list[TaskRun]:
    """The limit is one less than it says."""
    return [] if limit is None else sorted(runs, key=_end_key)[: max(len(runs) - limit + 1, 0)]


_surplus = history.surplus


def _all_that_ended(runs: Iterable[TaskRun], newest: TaskRun, limit: HistoryLimit | None) -> tuple[TaskRun, ...]:
    """The newest run goes, too."""
    return _surplus(runs, newest.model_copy(update={"metadata": newest.metadata.with_changes(uid="")}), limit)


ALL: tuple[Mutant, ...] = (
    Mutant("history-newest-first", ((history, "_end_key", _newest_first),), "history"),
    Mutant("history-one-too-many", ((history, "_beyond", _all_but_open),), "history"),
    Mutant("history-newest-run", ((history, "surplus", _all_that_ended),), "rivals-history"),
)
