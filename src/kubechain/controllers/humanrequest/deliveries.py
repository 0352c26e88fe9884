"""When a request is sent to its contact channel, and what its status says of it: pure.

A delivery is claimed in the status before anything is sent. A claim that nobody recorded an outcome for is void after
`CLAIM_SECONDS`; whoever comes then looks the message up first, where the channel can be asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from kubechain.api import names, reasons
from kubechain.api.conditions import is_true, with_condition
from kubechain.api.contactchannel import ContactChannel
from kubechain.api.humanrequest import DELIVERED, REMINDED, Delivery, DeliveryState, HumanRequest, HumanRequestPhase
from kubechain.controllers.frame import Done, Event, Settled, normal, soonest, warning
from kubechain.controllers.humanrequest.due import Due
from kubechain.controllers.humanrequest.steps import CloseDelivery, Deliver, Release, TellOfChannel
from kubechain.net.backoff import Backoff
from kubechain.net.foreign import cut, harmless

CLAIM_SECONDS = 60.0
"""How long a claim counts: longer than looking a message up and sending it take together."""

RETRY = Backoff(initial_seconds=5.0, max_seconds=3_600.0)
"""Between two attempts; kubectl decides meanwhile."""

ATTEMPTS_MAX_TO_CLOSE = 20
"""After so many attempts a message stays as it is: its buttons and links have no effect any more."""

DELETED_SECONDS_MAX = 120.0
"""How long a deleted request stays for its messages: longer than a claim, so that what may have been sent is told. A
channel that is down must not keep a namespace from being deleted."""

ERROR_MAX_CHARACTERS = 512

_MISSING = "it does not exist"

_AT_ONCE = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Sent:
    """The message is at the channel."""

    external_id: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The message was not sent.

    Attributes:
        is_unclear: Whether it may have been sent all the same.
        is_unusable: Whether the channel cannot be used before its spec or its Secret is changed.
    """

    error: str
    retry_after_seconds: float | None = None
    is_unclear: bool = False
    is_unusable: bool = False


Outcome = Sent | Failed


def next_message(
    request: HumanRequest, due: Sequence[Due], now: datetime, *, wake_at: datetime | None
) -> TellOfChannel | Deliver | Done:
    """The next step of an open request: what can be sent goes first, and no channel waits for another.

    Args:
        due: Its messages.
        wake_at: When something else is due.
    """
    steps = [next_delivery(request, one, now) for one in due]
    until_woken = (wake_at - now).total_seconds() if wake_at is not None else None
    waits = (step.requeue_after_seconds for step in steps if isinstance(step, Done))
    sending = [step for step in steps if isinstance(step, Deliver)]
    wait_seconds = 0.0 if len(sending) > 1 else soonest(until_woken, *waits)
    if sending:
        return replace(sending[0], wait_seconds=wait_seconds)
    telling = next((step for step in steps if isinstance(step, TellOfChannel)), None)
    return Done(wait_seconds) if telling is None else replace(telling, wait_seconds=wait_seconds)


def next_delivery(request: HumanRequest, due: Due, now: datetime) -> TellOfChannel | Deliver | Done:
    """The next step for one message of an open request."""
    channel, contact = due.channel, due.contact
    if due.at is not None and now < due.at:
        return Done((due.at - now).total_seconds())
    found = delivery_by(request, channel, is_reminder=due.is_reminder)
    if found is not None and found.state in (DeliveryState.SENT, DeliveryState.CLOSED):
        return Done()
    if found is not None and found.next_attempt_at is not None and now < found.next_attempt_at:
        return Done((found.next_attempt_at - now).total_seconds())
    if contact is None:
        return TellOfChannel(channel, _MISSING)
    if not contact.status.ready:
        return TellOfChannel(channel, f"it is not ready: {contact.status.status_detail or 'it is being checked'}")
    attempts = found.attempts if found is not None else 0
    claim = Delivery(
        channel=channel,
        state=DeliveryState.SENDING,
        reminder=due.is_reminder,
        attempts=attempts + 1,
        next_attempt_at=now + timedelta(seconds=CLAIM_SECONDS),
    )
    return Deliver(contact, claim, is_unclear=found is not None and found.state != DeliveryState.FAILED)


