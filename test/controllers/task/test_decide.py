"""A Task makes one run, and says what its newest run says."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kubechain.api.meta import StatusType
from kubechain.api.task import LastRunPhase
from kubechain.api.taskrun import Pinned, TaskRun, TaskRunPhase
from kubechain.controllers.frame import Done
from kubechain.controllers.task.created import CreatedRun
from kubechain.controllers.task.decide import UNSEEN_SECONDS, decide
from kubechain.controllers.task.effects import first_run
from kubechain.controllers.task.observe import Observed
from kubechain.controllers.task.steps import CreateRun, LookForRun, Step, Wait
from test.controllers.builders import a_run, a_task, an_agent, later, meta
from test.controllers.task.builders import NEW, adopted, finished, followed, following, runs, seen, started

RUNNING = followed(LastRunPhase.RUNNING)
BROKEN = followed(LastRunPhase.FAILED, "b", output="first", is_broken=True, runs=runs(succeeded=1, failed=1))
FAILED = finished("hello-1", "", at=1, phase=TaskRunPhase.FAILED, status=StatusType.ERROR, error="no credit")


CREATED, SAID_NOW = CreatedRun("hello-1", 0.25), CreatedRun("hello-1", 0.0)


def own(run: TaskRun) -> TaskRun:
    """The run as the Task's own."""
    metadata = run.metadata.with_changes(owner_references=first_run(NEW, "hello-1").metadata.owner_references)
    return run.model_copy(update={"metadata": metadata})


def begun(sha: str | None) -> TaskRun:
    pinned = Pinned(agent_name="my-assistant", llm_name="gpt-4o", task_sha=sha)
    return a_run(phase=TaskRunPhase.READY_FOR_LLM, pinned=pinned)


