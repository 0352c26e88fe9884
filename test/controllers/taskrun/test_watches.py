"""Which runs are reconciled when something changes that they may wait for."""

from __future__ import annotations

from typing import Any

import pytest

from kubechain.api.continuation import ContinueFrom
from kubechain.api.references import LocalObjectReference
from kubechain.api.taskrun import TaskRun, TaskRunPhase
from kubechain.controllers import continued, fallbackusers
from kubechain.controllers.taskrun import watches
from kubechain.controllers.taskrun.watches import Wakers
from test.controllers.builders import NOW, a_run, a_task, an_agent, an_llm, meta

INDEXES = {
    watches.UNBEGUN_BY_TASK: watches.unbegun_by_task,
    watches.UNBEGUN_BY_AGENT: watches.unbegun_by_agent,
    continued.UNBEGUN_BY_SOURCE: continued.unbegun_by_source,
    watches.UNBEGUN_BY_LLM: watches.unbegun_by_llm,
    watches.STOPPED_BY_AGENT: watches.stopped_by_agent,
    watches.BEGUN_BY_LLM: watches.begun_by_llm,
    watches.TASKS_BY_AGENT: watches.tasks_by_agent,
    watches.AGENTS_BY_LLM: watches.agents_by_llm,
    fallbackusers.BY_FALLBACK: fallbackusers.fallback_index,
}


class Indexed:
    """A lister with the indexes of the cache."""

    def __init__(self, *objects: Any) -> None:
        self._objects = objects

    def by_index(self, name: str, value: str) -> list[Any]:
        return [one for one in self._objects if value in INDEXES[name](one)]


def by_hand(run: TaskRun) -> TaskRun:
    """The run as a person makes it, with an Agent in place of a Task."""
    changes = {"task_ref": None, "agent_ref": LocalObjectReference(name="my-assistant")}
    metadata = meta(run.metadata.name)
    return run.model_copy(update={"metadata": metadata, "spec": run.spec.model_copy(update=changes)})


def wakers(*runs: TaskRun) -> Wakers:
    listers: Any = {
        "runs": Indexed(*runs),
        "tasks": Indexed(a_task()),
        "agents": Indexed(an_agent()),
        "tool_calls": Indexed(),
        "llms": Indexed(),
    }
    return Wakers(**listers)


def woken_by_llm(*runs: TaskRun, llm: str = "gpt-4o") -> list[str]:
    return [request.name for request in wakers(*runs).for_llm(an_llm(llm))]


@pytest.mark.parametrize(
    "run",
    [
        pytest.param(a_run(), id="a run of a Task that was just made"),
        pytest.param(a_run(phase=TaskRunPhase.PENDING), id="a run of a Task that waits"),
        pytest.param(by_hand(a_run(phase=TaskRunPhase.PENDING)), id="a run of an Agent that waits"),
        pytest.param(a_run(phase=TaskRunPhase.READY_FOR_LLM), id="a run that has begun"),
        pytest.param(a_run(phase=TaskRunPhase.ERROR_BACKOFF), id="a run whose last call failed"),
    ],
)
def test_an_llm_that_turns_ready_wakes(run: TaskRun) -> None:
    assert woken_by_llm(run) == [run.metadata.name]


@pytest.mark.parametrize("phase", [TaskRunPhase.FINAL_ANSWER, TaskRunPhase.FAILED, TaskRunPhase.CANCELLED])
def test_an_llm_that_turns_ready_wakes_no_finished_run(phase: TaskRunPhase) -> None:
    assert woken_by_llm(a_run(phase=phase, completion_time=NOW)) == []


OTHER_LLM = {"llm_ref": LocalObjectReference(name="claude")}


@pytest.mark.parametrize(
    ("run", "names"),
    [
        pytest.param(a_run(spec=OTHER_LLM), ["hello-1"], id="a run that names it and has not begun"),
        pytest.param(a_run(phase=TaskRunPhase.PENDING, spec=OTHER_LLM), ["hello-1"], id="one that waits"),
        pytest.param(a_run(), [], id="no run that does not name it"),
        pytest.param(
            a_run(phase=TaskRunPhase.FAILED, spec=OTHER_LLM, completion_time=NOW), [], id="no run that is over"
        ),
    ],
)
def test_an_llm_that_no_agent_names_wakes(run: TaskRun, names: list[str]) -> None:
    assert woken_by_llm(run, llm="claude") == names


CONTINUING = {"continue_from": ContinueFrom(name="first")}


@pytest.mark.parametrize(
    ("run", "names"),
    [
        pytest.param(a_run(spec=CONTINUING), ["hello-1"], id="a run that continues it and has not begun"),
        pytest.param(a_run(phase=TaskRunPhase.PENDING, spec=CONTINUING), ["hello-1"], id="one that waits"),
        pytest.param(a_run(phase=TaskRunPhase.READY_FOR_LLM, spec=CONTINUING), [], id="none that has begun"),
        pytest.param(a_run(spec={"continue_from": ContinueFrom(name="second")}), [], id="none that continues another"),
    ],
)
def test_a_run_wakes(run: TaskRun, names: list[str]) -> None:
    source = a_run("first", phase=TaskRunPhase.FINAL_ANSWER)
    assert [request.name for request in wakers(run).for_continued(source)] == names
