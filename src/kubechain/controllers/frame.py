"""The control loop that all kinds share: get, deletion, finalizer, observe, decide, effect, settle, write.

`reconcile` is the loop; each kind implements its stages (`Kind`). `StatusWriter` writes what was settled. What must not
go here: anything that depends on a kind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Generic, Literal, Protocol, TypeVar

import structlog

from kubechain.api import conditions, reasons
from kubechain.api.meta import KubeObject, StatusObject, StatusType
from kubechain.api.usage import Usage
from kubechain.observability.steps import NO_STEP_SPANS, StepSpans
from kubechain.observability.witness import NOBODY, Witness
from kubechain.runtime.client import Client
from kubechain.runtime.controller import Result
from kubechain.runtime.errors import FINAL_REFUSALS, REFUSALS, NotFound, RetryableError, WriteRefused
from kubechain.runtime.keys import Request
from kubechain.runtime.resource import Resource
from kubechain.runtime.store import Lister

log = structlog.get_logger(__name__)

T = TypeVar("T", bound="StatusObject[Any, Any]")
ObservedT = TypeVar("ObservedT")
StepT = TypeVar("StepT")

CACHE_BEHIND_SECONDS = 1.0
"""Delay of the retry while the cache is behind the server; the watch event usually comes sooner."""


def cache_is_behind(what: str) -> RetryableError:
    """The error of a reconcile that read a change from the server which its cache does not have yet."""
    return RetryableError(f"the cache is behind: {what}", retry_after_seconds=CACHE_BEHIND_SECONDS)


def soonest(*waits_seconds: float | None) -> float | None:
    """The shortest of some waits, where None stands for none."""
    return min((seconds for seconds in waits_seconds if seconds is not None), default=None)


@dataclass(frozen=True, slots=True)
class Event:
    """An Event, as `kubectl describe` shows it: without prompts, arguments and secrets."""

    type: Literal["Normal", "Warning"]
    reason: str
    message: str


def normal(reason: str, message: str) -> Event:
    """An event of type Normal."""
    return Event("Normal", reason, message)


def warning(reason: str, message: str) -> Event:
    """An event of type Warning: somebody may have to act."""
    return Event("Warning", reason, message)


@dataclass(frozen=True, slots=True)
class Settled:
    """What a step leads to: changes of the status, events, and when to reconcile again.

    Attributes:
        status: The changed status fields by attribute name; empty when the object is as it should be.
        events: Recorded only when the status was written, so that a repeated reconcile repeats no event.
        requeue_after_seconds: None waits for a watch event.
        facts: More keys for the log line of the transition.
        is_echo: Whether the status only repeats that of another object, whose own line tells it.
    """

    status: dict[str, Any] = field(default_factory=dict[str, Any])
    events: Sequence[Event] = ()
    requeue_after_seconds: float | None = None
    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])
    is_echo: bool = False

    def then(self, following: Settled) -> Settled:
        """Both in one write.

        Args:
            following: Settled from the status that this one leads to.
        """
        return Settled(
            self.status | following.status,
            (*self.events, *following.events),
            following.requeue_after_seconds,
            {**self.facts, **following.facts},
            self.is_echo and following.is_echo,
        )


def readiness(
    obj: StatusObject[Any, Any], status: StatusType, *, reason: str, message: str, now: datetime, detail: str = ""
) -> dict[str, Any]:
    """The status fields of kinds that are Pending, Ready or Error, with their Ready condition.

    A verdict on the spec as it is also says that the other conditions hold for it: what changes them is told again.

    Args:
        detail: What DETAIL shows, where that is not the message.
    """
    is_ready = status == StatusType.READY
    known = conditions.with_condition(
        obj.status.conditions,
        type=conditions.READY,
        status=is_ready,
        reason=reason,
        message=message,
        now=now,
        observed_generation=obj.metadata.generation,
    )
    return {
        "ready": is_ready,
        "status": status,
        "status_detail": detail or message,
        "conditions": conditions.confirmed(known, obj.metadata.generation),
    }


class Recorder(Protocol):
    """Where events go. The runtime's recorder satisfies it; tests pass a list."""

    def event(self, obj: KubeObject, event_type: str, reason: str, message: str, *, is_end: bool = False) -> None:
        """Record one event about `obj`; never blocks and never fails.

        Args:
            is_end: Whether it tells the end of the object's work: such events are dropped last.
        """
        ...


@dataclass(frozen=True, slots=True)
class Done:
    """The reconcile ends here.

    Attributes:
        requeue_after_seconds: When to reconcile again without a change; None waits for a watch event.
    """

    requeue_after_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Again(Generic[T]):
    """The same reconcile goes on, with what the server has now.

    Attributes:
        obj: The object as it was written or read; None when it is gone.
        is_live: Whether it is what the server has now, so that the next step may create other objects.
    """

    obj: T | None
    is_live: bool = True


