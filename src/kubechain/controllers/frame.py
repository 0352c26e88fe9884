"""The frame that all reconcilers share: what a decision leads to, and the one function that writes it.

Called from every `reconciler` module of the kinds. What does not belong here: anything that knows a kind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol, TypeVar

import structlog

from kubechain.api import conditions
from kubechain.api.meta import KubeObject, StatusObject, StatusType
from kubechain.runtime.client import Client
from kubechain.runtime.errors import NotFound, RetryableError
from kubechain.runtime.resource import Resource

log = structlog.get_logger(__name__)

T = TypeVar("T", bound="StatusObject[Any, Any]")

CACHE_BEHIND_SECONDS = 1.0
"""The watch brings what is missing, as a rule sooner; until then asking again would only ask the same."""


def cache_is_behind(what: str) -> RetryableError:
    """The error of a reconcile that saw on the server what its cache does not know yet."""
    return RetryableError(f"the cache is behind: {what}", retry_after_seconds=CACHE_BEHIND_SECONDS)


@dataclass(frozen=True, slots=True)
class Event:
    """What a person reads under `kubectl describe`: never a prompt, an argument or a secret."""

    type: Literal["Normal", "Warning"]
    reason: str
    message: str


def normal(reason: str, message: str) -> Event:
    """An event about something that went as it should."""
    return Event("Normal", reason, message)


def warning(reason: str, message: str) -> Event:
    """An event about something that a person may have to act on."""
    return Event("Warning", reason, message)


@dataclass(frozen=True, slots=True)
class Settled:
    """The end of one pass over an object: its next status, what to tell people, and when to look again.

    Attributes:
        status: The changed status fields by attribute name; empty when the object is as it should be.
        events: Recorded only when the status was really written, so that a repeated pass repeats no event.
        requeue_after_seconds: None waits for a watch event.
        facts: More keys for the log line of the transition.
    """

    status: dict[str, Any] = field(default_factory=dict[str, Any])
    events: Sequence[Event] = ()
    requeue_after_seconds: float | None = None
    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])


def readiness(
    obj: StatusObject[Any, Any], status: StatusType, *, reason: str, message: str, now: datetime, detail: str = ""
) -> dict[str, Any]:
    """The status fields of kinds that are Pending, Ready or Error, with the condition that says the same.

    Args:
        detail: What DETAIL shows, where that is not the message.
    """
    is_ready = status == StatusType.READY
    return {
        "ready": is_ready,
        "status": status,
        "status_detail": detail or message,
        "conditions": conditions.with_condition(
            obj.status.conditions,
            type=conditions.READY,
            status=is_ready,
            reason=reason,
            message=message,
            now=now,
            observed_generation=obj.metadata.generation,
        ),
    }


class Recorder(Protocol):
    """Where events go. The runtime's recorder satisfies it; tests pass a list."""

    def event(self, obj: KubeObject, event_type: str, reason: str, message: str) -> None:
        """Record one event about `obj`; never blocks and never fails."""
        ...


@dataclass(frozen=True, slots=True)
class StatusWriter:
    """Writes a settled status conditionally, then records its events and logs the transition."""

    client: Client
    recorder: Recorder

    async def write(self, resource: Resource[T], obj: T, settled: Settled) -> T | None:
        """Write what changed; an unchanged status costs no request, no event and no log line.

        Returns:
            The object as the server has it now: `obj` itself when nothing changed, None when it is gone.

        Raises:
            Conflict: Somebody else wrote first; the next pass sees what.
        """
        wanted = next_version(obj, settled)
        if wanted is obj:
            return obj
        try:
            written = await self.client.update_status(resource, wanted)
        except NotFound:
            # Deleted under our hands: its Deleted event is on the way, and there is nobody left to tell.
            log.debug("object is gone, status dropped")
            return None
        self.announce(obj, written, settled)
        return written

    def announce(self, before: StatusObject[Any, Any], after: StatusObject[Any, Any], settled: Settled) -> None:
        """Tell people about a status that is now persisted."""
        for event in settled.events:
            self.recorder.event(after, event.type, event.reason, event.message)
        _log_transition(before, after, settled)


def next_version(obj: T, settled: Settled) -> T:
    """`obj` with the settled status; `obj` itself when that changes nothing."""
    changes = {name: value for name, value in settled.status.items() if not _says(obj, name, value)}
    if not changes:
        return obj
    changes["observed_generation"] = obj.metadata.generation
    return obj.with_status(**changes)


def _says(obj: StatusObject[Any, Any], name: str, value: Any) -> bool:
    """Whether the status has that value for everybody to read: `ready: false` counts only once it is written."""
    is_silent = value is None or value == ()
    return getattr(obj.status, name) == value and (is_silent or name in obj.status.model_fields_set)


def _log_transition(before: StatusObject[Any, Any], after: StatusObject[Any, Any], settled: Settled) -> None:
    """One line of the story: no prompt, no argument, no answer."""
    keys: dict[str, Any] = {"detail": after.status.status_detail}
    if hasattr(after.status, "phase"):
        keys |= {"phase": str(before.status.phase or ""), "next_phase": str(after.status.phase or "")}
    else:
        keys |= {"status": str(after.status.status or "")}
    if settled.events:
        keys["reason"] = settled.events[-1].reason
    span = getattr(after.status, "span_context", None)
    if span is not None:
        keys["trace_id"] = span.trace_id
    log.info("transition", **keys, **settled.facts)
