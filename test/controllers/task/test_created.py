"""What a process remembers of the runs that it created."""

from __future__ import annotations

from typing import Any, cast

from kubechain.controllers.task.created import QUIET_SECONDS, CreatedRun, CreatedRuns
from kubechain.runtime.keys import Request
from test.controllers.task.builders import NEW

OTHER = NEW.model_copy(update={"metadata": NEW.metadata.with_changes(uid="99999999-9999-9999-9999-999999999999")})


class Clock:
    """Time that passes when a test says so."""

    seconds = 100.0

    def monotonic(self) -> float:
        return self.seconds


def remembering() -> tuple[CreatedRuns, Clock]:
    clock = Clock()
    runs = CreatedRuns(cast(Any, clock))
    runs.remember(NEW, "hello-1")
    return runs, clock


def test_a_task_may_keep_quiet_for_a_moment_and_not_longer() -> None:
    runs, clock = remembering()
    assert runs.of(NEW) == CreatedRun("hello-1", QUIET_SECONDS)
    clock.seconds += 2 * QUIET_SECONDS
    assert runs.of(NEW) == CreatedRun("hello-1", 0.0)


def test_another_task_of_the_name_has_no_run() -> None:
    runs, _ = remembering()
    assert runs.of(OTHER) is None


def test_what_is_said_is_forgotten() -> None:
    runs, _ = remembering()
    runs.said(NEW)
    assert runs.of(NEW) is None


def test_a_task_that_is_gone_is_forgotten() -> None:
    runs, _ = remembering()
    runs.forget(Request(NEW.metadata.namespace, NEW.metadata.name))
    assert runs.of(NEW) is None