@pytest.mark.parametrize(
    ("observed", "step"),
    [
        pytest.param(
            seen(agent=None),
            Wait('Waiting for agent "my-assistant" to exist: create it, or name another one'),
            id="the agent is missing",
        ),
        pytest.param(
            seen(agent=an_agent(status=StatusType.PENDING)),
            Wait('Waiting for agent "my-assistant" to become ready'),
            id="the agent is not ready",
        ),
        pytest.param(
            seen(agent=an_agent(status=StatusType.ERROR).with_status(status_detail='LLM "x" not found')),
            Wait('Waiting for agent "my-assistant" to become ready: LLM "x" not found', is_broken=True),
            id="the agent is in error",
        ),
        pytest.param(seen(), CreateRun("hello-1"), id="the agent is ready"),
        pytest.param(
            seen(agent=None, runs=(first_run(NEW, "hello-1"),)),
            adopted(),
            id="the run was made by a manager that died before it could say so",
        ),
        pytest.param(
            seen(agent=None, runs=(own(a_run()),), created=CREATED),
            Done(0.25),
            id="this manager made the run a moment ago",
        ),
        pytest.param(seen(agent=None, created=CREATED), Done(0.25), id="and the cache does not have it yet"),
        pytest.param(seen(runs=(own(a_run()),), created=SAID_NOW), adopted(), id="the run goes on after that moment"),
        pytest.param(seen(created=SAID_NOW), adopted(), id="the run is gone after that moment: it is not made again"),
        pytest.param(
            seen(runs=(own(finished("hello-1", "4", at=1)),), created=CREATED),
            adopted(LastRunPhase.FINAL_ANSWER, output="4"),
            id="the run answered within the moment",
        ),
        pytest.param(
            seen(runs=(own(FAILED),), created=CREATED),
            adopted(LastRunPhase.FAILED, detail='TaskRun "hello-1" failed: no credit', is_broken=True),
            id="the run failed within the moment",
        ),
        pytest.param(
            seen(runs=(own(finished("hello-1", "4", at=1)),)),
            adopted(LastRunPhase.FINAL_ANSWER, output="4"),
            id="the run ended while no manager was there",
        ),
        pytest.param(seen(started()), Done(UNSEEN_SECONDS), id="the run was made, and the cache may be behind"),
        pytest.param(
            seen(started(), now=later(60)), LookForRun("hello-1"), id="a run that had not ended is not in the cache"
        ),
        pytest.param(
            seen(following(started(), followed(LastRunPhase.FAILED, is_broken=True, detail="why")), now=later(60)),
            followed(LastRunPhase.FAILED, is_broken=True, detail="why", runs=runs()),
            id="a failed run was deleted, which changes nothing but the counts",
        ),
        pytest.param(
            seen(following(started(), followed(LastRunPhase.FAILED, is_broken=True, runs=runs())), now=later(60)),
            Done(),
            id="a failed run was deleted, and is not counted any more",
        ),
        pytest.param(
            seen(following(started(), followed(LastRunPhase.FINAL_ANSWER, output="first")), now=later(60)),
            followed(LastRunPhase.FINAL_ANSWER, output="first", runs=runs(), detail='TaskRun "hello-1" was deleted'),
            id="a run that had answered was deleted",
        ),
        pytest.param(seen(started(), agent=None, runs=(a_run(),)), RUNNING, id="the agent was deleted later"),
        pytest.param(
            seen(started(), runs=(finished("b", "second", at=2), finished("a", "first", at=1))),
            followed(LastRunPhase.FINAL_ANSWER, "b", output="second", runs=runs(succeeded=2)),
            id="the run that finished last gives the output",
        ),
        pytest.param(
            seen(
                started(),
                runs=(
                    finished("a", "first", at=1),
                    FAILED.model_copy(update={"metadata": finished("b", "", at=2).metadata}),
                ),
            ),
            replace(BROKEN, detail='TaskRun "b" failed: no credit'),
            id="a failed run has no output",
        ),
        pytest.param(
            seen(
                started(),
                runs=(
                    finished("a", "first", at=1),
                    finished("b", "", at=2, phase=TaskRunPhase.CANCELLED, status=StatusType.ERROR),
                ),
            ),
            replace(BROKEN, phase=LastRunPhase.CANCELLED, detail='TaskRun "b" was cancelled'),
            id="the newest run was cancelled",
        ),
        pytest.param(
            seen(
                started(),
                runs=(a_run(phase=TaskRunPhase.PENDING, status=StatusType.PENDING, status_detail="Waiting for it"),),
            ),
            followed(LastRunPhase.WAITING, detail='TaskRun "hello-1": Waiting for it'),
            id="the run waits",
        ),
        pytest.param(
            seen(
                started(),
                runs=(a_run(phase=TaskRunPhase.ERROR_BACKOFF, status=StatusType.ERROR, error="HTTP 503"),),
            ),
            followed(LastRunPhase.WAITING, detail='TaskRun "hello-1": trying again: HTTP 503', is_broken=True),
            id="the run tries again",
        ),
        pytest.param(
            seen(
                started(),
                runs=(a_run(phase=TaskRunPhase.SEND_CONTEXT_WINDOW_TO_LLM, status=StatusType.READY, error="HTTP 503"),),
            ),
            followed(LastRunPhase.WAITING, detail='TaskRun "hello-1": trying again: HTTP 503', is_broken=True),
            id="the next attempt alone does not end the trouble",
        ),
        pytest.param(
            seen(started(message="another"), runs=(begun(a_task().request_sha),)),
            followed(LastRunPhase.RUNNING, is_edited=True),
            id="the task was edited after its run began",
        ),
        pytest.param(
            seen(started(ttl_seconds_after_finished=1), runs=(begun(a_task().request_sha),)),
            RUNNING,
            id="an edit that the run does not depend on",
        ),
        pytest.param(
            seen(started(), runs=(a_run(), a_run().model_copy(update={"metadata": meta("again")}))),
            followed(LastRunPhase.RUNNING, "again", runs=runs(active=2)),
            id="a rerun of the same second is newer than the task's own run",
        ),
        pytest.param(
            seen(started(), runs=(begun(None),)), RUNNING, id="the run was begun by a release that did not keep it"
        ),
    ],
)
def test_decide(observed: Observed, step: Step | Done) -> None:
    assert decide(observed) == step
