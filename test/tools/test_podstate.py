"""What became of a container, by what Kubernetes says about its Job, its Pod and their Events."""

from __future__ import annotations

from typing import Any

import pytest

from kubechain.tools.model import Output
from kubechain.tools.podstate import (
    Ended,
    Lost,
    NeverStarted,
    Running,
    Seen,
    State,
    Waiting,
    exited,
    state_of,
    timed_out,
)

JsonObject = dict[str, Any]

UNSCHEDULABLE = {
    "type": "PodScheduled",
    "status": "False",
    "reason": "Unschedulable",
    "message": "0/1 nodes are available: 1 Insufficient cpu.",
}
PULL = 'Failed to pull image "busybox:nope": not found'
CREATING = {"reason": "ContainerCreating"}
DELETED: JsonObject = {"metadata": {"name": "job", "deletionTimestamp": "2026-01-01T00:00:00Z"}}


def a_job(*conditions: str, reason: str = "", message: str = "") -> JsonObject:
    said = {"status": "True", "reason": reason, "message": message}
    return {"metadata": {"name": "job"}, "status": {"conditions": [{"type": one, **said} for one in conditions]}}


def a_pod(*, phase: str = "Pending", reason: str = "", message: str = "", node: str = "", **state: Any) -> JsonObject:
    statuses = [{"name": "tool", "state": state, "started": "running" in state}] if state else []
    sidecar: JsonObject = {"name": "istio-proxy", "state": {"running": {}}, "started": True}
    return {
        "metadata": {"name": "pod"},
        "spec": {"containers": [{"name": "tool", "image": "busybox:nope"}], "nodeName": node},
        "status": {"phase": phase, "reason": reason, "message": message, "containerStatuses": [sidecar, *statuses]},
    }


def with_condition(pod: JsonObject, condition: JsonObject) -> JsonObject:
    pod["status"]["conditions"] = [{"type": "Ready", "status": "False", "reason": "ContainersNotReady"}, condition]
    return pod


def with_id(pod: JsonObject) -> JsonObject:
    pod["status"]["containerStatuses"][-1]["containerID"] = "containerd://1"
    return pod


def an_event(reason: str, message: str, *, at: str = "2026-01-01T00:00:00Z", type: str = "Warning") -> JsonObject:
    return {"type": type, "reason": reason, "message": message, "lastTimestamp": at}


def ended(code: int, **words: str) -> JsonObject:
    return {"exitCode": code, **words}


