"""Finished runs of a Task beyond its limit are deleted, the oldest first, once the Task has said what they said."""

from __future__ import annotations

import pytest

from kubechain.api.task import HistoryLimit, LastRunPhase
from kubechain.api.taskrun import TaskRun, TaskRunPhase
from kubechain.controllers.continued import LOOK_AGAIN_SECONDS
from kubechain.controllers.task.decide import decide
from kubechain.controllers.task.history import surplus
from kubechain.controllers.task.steps import Follow, Prune
from test.controllers.builders import a_run, later, meta
from test.controllers.task.builders import finished, following, seen, started

P = TaskRunPhase


def ended(name: str, at: float, phase: TaskRunPhase = P.FINAL_ANSWER) -> TaskRun:
    run = finished(name, f"answer of {name}" if phase is P.FINAL_ANSWER else "", at=at, phase=phase)
    metadata = meta(name, creation_timestamp=run.metadata.creation_timestamp)
    return run.model_copy(update={"metadata": metadata})


def going(name: str, at: float) -> TaskRun:
    run = a_run(name, phase=P.READY_FOR_LLM)
    return run.model_copy(update={"metadata": meta(name, creation_timestamp=later(at))})


def deleted(run: TaskRun) -> TaskRun:
    return run.model_copy(update={"metadata": run.metadata.with_changes(deletion_timestamp=later(99))})


A, B, C, D = (ended(name, at) for at, name in enumerate("abcd", 1))
LOST, GONE = ended("lost", 1.5, P.FAILED), ended("gone", 2.5, P.CANCELLED)
OPEN = going("open", 0.0)
ALL = (D, LOST, B, OPEN, A, GONE, C)


@pytest.mark.parametrize(
    ("runs", "limit", "names"),
    [
        pytest.param(ALL, None, "", id="without a limit all stay"),
        pytest.param(ALL, HistoryLimit(), "", id="so they do with one that says nothing"),
        pytest.param(ALL, HistoryLimit(succeeded=9, failed=9), "", id="fewer than the limit stay"),
        pytest.param(ALL, HistoryLimit(succeeded=4, failed=2), "", id="as many as the limit stay"),
        pytest.param(ALL, HistoryLimit(succeeded=3), "a", id="one more than the limit: the oldest goes"),
        pytest.param(ALL, HistoryLimit(succeeded=2), "a b", id="two more: the oldest goes first"),
        pytest.param(ALL, HistoryLimit(failed=1), "lost", id="failed and cancelled runs have a limit of their own"),
        pytest.param(ALL, HistoryLimit(failed=0), "lost gone", id="none of them is kept"),
        pytest.param(ALL, HistoryLimit(succeeded=0, failed=0), "a lost b gone c", id="the newest run stays"),
        pytest.param((D, OPEN), HistoryLimit(succeeded=0, failed=0), "", id="a run that goes on stays"),
        pytest.param(
            (D, C, deleted(B), A), HistoryLimit(succeeded=3), "", id="a run that is being deleted counts no more"
        ),
        pytest.param((D, deleted(B)), HistoryLimit(succeeded=0), "", id="nor is it deleted again"),
    ],
)
def test_the_oldest_runs_beyond_the_limit_go(runs: tuple[TaskRun, ...], limit: HistoryLimit | None, names: str) -> None:
    assert [run.metadata.name for run in surplus(runs, D, limit)] == names.split()


@pytest.mark.parametrize("turned", range(len(ALL)), ids=str)
def test_the_choice_does_not_depend_on_the_order_of_the_cache(turned: int) -> None:
    runs = (*ALL[turned:], *ALL[:turned])
    assert surplus(runs, D, HistoryLimit(succeeded=1, failed=1)) == (A, LOST, B, C)


def test_a_run_that_was_made_again_under_the_name_of_the_newest_is_no_reason_to_keep_another() -> None:
    other = D.model_copy(update={"metadata": D.metadata.with_changes(uid="another")})
    assert surplus((A, D), other, HistoryLimit(succeeded=0)) == (A, D)


def test_the_task_says_what_its_runs_said_before_they_go() -> None:
    task = started(history_limit=HistoryLimit(succeeded=1))
    step = decide(seen(task, runs=(A, B)))
    assert isinstance(step, Follow)
    assert (step.run, step.phase, step.output) == ("b", LastRunPhase.FINAL_ANSWER, "answer of b")
    assert step.is_before_prune
    task = following(task, step)
    assert decide(seen(task, runs=(A, B))) == Prune((A,))
    step = decide(seen(task, runs=(B,)))
    assert isinstance(step, Follow)
    assert (step.runs.succeeded, step.output) == (1, "answer of b")


def test_a_run_that_another_one_waits_to_continue_is_kept_until_it_is_not_waited_for() -> None:
    task = started(history_limit=HistoryLimit(succeeded=1))
    awaited = frozenset({"a"})
    follow = decide(seen(task, runs=(A, B, C), awaited=awaited))
    assert isinstance(follow, Follow)
    assert (follow.is_before_prune, follow.look_again_seconds) == (True, LOOK_AGAIN_SECONDS)
    said = following(task, follow)
    assert decide(seen(said, runs=(A, B, C), awaited=awaited)) == Prune((B,))
    follow = decide(seen(following(task, follow), runs=(A, C), awaited=awaited))
    assert isinstance(follow, Follow)
    assert (follow.is_before_prune, follow.look_again_seconds) == (False, LOOK_AGAIN_SECONDS)
    said = following(task, follow)
    assert decide(seen(said, runs=(A, C))) == Prune((A,))
