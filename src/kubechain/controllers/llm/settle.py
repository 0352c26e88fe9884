"""What an outcome means for an LLM's status: pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from kubechain.api import conditions, reasons
from kubechain.api.llm import LLM
from kubechain.api.meta import Condition, StatusType
from kubechain.controllers.frame import Event, Settled, normal, readiness, warning
from kubechain.controllers.llm.outcomes import Outcome, Rejected, Unknown, Verified
from kubechain.llm import providers
from kubechain.net.backoff import Backoff

PARAMETERS_IGNORED = "ParametersIgnored"
"""Condition of an LLM with fields in its spec that have no effect; the LLM can be used all the same."""

REJECTED_RECHECK_SECONDS = 600.0
"""A rejected key may be unlocked at the provider, which cannot be watched."""

RECHECK = Backoff(initial_seconds=5.0, max_seconds=300.0)
"""While the provider gives no verdict, checks start 5 s apart and double to 5 min."""


def settle(llm: LLM, outcome: Outcome, *, attempt: int, now: datetime) -> Settled:
    """The next status of an LLM after a check.

    Args:
        attempt: How many times in a row the provider was asked, for the backoff.
    """
    match outcome:
        case Verified():
            return _verified(llm, now)
        case Rejected(detail):
            return refused(llm, detail, now, requeue_after_seconds=REJECTED_RECHECK_SECONDS)
        case Unknown(detail, retry_after_seconds):
            return _unknown(llm, detail, max(retry_after_seconds or 0.0, RECHECK.seconds(attempt - 1)), now)


def refused(llm: LLM, detail: str, now: datetime, *, requeue_after_seconds: float | None = None) -> Settled:
    """An LLM that cannot be used, and why."""
    status = readiness(llm, StatusType.ERROR, reason=reasons.VALIDATION_FAILED, message=detail, now=now)
    return Settled(status, _news(llm, detail, warning(reasons.VALIDATION_FAILED, detail)), requeue_after_seconds)


def _verified(llm: LLM, now: datetime) -> Settled:
    # Without a key nothing was validated but the endpoint: the status must not claim more.
    title = providers.title_of(llm.spec.provider)
    detail = reasons.api_key_validated(title) if llm.spec.api_key_from else "Model endpoint answered"
    status = readiness(llm, StatusType.READY, reason=reasons.VALIDATION_SUCCEEDED, message=detail, now=now)
    status["conditions"] = _with_ignored_parameters(llm, status["conditions"], now)
    return Settled(status, _news(llm, detail, normal(reasons.VALIDATION_SUCCEEDED, detail)))


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


def _unknown(llm: LLM, detail: str, wait_seconds: float, now: datetime) -> Settled:
    current = llm.metadata.generation == llm.status.observed_generation
    if llm.status.status == StatusType.READY and current:
        return Settled(requeue_after_seconds=wait_seconds)
    # Stable between tries, so that a provider that is down for hours costs one write and one event.
    text = f"Waiting for the provider: {detail}"
    status = readiness(llm, StatusType.PENDING, reason=reasons.WAITING, message=text, now=now)
    return Settled(status, _news(llm, text, warning(reasons.WAITING, text)), wait_seconds)


def _news(llm: LLM, detail: str, event: Event) -> tuple[Event, ...]:
    """An event only where the status says something new."""
    return () if llm.status.status_detail == detail else (event,)
