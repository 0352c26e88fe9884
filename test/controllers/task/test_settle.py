"""What a Task's status says of its runs."""

from __future__ import annotations

import pytest

from kubechain.api.conditions import EDITED, RUN_CREATED, is_true
from kubechain.api.meta import StatusType
from kubechain.api.task import LastRun, LastRunPhase
from kubechain.controllers.frame import next_version
from kubechain.controllers.task import settle
from kubechain.controllers.task.steps import Follow, Wait
from test.controllers.builders import NOW
from test.controllers.task.builders import NEW, adopted, followed, following, started


def test_the_created_run_is_reported_in_the_words_of_the_contract() -> None:
    settled = settle.adopted(NEW, adopted(), NOW)
    status = next_version(NEW, settled).status
    assert (status.ready, status.status, status.status_detail) == (True, "Ready", "Task Run Created")
    assert [(event.reason, event.message) for event in settled.events] == [
        ("TaskRunCreated", "Created TaskRun hello-1"),
    ]


def test_a_run_that_ended_at_once_is_said_together_with_its_end() -> None:
    settled = settle.adopted(NEW, adopted(LastRunPhase.FAILED, detail="no credit", is_broken=True), NOW)
    status = next_version(NEW, settled).status
    assert is_true(status.conditions, RUN_CREATED)
    assert (status.status, status.last_run) == (StatusType.ERROR, LastRun(name="hello-1", phase=LastRunPhase.FAILED))
    assert [event.reason for event in settled.events] == ["TaskRunCreated", "TaskRunFailed"]


def test_a_task_that_waits_says_that_it_was_seen() -> None:
    settled = settle.waiting(NEW, Wait("Waiting for something"), NOW)
    assert [event.reason for event in settled.events] == ["Initializing", "Waiting"]


def test_a_name_that_belongs_to_something_else_is_an_error_that_names_it() -> None:
    settled = settle.name_taken(NEW, "hello-1", NOW)
    status = next_version(NEW, settled).status
    assert status.status == StatusType.ERROR
    assert '"hello-1"' in status.status_detail
    assert settled.requeue_after_seconds == settle.NAME_TAKEN_SECONDS


def test_waiting_is_told_once() -> None:
    waiting = next_version(NEW, settle.waiting(NEW, Wait("Waiting for something"), NOW))
    assert next_version(waiting, settle.waiting(waiting, Wait("Waiting for something"), NOW)) is waiting


def test_the_same_state_of_the_run_writes_nothing() -> None:
    task = started()
    assert following(task, followed(LastRunPhase.RUNNING)) is task
    assert following(task, followed(LastRunPhase.RUNNING, output="new")).status.output == "new"


@pytest.mark.parametrize(
    ("step", "summary", "finished", "succeeded"),
    [
        pytest.param(followed(LastRunPhase.RUNNING), (True, "Ready"), "False", "Unknown", id="it runs"),
        pytest.param(
            followed(LastRunPhase.WAITING, detail="why"), (False, "Pending"), "False", "Unknown", id="it waits"
        ),
        pytest.param(followed(LastRunPhase.FINAL_ANSWER), (True, "Ready"), "True", "True", id="it answered"),
        pytest.param(
            followed(LastRunPhase.FAILED, detail="why", is_broken=True), (False, "Error"), "True", "False", id="failed"
        ),
        pytest.param(
            followed(LastRunPhase.DELETED, detail="why", is_broken=True),
            (False, "Error"),
            "True",
            "False",
            id="deleted before its end",
        ),
    ],
)
def test_a_task_says_what_its_newest_run_says(
    step: Follow, summary: tuple[bool, str], finished: str, succeeded: str
) -> None:
    status = following(started(), step).status
    found = {condition.type: condition.status for condition in status.conditions}
    assert (status.ready, status.status) == summary
    assert (found["Finished"], found["Succeeded"]) == (finished, succeeded)
    assert status.last_run == LastRun(name="hello-1", phase=step.phase)
    assert status.status_detail == (step.detail or "Task Run Created")


def test_an_edit_after_the_run_began_is_told_once_and_forgotten_with_the_next_run() -> None:
    edited = followed(LastRunPhase.FINAL_ANSWER, is_edited=True)
    task = following(started(), edited)
    assert task.status.status_detail.startswith('Task Run Created; edited since TaskRun "hello-1" began')
    assert [event.reason for event in settle.following(started(), edited, NOW).events] == ["TaskEdited"]
    assert not settle.following(task, edited, NOW).events
    again = following(task, followed(LastRunPhase.RUNNING, "again"))
    assert not is_true(again.status.conditions, EDITED)


def test_a_bad_end_is_an_event_once() -> None:
    step = followed(LastRunPhase.FAILED, detail='TaskRun "hello-1" failed: why', is_broken=True)
    settled = settle.following(started(), step, NOW)
    assert [(event.type, event.reason, event.message) for event in settled.events] == [
        ("Warning", "TaskRunFailed", 'TaskRun "hello-1" failed: why')
    ]
    assert not settle.following(following(started(), step), step, NOW).events