@dataclass(frozen=True, slots=True)
class StatusWriter(Generic[T]):
    """Writes the settled status of one kind conditionally, then records its events, logs and tells the transition."""

    resource: Resource[T]
    client: Client
    recorder: Recorder
    witness: Witness = NOBODY
    step_spans: StepSpans = NO_STEP_SPANS

    async def write(self, obj: T, settled: Settled) -> T | None:
        """Write what changed; an unchanged status costs no request, no event and no log line.

        Returns:
            The object as the server has it now: `obj` itself when nothing changed, None when it is gone.

        Raises:
            Conflict: Another writer was first; the next reconcile reads its version.
            WriteRefused: The server says no, and may say yes later.
        """
        wanted = next_version(obj, settled)
        if wanted is obj:
            return obj
        try:
            written = await self.client.update_status(self.resource, wanted)
        except NotFound:
            # The watch event of the deletion ends the work on the object.
            log.debug("object is gone, status dropped")
            return None
        except FINAL_REFUSALS:
            raise
        except REFUSALS as error:
            raise WriteRefused(f'the status of {obj.kind} "{obj.metadata.name}"', error) from error
        self.announce(obj, written, settled)
        return written

    async def finish(self, obj: T, settled: Settled) -> Done:
        """Write, and end the reconcile."""
        await self.write(obj, settled)
        return Done(settled.requeue_after_seconds)

    async def read(self, obj: T) -> T | None:
        """The object as the server has it now; None when it is gone or another one has its name."""
        try:
            found = await self.client.get(self.resource, obj.metadata.namespace, obj.metadata.name)
        except NotFound:
            return None
        return found if found.metadata.uid == obj.metadata.uid else None

    async def add_finalizer(self, obj: T, finalizer: str) -> T | None:
        """Add one finalizer to the object as it was decided on.

        Returns:
            The object as the server has it now; None when it is gone.

        Raises:
            Conflict: Another writer was first; the next reconcile reads its version.
            WriteRefused: The server says no.
        """
        return await self._set_finalizers(obj, [*obj.metadata.finalizers, finalizer])

    async def drop_finalizer(self, obj: T, finalizer: str) -> None:
        """Remove one finalizer, and no other, from the object as it was decided on.

        Raises:
            Conflict: Another writer was first; the next reconcile reads its version.
            WriteRefused: The server says no.
        """
        kept = [one for one in obj.metadata.finalizers if one != finalizer]
        if len(kept) < len(obj.metadata.finalizers):
            await self._set_finalizers(obj, kept)

    async def _set_finalizers(self, obj: T, wanted: list[str]) -> T | None:
        metadata, patch = obj.metadata, {"metadata": {"finalizers": wanted or None}}
        try:
            return await self.client.patch(
                self.resource, metadata.namespace, metadata.name, patch, resource_version=metadata.resource_version
            )
        except NotFound:
            return None
        except REFUSALS as error:
            raise WriteRefused(f'a change of the finalizers of {obj.kind} "{metadata.name}"', error) from error

    def announce(self, before: T, after: T, settled: Settled) -> None:
        """Record the events and the log line of a status that is now persisted, and tell who listens."""
        is_end = getattr(after.status, "completion_time", None) is not None
        for event in settled.events:
            self.recorder.event(after, event.type, event.reason, event.message, is_end=is_end)
        _log_transition(before, after, settled)
        self.witness.wrote(before, after)


class Kind(Protocol[T, ObservedT, StepT]):
    """The stages of one kind's reconcile.

    Attributes:
        finalizer: The kind's own finalizer. Objects of a kind that has one are decided on until they are gone, those
            of other kinds until they are deleted.
        live_steps: Steps that create other objects. They are decided on an object that was read from the server in
            this reconcile: what a cache that is behind still asks for may have been made and deleted since.
    """

    finalizer: ClassVar[str | None]
    live_steps: ClassVar[tuple[type[Any], ...]]

    @property
    def writer(self) -> StatusWriter[T]:
        """Reads and writes objects of the kind."""
        ...

    async def observe(self, obj: T) -> ObservedT:
        """Read all that a decision needs, and change nothing."""
        ...

    def decide(self, observed: ObservedT) -> StepT | Done:
        """The next step: pure."""
        ...

    async def carry_out(self, observed: ObservedT, step: StepT) -> Again[T] | Done:
        """Carry out the effect of the step, settle its outcome, write the status."""
        ...

    def refused(self, observed: ObservedT, refusal: WriteRefused) -> Settled | None:
        """The status that says which write of the step the API server refuses, and what becomes of it: pure.

        None where the status cannot say it.
        """
        ...

    async def forget(self, request: Request) -> None:
        """Drop what this process holds for an object that is gone or deleted."""
        ...