def next_closing(
    request: HumanRequest, contact: ContactChannel | None, now: datetime
) -> CloseDelivery | Release | Done:
    """The next step of a request that is over: its messages say so.

    Args:
        contact: The channel of the delivery that is open still.
    """
    found, left_seconds = open_delivery(request), deletion_left_seconds(request, now)
    if found is None:
        return Release() if is_held(request) else Done()
    if left_seconds is not None and left_seconds <= 0.0:
        text = found.error or "there was no time left for it"
        return Release(f'the message at ContactChannel "{found.channel}" does not say that the request is over: {text}')
    if found.next_attempt_at is not None and now < found.next_attempt_at:
        return Done(soonest((found.next_attempt_at - now).total_seconds(), left_seconds))
    return CloseDelivery(contact, found)


def is_held(request: HumanRequest) -> bool:
    """Whether the request has our finalizer."""
    return names.HUMAN_REQUEST_FINALIZER in request.metadata.finalizers


def deletion_left_seconds(request: HumanRequest, now: datetime) -> float | None:
    """For how long a deleted request may stay; None for one that is not deleted, or that nothing of ours holds."""
    deleted_at = request.metadata.deletion_timestamp
    if deleted_at is None or not is_held(request):
        return None
    return DELETED_SECONDS_MAX - (now - deleted_at).total_seconds()


def open_delivery(request: HumanRequest) -> Delivery | None:
    """The delivery that is due first of those whose message does not say yet that the request is over."""
    over = (DeliveryState.CLOSED, DeliveryState.FAILED)
    found = (one for one in request.status.deliveries if one.state not in over)
    return min(found, key=lambda one: one.next_attempt_at or _AT_ONCE, default=None)


def delivery_by(request: HumanRequest, channel: str, *, is_reminder: bool) -> Delivery | None:
    """The delivery of a message by one channel."""
    wanted = (channel, is_reminder)
    return next((one for one in request.status.deliveries if (one.channel, one.reminder) == wanted), None)


def holds(request: HumanRequest, claim: Delivery) -> bool:
    """Whether a claim is still the newest attempt."""
    found = delivery_by(request, claim.channel, is_reminder=claim.reminder)
    return found is not None and (found.state, found.attempts) == (claim.state, claim.attempts)


def told(request: HumanRequest, step: TellOfChannel, now: datetime) -> Settled:
    """The status of a request that is not sent."""
    phase = {} if request.status.is_over else {"phase": HumanRequestPhase.OPEN}
    if not step.channel:
        return Settled(phase, requeue_after_seconds=step.wait_seconds)
    text = _text(f'not sent to ContactChannel "{step.channel}": {step.obstacle}; decide with kubectl')
    status: dict[str, Any] = {**phase, "status_detail": text, "conditions": _conditions(request, text, now)}
    return Settled(status, _news(request, warning(reasons.KUBECTL_DECIDES, text)), step.wait_seconds)


def reminded(request: HumanRequest, message: str, now: datetime) -> Settled:
    """The status of a request about which people are reminded."""
    known = with_condition(
        request.status.conditions,
        REMINDED,
        status=True,
        reason=reasons.REMINDED,
        message=message,
        now=now,
        observed_generation=request.metadata.generation,
    )
    phase = {} if request.status.is_over else {"phase": HumanRequestPhase.OPEN}
    return Settled({**phase, "conditions": known}, (warning(reasons.REMINDED, message),))


def claimed(request: HumanRequest, claim: Delivery) -> Settled:
    """The status that claims an attempt."""
    phase = {} if request.status.is_over else {"phase": HumanRequestPhase.OPEN}
    return Settled({**phase, "deliveries": _with(request, claim)})


