"""Reads what became of the container of a call, from its Job, its Pod and their Events. Pure.

A container is in one of these states; each says what its caller needs to know:

    Waiting        it has not started; the words of Kubernetes say why, and whether waiting may help
    Running        it has started
    Ended          its process has ended by itself, or was stopped by the node: its log and exit code are the result
    NeverStarted   it has not started, and never will
    Lost           how it ended is not known

The words are those of kubelet, the scheduler and the Job controller, unchanged: people search for them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from kubechain.net.foreign import one_line
from kubechain.tools.container import CONTAINER_NAME
from kubechain.tools.model import Output

WORDS_CHARACTERS = 512
"""Maximum length of the words of Kubernetes in a message; a scheduler that lists its nodes is longer."""

CANNOT_START = frozenset(
    {
        "CreateContainerConfigError",
        "CreateContainerError",
        "ErrImageNeverPull",
        "ImageInspectError",
        "ImagePullBackOff",
        "InvalidImageName",
        "RunContainerError",
        "SignatureValidationFailed",
    }
)
"""Reasons of kubelet for which it is not worth to wait: somebody has to change the Tool or the cluster."""

NEVER_RAN = frozenset({"StartError", "ContainerCannotRun", "CreateContainerError", "RunContainerError"})
"""Reasons of a container that counts as terminated although its program never ran."""

STATUS_UNKNOWN = "ContainerStatusUnknown"
"""What kubelet says of each container that it does not find when a Pod ends. It has reported an id if there was one: a
Pod that is deleted before its container is created ends like that."""

ABOUT_PULLS = frozenset({"Pulling", "Pulled", "Failed", "BackOff"})
"""Reasons of kubelet's Events that say when a pull begins and how it ends."""

SILENT = frozenset({"", "ContainerCreating", "PodInitializing"})
"""Reasons that do not say what is waited for."""

JsonObject = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Seen:
    """What the API server has about the container of a call.

    Attributes:
        job: None when there is none.
        pods: Pods of the Job, those that are gone as they were last seen.
        events: Of the Pods, or of the Job while it has none; needed only while the container waits.
        removed: Names of the Pods that are gone, and whose state is their last one: the server said so.
        missing: Names of the Pods that are gone, and whose last state was not seen.
    """

    job: JsonObject | None
    pods: Sequence[JsonObject] = ()
    events: Sequence[JsonObject] = ()
    removed: Collection[str] = ()
    missing: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class Waiting:
    """The container has not started.

    Attributes:
        words: What Kubernetes says about it.
        is_final: Whether waiting will not help.
    """

    words: str
    is_final: bool = False


@dataclass(frozen=True, slots=True)
class Running:
    """The container has started."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The container has ended.

    Attributes:
        words: Why, where the exit code does not say it: OOMKilled, Evicted and the like.
    """

    code: int
    words: str = ""


@dataclass(frozen=True, slots=True)
class NeverStarted:
    """The container has not started, and never will."""

    words: str


@dataclass(frozen=True, slots=True)
class Lost:
    """How the container ended is not known."""

    words: str


State = Waiting | Running | Ended | NeverStarted | Lost


def state_of(seen: Seen) -> State:
    """Return the state of the container of a call."""
    pod = seen.pods[-1] if seen.pods else None
    if pod is not None and (state := state_of_pod(pod)) is not None:
        return state
    if seen.job is not None and (state := _of_job(seen.job, pod)) is not None:
        return state
    return _waiting(seen, pod) if seen.job is not None and not is_deleted(seen.job) else _of_deleted_job(seen, pod)


def state_of_pod(pod: JsonObject) -> State | None:
    """Return what a Pod says about its container; None while that has not started and may."""
    status = _container_status(pod)
    terminated = _at(status, "state", "terminated")
    if isinstance(terminated, dict):
        return _terminated(pod, cast(dict[str, Any], terminated))
    if _is_running(status):
        return Running()
    match _text(pod, "status", "phase"):
        case "Succeeded":
            return Ended(0)
        case "Failed":
            return _failed(pod)
        case _:
            return None


def is_assigned(pod: JsonObject) -> bool:
    """Whether a node was told to start the Pod."""
    return bool(_at(pod, "spec", "nodeName"))


def is_deleted(obj: JsonObject) -> bool:
    """Whether the object is marked as deleted. The scheduler assigns no such Pod; its node may be starting it."""
    return bool(_at(obj, "metadata", "deletionTimestamp"))


def is_pulling(events: Sequence[JsonObject]) -> bool:
    """Whether an image is being pulled, as far as the Events of the Pod say it."""
    return _text(_newest([event for event in events if event.get("reason") in ABOUT_PULLS]), "reason") == "Pulling"


def exited(code: int, log: str, *, words: str = "") -> Output:
    """Return the output of a finished container: its log, after the exit code if that is not 0."""
    if code == 0:
        return Output(log or "[no output]")
    return Output(f"exit code {code}{f' ({words})' if words else ''}\n{log}".rstrip(), is_error=True)


def timed_out(timeout_seconds: float, log: str) -> Output:
    """Return the output of a container that was stopped after its time: what it had written until then."""
    return Output(f"timed out: the container was stopped after {timeout_seconds:g} s\n{log}".rstrip(), is_error=True)


