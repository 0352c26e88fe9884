"""What an outcome means for an LLM's status: pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from kubechain.api import conditions, reasons
from kubechain.api.llm import LLM
from kubechain.api.meta import Condition, StatusType
from kubechain.controllers.frame import Event, Settled, normal, readiness, warning
from kubechain.controllers.llm import retirement
from kubechain.controllers.llm.outcomes import Outcome, Rejected, Unknown, Unverified, Verified
from kubechain.llm import providers
from kubechain.llm.client import ModelFacts
from kubechain.net.backoff import Backoff
from kubechain.net.foreign import cut

PARAMETERS_IGNORED = "ParametersIgnored"
"""Condition of an LLM with fields in its spec that have no effect; the LLM can be used all the same."""

DETAIL_MAX_CHARACTERS = 1_024

REJECTED_RECHECK_SECONDS = 600.0
"""A rejected key may be unlocked at the provider, which cannot be watched."""

RECHECK = Backoff(initial_seconds=5.0, max_seconds=60.0)
"""While the provider gives no verdict, checks start 5 s apart and double to one minute."""

FAILED_CHECKS_MAX = 3
"""So many checks without a verdict, over 15 s, end a readiness: fewer may be a restart of the server."""

UNVERIFIED = "Unverified"
"""Condition of an LLM that is used without a proof of its key and model."""


def settle(llm: LLM, outcome: Outcome, *, attempt: int, now: datetime) -> Settled:
    """The next status of an LLM after a check.

    Args:
        attempt: How many times in a row the provider was asked, for the backoff.
    """
    match outcome:
        case Verified(facts):
            return _ready(llm, reasons.VALIDATION_SUCCEEDED, _proved(llm), facts, now)
        case Unverified(detail, facts):
            return _ready(llm, reasons.UNVERIFIED, cut(detail, DETAIL_MAX_CHARACTERS), facts, now)
        case Rejected(detail):
            return refused(llm, detail, now, requeue_after_seconds=REJECTED_RECHECK_SECONDS)
        case Unknown(detail, retry_after_seconds, is_busy):
            wait = max(retry_after_seconds or 0.0, RECHECK.seconds(attempt - 1))
            may_stay_ready = is_busy or attempt < FAILED_CHECKS_MAX
            return _unknown(llm, detail, wait, now, may_stay_ready=may_stay_ready)


def refused(llm: LLM, detail: str, now: datetime, *, requeue_after_seconds: float | None = None) -> Settled:
    """An LLM that cannot be used, and why."""
    status = readiness(llm, StatusType.ERROR, reason=reasons.VALIDATION_FAILED, message=detail, now=now)
    return Settled(status, _news(llm, detail, warning(reasons.VALIDATION_FAILED, detail)), requeue_after_seconds)


def _proved(llm: LLM) -> str:
    """The detail of a check that proved something. It claims no more than what was proved."""
    if llm.spec.validation == "Call":
        return reasons.MODEL_ANSWERED
    if llm.spec.api_key_from is None:
        return reasons.ENDPOINT_ANSWERED
    return reasons.api_key_validated(providers.title_of(llm.spec))


def _ready(llm: LLM, reason: str, detail: str, facts: ModelFacts | None, now: datetime) -> Settled:
    status = readiness(llm, StatusType.READY, reason=reason, message=detail, now=now)
    known = _with_ignored_parameters(llm, status["conditions"], now)
    known = _with_unverified(llm, known, reason, detail, now)
    status["conditions"] = retirement.with_condition(llm, known, facts, now)
    if facts is not None or llm.status.model is not None:
        status["model"] = retirement.model_status(facts)
    events = (*_news(llm, detail, normal(reason, detail)), *retirement.events(llm, facts, now))
    return Settled(status, events, retirement.seconds_until_news(facts, now))


def _with_unverified(
    llm: LLM, known: Sequence[Condition], reason: str, detail: str, now: datetime
) -> Sequence[Condition]:
    """Say that nothing was proved; an LLM of which all was proved ever since gets no such condition."""
    is_unverified = reason == reasons.UNVERIFIED
    if not is_unverified and conditions.find_condition(known, UNVERIFIED) is None:
        return known
    return conditions.with_condition(
        known,
        type=UNVERIFIED,
        status=is_unverified,
        reason=reason,
        message=detail,
        now=now,
        observed_generation=llm.metadata.generation,
    )


def _with_ignored_parameters(llm: LLM, known: Sequence[Condition], now: datetime) -> Sequence[Condition]:
    """Say which fields of the spec have no effect; an LLM that never had any gets no such condition."""
    ignored = providers.ignored_parameters(llm)
    if not ignored and conditions.find_condition(known, PARAMETERS_IGNORED) is None:
        return known
    return conditions.with_condition(
        known,
        type=PARAMETERS_IGNORED,
        status=bool(ignored),
        reason=reasons.PARAMETERS_NOT_TAKEN if ignored else reasons.PARAMETERS_TAKEN,
        message=reasons.parameters_not_taken(ignored) if ignored else "",
        now=now,
        observed_generation=llm.metadata.generation,
    )


def circuit(llm: LLM, detail: str | None, now: datetime) -> Settled:
    """Runs wait for the provider instead of calling it, or do so no longer. Whether the LLM is Ready stays as it is.

    Args:
        detail: The failure that opened the circuit; None where it is closed.
    """
    is_open = detail is not None
    reason = reasons.PROVIDER_FAILING if is_open else reasons.PROVIDER_ANSWERS
    text = reasons.circuit_open(detail) if is_open else reasons.CIRCUIT_CLOSED
    known = conditions.with_condition(
        llm.status.conditions,
        type=conditions.CIRCUIT_OPEN,
        status=is_open,
        reason=reason,
        message=cut(text, DETAIL_MAX_CHARACTERS),
        now=now,
        observed_generation=llm.metadata.generation,
    )
    return Settled({"conditions": known}, (warning(reason, text) if is_open else normal(reason, text),))


def _unknown(llm: LLM, detail: str, wait_seconds: float, now: datetime, *, may_stay_ready: bool) -> Settled:
    current = llm.metadata.generation == llm.status.observed_generation
    if llm.status.status == StatusType.READY and current and may_stay_ready:
        return Settled(requeue_after_seconds=wait_seconds)
    # Stable between tries, so that a provider that is down for hours costs one write and one event.
    text = f"Waiting for the provider: {detail}"
    status = readiness(llm, StatusType.PENDING, reason=reasons.WAITING, message=text, now=now)
    return Settled(status, _news(llm, text, warning(reasons.WAITING, text)), wait_seconds)


def _news(llm: LLM, detail: str, event: Event) -> tuple[Event, ...]:
    """An event only where the status says something new."""
    return () if llm.status.status_detail == detail else (event,)