def recorded(request: HumanRequest, claim: Delivery, outcome: Outcome, now: datetime) -> Settled:
    """The status that an attempt leads to."""
    match outcome:
        case Sent(external_id):
            sent = claim.with_changes(
                state=DeliveryState.SENT, sent_at=now, external_id=external_id, next_attempt_at=None
            )
            text = f'sent to ContactChannel "{claim.channel}"'
            return _settled(request, sent, text, normal(reasons.DELIVERED, text), now, is_sent=True)
        case Failed(error, retry_after_seconds, is_unclear):
            wait = max(RETRY.seconds(claim.attempts - 1), retry_after_seconds or 0.0)
            state = DeliveryState.UNCLEAR if is_unclear else DeliveryState.FAILED
            failed = claim.with_changes(state=state, error=_text(error), next_attempt_at=now + timedelta(seconds=wait))
            text = _text(
                f'not sent to ContactChannel "{claim.channel}": {error}; it is tried again, and kubectl decides'
            )
            return _settled(request, failed, text, warning(reasons.NOT_DELIVERED, text), now, wait_seconds=wait)


def closed(request: HumanRequest, delivery: Delivery, failure: Failed | None, now: datetime) -> Settled:
    """The status of a request whose message was told how it ended.

    Args:
        failure: Why it could not be told; None where it was.
    """
    attempts = delivery.attempts + 1
    is_last = attempts > ATTEMPTS_MAX_TO_CLOSE or (_is_deleted(request) and failure is not None and failure.is_unusable)
    if failure is None or is_last:
        error = failure and f"the message does not say that the request is over: {failure.error}"
        done = delivery.with_changes(state=DeliveryState.CLOSED, next_attempt_at=None, error=error and _text(error))
        return Settled({"deliveries": _with(request, done)})
    wait = max(RETRY.seconds(attempts - 1), failure.retry_after_seconds or 0.0)
    later = delivery.with_changes(
        attempts=attempts, error=_text(failure.error), next_attempt_at=now + timedelta(seconds=wait)
    )
    return Settled({"deliveries": _with(request, later)})


def _settled(
    request: HumanRequest,
    delivery: Delivery,
    text: str,
    event: Event,
    now: datetime,
    *,
    is_sent: bool = False,
    wait_seconds: float | None = None,
) -> Settled:
    status: dict[str, Any] = {
        "deliveries": _with(request, delivery),
        "conditions": _conditions(request, text, now, is_sent=is_sent),
    }
    if not request.status.is_over:
        status["status_detail"] = text
    return Settled(status, _news(request, event), wait_seconds)


def _is_deleted(request: HumanRequest) -> bool:
    return request.metadata.deletion_timestamp is not None


def _conditions(request: HumanRequest, text: str, now: datetime, *, is_sent: bool = False) -> Any:
    if not is_sent and is_true(request.status.conditions, DELIVERED):
        return request.status.conditions
    return with_condition(
        request.status.conditions,
        DELIVERED,
        status=is_sent,
        reason=reasons.DELIVERED if is_sent else reasons.KUBECTL_DECIDES,
        message=text,
        now=now,
        observed_generation=request.metadata.generation,
    )


def _news(request: HumanRequest, event: Event) -> tuple[Event, ...]:
    """An event only where the status says something new: an outage of days leaves one event."""
    return () if request.status.status_detail == event.message else (event,)


def _with(request: HumanRequest, delivery: Delivery) -> tuple[Delivery, ...]:
    known = request.status.deliveries
    own = (delivery.channel, delivery.reminder)
    if delivery_by(request, delivery.channel, is_reminder=delivery.reminder) is None:
        return (*known, delivery)
    return tuple(delivery if (one.channel, one.reminder) == own else one for one in known)


def _text(text: str) -> str:
    return cut(harmless(text), ERROR_MAX_CHARACTERS)
