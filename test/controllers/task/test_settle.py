"""What a Task's status says of its runs."""

from __future__ import annotations

from kubechain.api.meta import StatusType
from kubechain.controllers.frame import next_version
from kubechain.controllers.task import settle
from kubechain.controllers.task.outcomes import NameTaken, RunCreated
from kubechain.controllers.task.steps import Follow, Wait
from test.controllers.builders import NOW
from test.controllers.task.builders import NEW, started


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
