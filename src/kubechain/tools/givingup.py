"""Decides whether a container that is given up has started, from what the API server has about its Job and Pods. Pure.

A call gives its container up when it cannot start, or has not started in time: the Job is deleted, and the call ends
with what this module decides. One of these is the next step, or the end:

    DeleteJob         the Job is not deleted yet
    Wait              it is not known yet
    NotStarted        no container of the Job has started, and none will
    MayHaveStarted    one has started, or may have

Only two things prove that a container has not started: its Pod was deleted before the scheduler had assigned it to a
node, or its node has ended the Pod and reports no container of it. That a Pod was last seen waiting proves nothing.
Kubelet does not break off the pull of an image when the Pod is deleted: it starts the container after the pull, stops
it, and only then ends the Pod.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from kubechain.tools import podstate
from kubechain.tools.podstate import Ended, JsonObject, Lost, NeverStarted, Running, Seen, Waiting

GIVEN_UP_SECONDS = 30.0
"""How long a node may take to end a Pod."""

PULL_SECONDS = 330.0
"""The same while an image is pulled: containerd breaks off a pull that has come to a halt after 300 seconds."""

COLLECTED_SECONDS = 3.0
"""How long the Job controller may take to see that a Job is deleted and makes no Pod any more; mostly milliseconds."""


Policy = Literal["Background", "Foreground"]
"""The Job goes at once and its Pod follows, or it goes once its Pod is gone."""


@dataclass(frozen=True, slots=True)
class DeleteJob:
    """The Job of this uid is to be deleted.

    In the foreground where its Pod may start: the Job stays as long as that is not known, and another manager that
    finds it goes on with this.
    """

    uid: str
    policy: Policy


@dataclass(frozen=True, slots=True)
class Wait:
    """It is not known yet whether the container has started."""

    words: str


@dataclass(frozen=True, slots=True)
class NotStarted:
    """No container of the Job has started, and none will."""


@dataclass(frozen=True, slots=True)
class MayHaveStarted:
    """A container of the Job has started, or it will never be known."""

    words: str


Step = DeleteJob | Wait | NotStarted | MayHaveStarted


def decide(seen: Seen | None, *, seconds: float, pulled_seconds: float = 0.0) -> Step:
    """Return what comes next.

    Args:
        seen: None where the API server gives no answer.
        seconds: Since the container is given up.
        pulled_seconds: How many of them had passed when a pull was last seen to go on; 0 where none was.
    """
    if seen is None:
        # Patience costs nothing here: what becomes of the call cannot be recorded meanwhile either.
        return _unless_over(Wait("the API server does not say what became of its Pod"), seconds, PULL_SECONDS)
    if started := next(filter(None, (_started(seen, pod) for pod in seen.pods)), ""):
        return MayHaveStarted(started)
    if seen.job is not None and not podstate.is_deleted(seen.job):
        return _delete(seen, seen.job, seconds)
    if doubts := [doubt for pod in seen.pods if (doubt := _doubt(seen, pod)) is not None]:
        return _unless_over(doubts[0], seconds, _limit_seconds(seen, pulled_seconds))
    if not seen.pods and seconds < COLLECTED_SECONDS:
        return Wait("the Job controller may still make its Pod")
    if seen.job is not None and seconds < GIVEN_UP_SECONDS:
        return Wait("its Job is not gone yet")  # another attempt makes a Job of the same name
    return NotStarted()


def _unless_over(doubt: Wait, seconds: float, limit_seconds: float) -> Wait | MayHaveStarted:
    return doubt if seconds < limit_seconds else MayHaveStarted(f"{doubt.words}, and may have started it")


def _delete(seen: Seen, job: JsonObject, seconds: float) -> DeleteJob | MayHaveStarted:
    if seconds >= GIVEN_UP_SECONDS:
        return MayHaveStarted("its Job could not be deleted, and may start it")
    is_over = bool(seen.pods) and all(map(_has_ended, seen.pods))
    return DeleteJob(job["metadata"]["uid"], "Background" if is_over else "Foreground")


def _limit_seconds(seen: Seen, pulled_seconds: float) -> float:
    """A node ends the Pod once its pull has ended, and takes its time for that."""
    return PULL_SECONDS if podstate.is_pulling(seen.events) else pulled_seconds + GIVEN_UP_SECONDS


def _started(seen: Seen, pod: JsonObject) -> str:
    """Why the container of a Pod has started, or nobody will ever know whether it has; empty where neither is so."""
    match podstate.state_of_pod(pod):
        case Running() | Ended():
            return "it started while it was given up, and was stopped"
        case Lost(words):
            return words
        case None if pod["metadata"]["name"] in seen.removed and podstate.is_assigned(pod):
            return "its Pod was removed before its node had given it up, and may have started it"
        case None | Waiting() | NeverStarted():
            return ""


def _doubt(seen: Seen, pod: JsonObject) -> Wait | None:
    """Why it is not certain yet that the container of a Pod has not started and will not; None where it is."""
    name = pod["metadata"]["name"]
    if name in seen.removed or _has_ended(pod):
        return None
    if name in seen.missing:
        return Wait("its Pod is gone, and nobody has said how it ended")
    if not podstate.is_deleted(pod):
        return Wait("its Pod is not deleted yet")
    return Wait("its node has not given it up") if podstate.is_assigned(pod) else None


def _has_ended(pod: JsonObject) -> bool:
    """Whether the node of a Pod says that it has not started its container, and starts it no more."""
    return isinstance(podstate.state_of_pod(pod), NeverStarted)