@pytest.mark.parametrize(
    ("seen", "state"),
    [
        pytest.param(Seen({}), Waiting("its Pod is not created yet"), id="a new Job"),
        pytest.param(
            Seen(a_job(), (), (an_event("FailedCreate", 'serviceaccount "x" not found'),)),
            Waiting('FailedCreate: serviceaccount "x" not found'),
            id="a ServiceAccount that is not there",
        ),
        pytest.param(
            Seen(a_job("Suspended", message="Job suspended")),
            Waiting("Suspended: Job suspended"),
            id="a queue for Jobs holds it back",
        ),
        pytest.param(
            Seen(a_job(), [with_condition(a_pod(), UNSCHEDULABLE)]),
            Waiting("Unschedulable: 0/1 nodes are available: 1 Insufficient cpu."),
            id="no node has room",
        ),
        pytest.param(
            Seen(a_job(), [a_pod(waiting=CREATING)], (an_event("Pulling", "Pulling image", type="Normal"),)),
            Waiting("Pulling: Pulling image"),
            id="a slow pull",
        ),
        pytest.param(
            Seen(
                a_job(),
                [a_pod(waiting=CREATING)],
                (
                    an_event("FailedCreatePodSandBox", "newer", at="2026-01-01T00:00:02Z"),
                    an_event("FailedMount", "older", at="2026-01-01T00:00:01Z"),
                ),
            ),
            Waiting("FailedCreatePodSandBox: newer"),
            id="its sandbox fails; the newest event counts",
        ),
        pytest.param(
            Seen(
                a_job(),
                [a_pod(waiting=CREATING)],
                (
                    an_event("Scheduled", "Successfully assigned", type="Normal"),
                    an_event("Pulling", "Pulling image", type="Normal"),
                ),
            ),
            Waiting("Pulling: Pulling image"),
            id="a slow pull that began in the second in which it was scheduled",
        ),
        pytest.param(Seen(a_job(), [a_pod(waiting=CREATING)]), Waiting("ContainerCreating"), id="starting"),
        pytest.param(
            Seen(a_job(), [a_pod(waiting={"reason": "ErrImagePull", "message": PULL})]),
            Waiting(f"ErrImagePull: {PULL}"),
            id="one pull failed: the next one may not",
        ),
        pytest.param(
            Seen(
                a_job(),
                [a_pod(waiting={"reason": "ImagePullBackOff", "message": 'Back-off pulling image "busybox:nope"'})],
                (an_event("Failed", PULL), an_event("Failed", "Error: ErrImagePull", at="2027-01-01T00:00:00Z")),
            ),
            Waiting(f'ImagePullBackOff: Back-off pulling image "busybox:nope": Failed: {PULL}', is_final=True),
            id="no such image; kubelet's cause is in an event",
        ),
        pytest.param(
            Seen(a_job(), [a_pod(waiting={"reason": "InvalidImageName", "message": "couldn't parse"})]),
            Waiting('InvalidImageName: couldn\'t parse (image "busybox:nope")', is_final=True),
            id="no image's name",
        ),
        pytest.param(
            Seen(a_job(), [a_pod(waiting={"reason": "CreateContainerError", "message": "no command"})]),
            Waiting('CreateContainerError: no command (image "busybox:nope")', is_final=True),
            id="a container that cannot be made",
        ),
        pytest.param(Seen(a_job(), [a_pod(running={})]), Running(), id="running"),
        pytest.param(Seen(None, [a_pod(running={})]), Running(), id="running, although its Job is gone"),
        pytest.param(Seen(a_job(), [a_pod(terminated=ended(0))]), Ended(0), id="done, before its Job knows"),
        pytest.param(Seen(a_job("Complete"), []), Ended(0), id="done, and its Pod is gone"),
        pytest.param(Seen(None, [a_pod(terminated=ended(0))]), Ended(0), id="done, and its Job is gone"),
        pytest.param(Seen(a_job(), [a_pod(terminated=ended(3, reason="Error"))]), Ended(3), id="an exit code"),
        pytest.param(
            Seen(a_job(), [a_pod(terminated=ended(137, reason="OOMKilled"))]), Ended(137, "OOMKilled"), id="no memory"
        ),
        pytest.param(
            Seen(a_job(), [a_pod(phase="Failed", reason="Evicted", message="no disk", terminated=ended(137))]),
            Ended(137, "Evicted: no disk"),
            id="evicted while it ran",
        ),
        pytest.param(
            Seen(a_job("Failed"), [a_pod(terminated=ended(128, reason="StartError", message='exec: "frob"'))]),
            NeverStarted('StartError: exec: "frob"'),
            id="a program that is not there",
        ),
        pytest.param(
            Seen(a_job(), [a_pod(phase="Failed", reason="OutOfcpu", message="rejected")]),
            NeverStarted("OutOfcpu: rejected"),
            id="refused by its node",
        ),
        pytest.param(
            Seen(a_job("Failed", reason="DeadlineExceeded"), [a_pod(waiting=CREATING)]),
            NeverStarted("its Job failed: DeadlineExceeded"),
            id="out of time before its start",
        ),
        pytest.param(
            Seen(a_job(), [with_id(a_pod(terminated=ended(137, reason="ContainerStatusUnknown", message="lost")))]),
            Lost("ContainerStatusUnknown: lost"),
            id="a node that came back without it",
        ),
        pytest.param(
            Seen(
                a_job(), [a_pod(phase="Failed", terminated=ended(137, reason="ContainerStatusUnknown", message="lost"))]
            ),
            NeverStarted("ContainerStatusUnknown: lost"),
            id="deleted before it was created",
        ),
        pytest.param(
            Seen(a_job("Failed", reason="DeadlineExceeded")),
            Lost("timed out: the container was stopped, and its Pod is gone"),
            id="out of time, its Pod is gone",
        ),
        pytest.param(
            Seen(a_job("Failed", reason="BackoffLimitExceeded")),
            Lost("its Pod is gone, and how it ended is not known"),
            id="its Pod is gone",
        ),
        pytest.param(Seen(None), Lost("its Job is gone, and how it ended is not known"), id="everything is gone"),
        pytest.param(
            Seen(a_job() | DELETED),
            Lost("its Job is gone, and how it ended is not known"),
            id="its Job is being deleted",
        ),
        pytest.param(
            Seen(a_job("Complete") | DELETED), Ended(0), id="done, its Pod is gone, and its Job is being deleted"
        ),
        pytest.param(
            Seen(None, [with_condition(a_pod(), UNSCHEDULABLE)]),
            Waiting("its Job was deleted: Unschedulable: 0/1 nodes are available: 1 Insufficient cpu.", is_final=True),
            id="somebody deleted its Job before a node had it",
        ),
        pytest.param(
            Seen(a_job() | DELETED, [a_pod(waiting=CREATING)], (an_event("Pulling", "Pulling image", type="Normal"),)),
            Waiting("its Job was deleted: Pulling: Pulling image", is_final=True),
            id="an earlier manager gave it up while it was pulled",
        ),
        pytest.param(
            Seen(a_job(), [a_pod(phase="Failed", node="n", waiting=CREATING)]),
            Lost("its node is gone, and how it ended is not known"),
            id="marked as failed by whoever removes the Pods of a node that is gone",
        ),
    ],
)
def test_the_state_of_a_container(seen: Seen, state: State) -> None:
    assert state_of(seen) == state


def test_what_a_container_wrote_is_its_answer() -> None:
    assert exited(0, "") == Output("[no output]")
    assert exited(3, "no\n", words="OOMKilled") == Output("exit code 3 (OOMKilled)\nno", is_error=True)
    assert timed_out(8, "so far\n") == Output("timed out: the container was stopped after 8 s\nso far", is_error=True)
