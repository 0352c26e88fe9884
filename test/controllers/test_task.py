"""A Task makes one run, follows the answers and clears away."""

from __future__ import annotations

from typing import Any

import pytest

from kubechain.api import names
from kubechain.api.meta import StatusType
from kubechain.api.task import Task
from kubechain.api.taskrun import TaskRun, TaskRunPhase
from kubechain.controllers.frame import next_version
from kubechain.controllers.task import settle
from kubechain.controllers.task.decide import Adopt, CreateRun, Follow, Step, Wait, decide
from kubechain.controllers.task.effects import NameTaken, RunCreated, first_run
from kubechain.controllers.task.observe import Observed
from test.controllers.builders import NOW, TASK_UID, a_run, a_task, an_agent, later

NEW = a_task(status=None)


def started(**spec: Any) -> Task:
    task = a_task(status=None, **spec)
    return next_version(task, settle.created(task, RunCreated("hello-1"), NOW))


def finished(name: str, output: str, *, at: float, phase: TaskRunPhase = TaskRunPhase.FINAL_ANSWER) -> TaskRun:
    return a_run(name, phase=phase, output=output, completion_time=later(at))


def seen(task: Task = NEW, **changes: Any) -> Observed:
    values: dict[str, Any] = {"agent": an_agent(), "runs": (), "now": NOW}
    return Observed(task=task, **(values | changes))


@pytest.mark.parametrize(
    ("observed", "step"),
    [
        pytest.param(seen(agent=None), Wait('Waiting for agent "my-assistant" to exist'), id="the agent is missing"),
        pytest.param(
            seen(agent=an_agent(status=StatusType.PENDING)),
            Wait('Waiting for agent "my-assistant" to become ready'),
            id="the agent is not ready",
        ),
        pytest.param(seen(), CreateRun("hello-1"), id="the agent is ready"),
        pytest.param(
            seen(agent=None, runs=(first_run(NEW, "hello-1"),)),
            Adopt("hello-1"),
            id="the run was made by a manager that died before it could say so",
        ),
        pytest.param(seen(started()), Follow(""), id="the run was made and deleted since"),
        pytest.param(seen(started(), agent=None), Follow(""), id="the agent was deleted later"),
        pytest.param(
            seen(started(), runs=(finished("b", "second", at=2), finished("a", "first", at=1))),
            Follow("second"),
            id="the run that finished last gives the output",
        ),
        pytest.param(
            seen(
                started(),
                runs=(finished("a", "first", at=1), finished("b", "", at=2, phase=TaskRunPhase.FAILED)),
            ),
            Follow("first"),
            id="a failed run has no output",
        ),
    ],
)
def test_decide(observed: Observed, step: Step) -> None:
    assert decide(observed) == step


def test_the_run_is_owned_labelled_and_named_after_its_task() -> None:
    run = first_run(NEW, "hello-1")
    owner = run.metadata.owner_references[0]
    assert (owner.kind, owner.name, owner.uid, owner.controller) == ("Task", "hello", TASK_UID, True)
    assert run.metadata.labels == {"kubechain.humanlayer.dev/task": "hello"}
    assert run.spec.task_ref is not None
    assert run.spec.task_ref.name == "hello"


def test_a_task_name_of_253_characters_gives_a_valid_run() -> None:
    task = a_task("x" * 253, status=None)
    step = decide(seen(task))
    assert isinstance(step, CreateRun)
    run = first_run(task, step.name)
    assert len(run.metadata.name) <= 253
    assert len(run.metadata.labels[names.LABEL_TASK]) <= 63


def test_the_created_run_is_reported_in_the_words_of_the_contract() -> None:
    settled = settle.created(NEW, RunCreated("hello-1"), NOW)
    status = next_version(NEW, settled).status
    assert (status.ready, status.status, status.status_detail) == (True, "Ready", "Task Run Created")
    assert [(event.reason, event.message) for event in settled.events] == [
        ("Initializing", "Starting validation"),
        ("TaskRunCreated", "Created TaskRun hello-1"),
    ]


def test_a_name_that_belongs_to_something_else_is_an_error_that_names_it() -> None:
    settled = settle.created(NEW, NameTaken("hello-1"), NOW)
    status = next_version(NEW, settled).status
    assert status.status == StatusType.ERROR
    assert '"hello-1"' in status.status_detail
    assert settled.requeue_after_seconds == settle.NAME_TAKEN_SECONDS


def test_waiting_is_told_once() -> None:
    waiting = next_version(NEW, settle.waiting(NEW, Wait("Waiting for something"), NOW))
    assert next_version(waiting, settle.waiting(waiting, Wait("Waiting for something"), NOW)) is waiting


def test_the_same_output_writes_nothing() -> None:
    task = started()
    assert next_version(task, settle.following(task, Follow(""))) is task
    assert next_version(task, settle.following(task, Follow("new"))).status.output == "new"