def _terminated(pod: JsonObject, terminated: JsonObject) -> State:
    reason, message = _text(terminated, "reason"), _text(terminated, "message")
    if reason in NEVER_RAN:
        return NeverStarted(_words(reason, message))
    if reason == STATUS_UNKNOWN:
        was_created = _at(_container_status(pod), "containerID")
        return Lost(_words(reason, message)) if was_created else NeverStarted(_words(reason, message))
    of_pod = _words(_text(pod, "status", "reason"), _text(pod, "status", "message"))
    code = terminated.get("exitCode", 1)
    return Ended(int(code), of_pod or ("" if reason in ("Error", "Completed") else reason))


def _failed(pod: JsonObject) -> State:
    """A node that refuses a Pod, or evicts it before its start, says why.

    Who removes the Pods of a node that is gone marks them as failed too, and does not know whether they have started.
    """
    reason, message = _text(pod, "status", "reason"), _text(pod, "status", "message")
    return NeverStarted(_words(reason, message)) if reason else Lost("its node is gone, and how it ended is not known")


def _is_running(status: JsonObject) -> bool:
    return "running" in (_at(status, "state") or {}) or bool(status.get("started") or status.get("restartCount"))


def _of_job(job: JsonObject, pod: JsonObject | None) -> State | None:
    conditions = {one.get("type"): one for one in _dicts(job, "status", "conditions") if one.get("status") == "True"}
    if "Complete" in conditions:
        return Ended(0)
    if (failed := conditions.get("Failed")) is None:
        return None
    if pod is not None:
        return NeverStarted(_words(f"its Job failed: {_text(failed, 'reason')}", _text(failed, "message")))
    if failed.get("reason") == "DeadlineExceeded":
        return Lost("timed out: the container was stopped, and its Pod is gone")
    return Lost("its Pod is gone, and how it ended is not known")


def _of_deleted_job(seen: Seen, pod: JsonObject | None) -> State:
    if pod is None:
        return Lost("its Job is gone, and how it ended is not known")
    return Waiting(f"its Job was deleted: {_waiting(seen, pod).words}", is_final=True)


def _waiting(seen: Seen, pod: JsonObject | None) -> Waiting:
    if pod is None:
        suspended = [one for one in _dicts(seen.job, "status", "conditions") if one.get("type") == "Suspended"]
        said = [one for one in suspended if one.get("status") == "True"]
        words = _of_event(seen.events, {"Warning"}) or "; ".join(
            _words("Suspended", _text(one, "message")) for one in said
        )
        return Waiting(words or "its Pod is not created yet")
    waiting = _at(_container_status(pod), "state", "waiting")
    reason = _text(waiting, "reason")
    if reason not in SILENT:
        words = _words(reason, _text(waiting, "message") or _of_event(seen.events, {"Warning"}))
        return Waiting(_with_image(_with_cause(words, seen.events), pod), is_final=reason in CANNOT_START)
    for one in _dicts(pod, "status", "conditions"):
        if one.get("type") == "PodScheduled" and one.get("status") == "False":
            return Waiting(_words(_text(one, "reason"), _text(one, "message")))
    return Waiting(_of_event(seen.events, {"Warning", "Normal"}) or reason or "its Pod is not started yet")


def _with_cause(words: str, events: Sequence[JsonObject]) -> str:
    """Say why a pull failed: before 1.30, kubelet says that in an event only."""
    if not words.startswith("ImagePullBackOff") or "ErrImagePull" in words:
        return words
    pulls = [event for event in events if "pull" in _text(event, "message") and event.get("reason") == "Failed"]
    return _words(words, _of_event(pulls, {"Warning"}))


def _with_image(words: str, pod: JsonObject) -> str:
    """Name the image where kubelet's words do not."""
    images = [str(one.get("image")) for one in _dicts(pod, "spec", "containers") if one.get("name") == CONTAINER_NAME]
    missing = [image for image in images if image not in words]
    return f'{words} (image "{missing[0]}")' if missing else words


def _of_event(events: Sequence[JsonObject], types: set[str]) -> str:
    """Return the words of the newest event of some types; empty without one."""
    told = [event for event in events if event.get("type") in types and event.get("message")]
    newest = _newest(told)
    return _words(_text(newest, "reason"), _text(newest, "message"))


def _newest(events: Sequence[JsonObject]) -> JsonObject | None:
    """Return the newest event; of those of one second the last, since kubelet's names of events sort by their time."""
    return max(reversed(events), key=_moment, default=None)


def _moment(event: JsonObject) -> str:
    """When an event was last seen, in a form that sorts to the second."""
    series = _text(event, "series", "lastObservedTime")
    moment = series or _text(event, "lastTimestamp") or _text(event, "eventTime")
    return (moment or _text(event, "metadata", "creationTimestamp"))[:19]


def _words(reason: str, message: str) -> str:
    return one_line(": ".join(filter(None, (reason, message))), WORDS_CHARACTERS)


def _container_status(pod: JsonObject) -> JsonObject:
    statuses = [one for one in _dicts(pod, "status", "containerStatuses") if one.get("name") == CONTAINER_NAME]
    return statuses[0] if statuses else {}


def _text(value: Any, *path: str) -> str:
    found = _at(value, *path)
    return found if isinstance(found, str) else ""


def _at(value: Any, *path: str) -> Any:
    for key in path:
        value = cast(dict[str, Any], value).get(key) if isinstance(value, dict) else None
    return value


def _dicts(value: Any, *path: str) -> list[dict[str, Any]]:
    found = _at(value, *path)
    return [item for item in cast(list[Any], found) if isinstance(item, dict)] if isinstance(found, list) else []
