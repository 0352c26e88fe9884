"""Whether a container that is given up has started: what proves it, what is waited for, and what stays unknown."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from kubechain.tools.givingup import (
    COLLECTED_SECONDS,
    GIVEN_UP_SECONDS,
    PULL_SECONDS,
    DeleteJob,
    MayHaveStarted,
    NotStarted,
    Step,
    Wait,
    decide,
)
from kubechain.tools.podstate import Seen

JsonObject = dict[str, Any]

DELETED: JsonObject = {"deletionTimestamp": "2026-01-01T00:00:00Z"}
WAITING = {"waiting": {"reason": "ContainerCreating"}}
ENDED_BY_NODE = {"terminated": {"reason": "ContainerStatusUnknown", "exitCode": 137}}
PULLING = {"reason": "Pulling", "type": "Normal", "lastTimestamp": "2026-01-01T00:00:00Z"}
PULL_FAILED = {"reason": "Failed", "type": "Warning", "lastTimestamp": "2026-01-01T00:00:01Z"}


def a_job(**metadata: Any) -> JsonObject:
    return {"metadata": {"name": "job", "uid": "job-uid", **metadata}}


def a_pod(*, node: str = "node-1", phase: str = "Pending", state: JsonObject = WAITING, **metadata: Any) -> JsonObject:
    statuses = [{"name": "tool", "state": state}]
    status = {"phase": phase, "containerStatuses": statuses}
    return {"metadata": {"name": "pod", **metadata}, "spec": {"nodeName": node}, "status": status}


UNASSIGNED = a_pod(node="", state={})
DELETED_JOB, DELETED_POD = a_job(**DELETED), a_pod(**DELETED)
NOT_GIVEN_UP = "its node has not given it up"


@pytest.mark.parametrize(
    ("seen", "step"),
    [
        pytest.param(Seen(a_job(), [UNASSIGNED]), DeleteJob("job-uid", "Foreground"), id="no node has room"),
        pytest.param(Seen(a_job(), [a_pod()]), DeleteJob("job-uid", "Foreground"), id="a node is starting it"),
        pytest.param(Seen(a_job()), DeleteJob("job-uid", "Foreground"), id="a quota keeps its Pod from being made"),
        pytest.param(
            Seen(a_job(), [a_pod(state={"terminated": {"reason": "StartError", "exitCode": 128}})]),
            DeleteJob("job-uid", "Background"),
            id="its program is not there: nothing is to be waited for",
        ),
        pytest.param(Seen(DELETED_JOB, [a_pod()]), Wait("its Pod is not deleted yet"), id="its Pod follows its Job"),
        pytest.param(Seen(DELETED_JOB, [DELETED_POD]), Wait(NOT_GIVEN_UP), id="its node has still to end it"),
        pytest.param(Seen(None, [DELETED_POD]), Wait(NOT_GIVEN_UP), id="the same, and somebody removed its Job"),
        pytest.param(
            Seen(None, [a_pod()], missing={"pod"}),
            Wait("its Pod is gone, and nobody has said how it ended"),
            id="a list without its Pod is ahead of the watch",
        ),
        pytest.param(Seen(None), Wait("the Job controller may still make its Pod"), id="no Pod, but one may come"),
        pytest.param(None, Wait("the API server does not say what became of its Pod"), id="the API server fails"),
    ],
)
def test_what_is_not_known_yet_is_waited_for(seen: Seen | None, step: Step) -> None:
    assert decide(seen, seconds=1) == step


@pytest.mark.parametrize(
    "seen",
    [
        pytest.param(Seen(None, [UNASSIGNED], removed={"pod"}), id="its Pod was removed before a node had it"),
        pytest.param(Seen(None, [UNASSIGNED | {"metadata": {"name": "pod", **DELETED}}]), id="or marked as deleted"),
        pytest.param(
            Seen(None, [a_pod(phase="Failed", state=ENDED_BY_NODE)], removed={"pod"}),
            id="its node ended its Pod and had no container of it",
        ),
        pytest.param(
            Seen(None, [a_pod(phase="Failed", state=ENDED_BY_NODE, **DELETED)]), id="the same, its Pod still there"
        ),
        pytest.param(
            Seen(None, [a_pod(state={"terminated": {"reason": "StartError", "exitCode": 128}})]),
            id="its program is not there",
        ),
    ],
)
def test_what_proves_that_nothing_has_started(seen: Seen) -> None:
    assert decide(seen, seconds=1) == NotStarted()
    still_there = replace(seen, job=DELETED_JOB)
    assert decide(still_there, seconds=1) == Wait("its Job is not gone yet")
    assert decide(still_there, seconds=GIVEN_UP_SECONDS) == NotStarted()


def test_without_a_pod_nothing_has_started_once_the_job_controller_makes_none_any_more() -> None:
    assert decide(Seen(None), seconds=COLLECTED_SECONDS) == NotStarted()


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        pytest.param(Seen(a_job(), [a_pod(state={"running": {}})]), "it started while", id="it runs"),
        pytest.param(
            Seen(None, [a_pod(phase="Failed", state={"terminated": {"reason": "Error", "exitCode": 143}})]),
            "it started while",
            id="it was started after its pull, and stopped",
        ),
        pytest.param(
            Seen(None, [a_pod()], removed={"pod"}),
            "its Pod was removed before its node had given it up",
            id="somebody removed its Pod by force",
        ),
        pytest.param(
            Seen(None, [a_pod(phase="Failed")], removed={"pod"}), "its node is gone", id="its node is gone with its Pod"
        ),
    ],
)
def test_what_may_have_started_is_said_at_once(seen: Seen, words: str) -> None:
    step = decide(seen, seconds=1)
    assert isinstance(step, MayHaveStarted)
    assert step.words.startswith(words)


@pytest.mark.parametrize(
    ("seen", "limit_seconds", "words"),
    [
        pytest.param(None, PULL_SECONDS, "the API server does not say", id="the API server does not answer"),
        pytest.param(
            Seen(a_job(), [a_pod()]), GIVEN_UP_SECONDS, "its Job could not be deleted", id="no right to delete"
        ),
        pytest.param(Seen(None, [a_pod()]), GIVEN_UP_SECONDS, "its Pod is not deleted", id="no garbage collector"),
        pytest.param(Seen(None, [a_pod()], missing={"pod"}), GIVEN_UP_SECONDS, "its Pod is gone", id="no watch"),
        pytest.param(Seen(None, [DELETED_POD]), GIVEN_UP_SECONDS, NOT_GIVEN_UP, id="its node does not answer"),
        pytest.param(
            Seen(None, [DELETED_POD], [PULLING, PULL_FAILED]), GIVEN_UP_SECONDS, NOT_GIVEN_UP, id="its pull has failed"
        ),
        pytest.param(Seen(None, [DELETED_POD], [PULLING]), PULL_SECONDS, NOT_GIVEN_UP, id="its pull goes on"),
        pytest.param(
            Seen(None, [DELETED_POD], [PULL_FAILED | {"lastTimestamp": PULLING["lastTimestamp"]}, PULLING]),
            PULL_SECONDS,
            NOT_GIVEN_UP,
            id="a pull goes on that began in the second in which the one before failed",
        ),
        pytest.param(
            Seen(None, [DELETED_POD], [PULL_FAILED, PULLING | {"lastTimestamp": "2026-01-01T00:01:00Z"}]),
            PULL_SECONDS,
            NOT_GIVEN_UP,
            id="its second pull goes on",
        ),
    ],
)
def test_what_does_not_become_known_in_time_stays_unknown(seen: Seen | None, limit_seconds: float, words: str) -> None:
    assert isinstance(decide(seen, seconds=limit_seconds - 0.1), Wait | DeleteJob)
    step = decide(seen, seconds=limit_seconds)
    assert isinstance(step, MayHaveStarted)
    assert step.words.startswith(words)


def test_a_node_whose_pull_has_ended_has_time_to_end_the_pod() -> None:
    seen, over = Seen(None, [DELETED_POD], [PULLING, PULL_FAILED]), 100 + GIVEN_UP_SECONDS
    assert decide(seen, seconds=over - 0.1, pulled_seconds=100) == Wait(NOT_GIVEN_UP)
    assert isinstance(decide(seen, seconds=over, pulled_seconds=100), MayHaveStarted)