async def reconcile(kind: Kind[T, ObservedT, StepT], lister: Lister[T], request: Request) -> Result:
    """Take one object through its steps until it has to wait, is finished or is gone."""
    obj, is_live = lister.get(request.namespace, request.name), False
    while obj is not None and (kind.finalizer is not None or obj.metadata.deletion_timestamp is None):
        observed = await kind.observe(obj)
        step = kind.decide(observed)
        if isinstance(step, Done):
            return Result(step.requeue_after_seconds)
        if isinstance(step, kind.live_steps) and not is_live:
            obj, is_live = await kind.writer.read(obj), True
            continue
        with kind.writer.step_spans.of(obj, step):
            after = await _carry_out(kind, obj, observed, step)
        if isinstance(after, Done):
            return Result(after.requeue_after_seconds)
        obj, is_live = after.obj, after.is_live
    await kind.forget(request)
    return Result()


async def _carry_out(kind: Kind[T, ObservedT, StepT], obj: T, observed: ObservedT, step: StepT) -> Again[T] | Done:
    """Carry out a step, or say which of its writes is refused."""
    try:
        return await kind.carry_out(observed, step)
    except WriteRefused as refusal:
        return await _tell(kind, obj, observed, refusal)


async def _tell(kind: Kind[T, ObservedT, StepT], obj: T, observed: ObservedT, refusal: WriteRefused) -> Again[T] | Done:
    """Say in the status which write the API server refuses; in an event where it refuses that of the status too.

    Raises:
        WriteRefused: Only the event could say it.
    """
    settled = kind.refused(observed, refusal)
    if settled is not None:
        try:
            written = await kind.writer.write(obj, settled)
        except WriteRefused as another:
            log.debug("the status cannot say what is refused", error=str(another))
        else:
            return Again(written) if settled.requeue_after_seconds is None else Done(settled.requeue_after_seconds)
    kind.writer.recorder.event(obj, "Warning", reasons.WRITE_REFUSED, str(refusal))
    raise refusal


def next_version(obj: T, settled: Settled) -> T:
    """`obj` with the settled status; `obj` itself when that changes nothing."""
    changes = {name: value for name, value in settled.status.items() if not _says(obj, name, value)}
    if not changes:
        return obj
    return obj.with_status(**(_generation_seen(obj, changes) | changes))


def _generation_seen(obj: StatusObject[Any, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The generation that the whole status is of: not a newer one than its Ready condition.

    Such as that of an LLM whose circuit opens after an edit and before the check of what was edited.
    """
    ready = conditions.find_condition(changes.get("conditions", obj.status.conditions), conditions.READY)
    is_behind = ready is not None and (ready.observed_generation or 0) < obj.metadata.generation
    if is_behind or (ready is None and conditions.READY in obj.status.condition_types):
        return {}
    return {"observed_generation": obj.metadata.generation}


def _says(obj: StatusObject[Any, Any], name: str, value: Any) -> bool:
    """Whether the stored status has that value: a default such as `ready: false` counts only once it was written."""
    is_silent = value is None or value == ()
    return getattr(obj.status, name) == value and (is_silent or name in obj.status.model_fields_set)


def _log_transition(before: StatusObject[Any, Any], after: StatusObject[Any, Any], settled: Settled) -> None:
    """Log the transition in one line, without prompts, arguments and answers.

    A write that changes nothing that the line shows, or repeats the line of another object, is for whoever debugs.
    """
    field_name = "phase" if hasattr(after.status, "phase") else "status"
    was, is_now = (str(getattr(one.status, field_name) or "") for one in (before, after))
    keys: dict[str, Any] = {"detail": after.status.status_detail, field_name: was, f"next_{field_name}": is_now}
    if settled.events:
        keys["reason"] = settled.events[-1].reason
    span = getattr(after.status, "span_context", None)
    if span is not None:
        keys["trace_id"] = span.trace_id
    spent = _spent(before, after)
    is_shown = spent or (was, before.status.status_detail) != (is_now, after.status.status_detail)
    if settled.is_echo or not is_shown:
        level = log.debug
    else:
        level = log.warning if getattr(after.status, "status", None) == StatusType.ERROR else log.info
    level("transition", **keys, **settled.facts, **spent)


def _spent(before: StatusObject[Any, Any], after: StatusObject[Any, Any]) -> dict[str, int]:
    """The tokens of the model call whose outcome this status records; none for another one."""
    was, is_now = (getattr(one.status, "usage", None) for one in (before, after))
    if not isinstance(is_now, Usage):
        return {}
    was = was or Usage()
    sent, written = is_now.input_tokens - was.input_tokens, is_now.output_tokens - was.output_tokens
    return {"input_tokens": sent, "output_tokens": written} if sent or written else {}
