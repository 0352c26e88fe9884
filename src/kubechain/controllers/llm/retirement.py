"""What the provider says of a model, as the status has it, and the warning before the model is retired. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from kubechain.api import conditions, reasons
from kubechain.api.llm import LLM, ModelStatus
from kubechain.api.meta import Condition, time_text
from kubechain.controllers.frame import Event, warning
from kubechain.llm.client import ModelFacts

MODEL_RETIRES = "ModelRetires"
"""Condition of an LLM whose model is about to be retired; the LLM can be used as long as the provider answers."""

NOTICE = timedelta(days=30)
"""Enough to try another model and to change every LLM that names this one."""

_RETIRED = "retired"


def model_status(facts: ModelFacts | None) -> ModelStatus | None:
    """Return what is known of a model as `status.model`; None where nothing is."""
    if facts is None:
        return None
    known = ModelStatus(
        display_name=facts.display_name,
        context_window=facts.context_window,
        max_output_tokens=facts.max_output_tokens,
        lifecycle=facts.lifecycle,
        retires_at=facts.retires_at,
    )
    return ModelStatus.from_wire(known.to_wire())  # only what is known counts as set


def seconds_until_news(facts: ModelFacts | None, now: datetime) -> float | None:
    """Return when the warning is due, or else the retirement, which the provider is asked about; None for neither."""
    if facts is None or facts.retires_at is None:
        return None
    waits = (
        (facts.retires_at - NOTICE - now).total_seconds(),
        (facts.retires_at - now).total_seconds(),
    )
    return next((wait for wait in waits if wait > 0), None)


def events(llm: LLM, facts: ModelFacts | None, now: datetime) -> tuple[Event, ...]:
    """Return the warning, where the LLM does not carry it yet."""
    notice = _notice(llm, facts, now)
    current = conditions.find_condition(llm.status.conditions, MODEL_RETIRES)
    if not notice or (current is not None and current.message == notice):
        return ()
    return (warning(reasons.MODEL_RETIRES_SOON, notice),)


def with_condition(
    llm: LLM, known: Sequence[Condition], facts: ModelFacts | None, now: datetime
) -> Sequence[Condition]:
    """Say that the model is retired soon; an LLM of which that was never true gets no such condition."""
    notice = _notice(llm, facts, now)
    if not notice and conditions.find_condition(known, MODEL_RETIRES) is None:
        return known
    return conditions.with_condition(
        known,
        type=MODEL_RETIRES,
        status=bool(notice),
        reason=reasons.MODEL_RETIRES_SOON if notice else reasons.MODEL_STAYS,
        message=notice,
        now=now,
        observed_generation=llm.metadata.generation,
    )


def _notice(llm: LLM, facts: ModelFacts | None, now: datetime) -> str:
    """The warning; empty where there is nothing to warn of."""
    if facts is None:
        return ""
    advice = "name another in parameters.model"
    if facts.lifecycle == _RETIRED:
        return f'the provider has retired the model "{llm.model_name}": {advice}'
    if facts.retires_at is None or facts.retires_at - NOTICE > now:
        return ""
    return f'the provider retires the model "{llm.model_name}" at {time_text(facts.retires_at)}: {advice}'
