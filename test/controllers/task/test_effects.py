"""The run that a Task makes."""

from __future__ import annotations

from kubechain.api import names
from kubechain.controllers.task.decide import decide
from kubechain.controllers.task.effects import first_run
from kubechain.controllers.task.steps import CreateRun
from test.controllers.builders import TASK_UID, a_task
from test.controllers.task.builders import NEW, seen


def test_the_run_is_owned_labelled_and_named_after_its_task() -> None:
    run = first_run(NEW, "hello-1")
    owner = run.metadata.owner_references[0]
    assert (owner.kind, owner.name, owner.uid, owner.controller) == ("Task", "hello", TASK_UID, True)
    assert run.metadata.labels == {
        "kubechain.humanlayer.dev/task": "hello",
        "kubechain.humanlayer.dev/root": "hello-1",
        "kubechain.humanlayer.dev/agent": "my-assistant",
        "kubechain.humanlayer.dev/depth": "0",
    }
    assert run.spec.task_ref is not None
    assert run.spec.task_ref.name == "hello"


def test_a_task_name_of_253_characters_gives_a_valid_run() -> None:
    task = a_task("x" * 253, status=None)
    step = decide(seen(task))
    assert isinstance(step, CreateRun)
    run = first_run(task, step.name)
    assert len(run.metadata.name) <= 253
    assert len(run.metadata.labels[names.LABEL_TASK]) <= 63


def test_the_run_has_the_creator_of_its_task() -> None:
    annotations = {"kubechain.humanlayer.dev/created-by": "alice", "example.com/other": "x"}
    task = NEW.model_copy(update={"metadata": NEW.metadata.with_changes(annotations=annotations)})
    assert first_run(task, "hello-1").metadata.annotations == {"kubechain.humanlayer.dev/created-by": "alice"}


def test_a_run_whose_creator_nobody_recorded_has_no_annotation() -> None:
    assert "annotations" not in first_run(NEW, "hello-1").to_wire()["metadata"]
