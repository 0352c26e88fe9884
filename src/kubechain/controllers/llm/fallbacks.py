"""What an LLM's status says of its fallbacks: pure.

A fallback that is missing or not ready is passed over by runs, and does not keep the LLM itself from being used. The
fallbacks of a fallback do not count, so that two LLMs may be each other's.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from kubechain.api import conditions, reasons
from kubechain.api.llm import LLM
from kubechain.api.meta import StatusType
from kubechain.controllers.frame import Event, Settled, normal, warning


def wrong(llm: LLM) -> str | None:
    """What is wrong with the list itself."""
    names = [one.name for one in llm.spec.fallbacks]
    if llm.metadata.name in names:
        return f'spec.fallbacks[{names.index(llm.metadata.name)}]: LLM "{llm.metadata.name}" cannot be its own fallback'
    doubled = next((index for index, name in enumerate(names) if name in names[:index]), None)
    return f'spec.fallbacks[{doubled}]: LLM "{names[doubled]}" is named twice' if doubled is not None else None


def trouble(name: str, found: LLM | None) -> str | None:
    """Why runs pass over a fallback; None where they do not."""
    if found is None:
        return f'LLM "{name}" does not exist'
    return None if found.status.status == StatusType.READY else f'LLM "{name}" is not ready'


def is_news(llm: LLM, troubles: Sequence[str]) -> bool:
    """Whether the status says something else of the fallbacks."""
    told = conditions.find_condition(llm.status.conditions, conditions.FALLBACKS_READY)
    if told is None:
        return bool(llm.spec.fallbacks)
    return (told.status == "True", told.message) != (not troubles, _text(troubles))


def told(llm: LLM, troubles: Sequence[str], now: datetime) -> Settled:
    """The status that says which fallbacks runs would pass over. Whether the LLM is Ready stays as it is."""
    reason = reasons.FALLBACKS_NOT_READY if troubles else reasons.FALLBACKS_READY
    before = conditions.find_condition(llm.status.conditions, conditions.FALLBACKS_READY)
    known = conditions.with_condition(
        llm.status.conditions,
        type=conditions.FALLBACKS_READY,
        status=not troubles,
        reason=reason,
        message=_text(troubles),
        now=now,
        observed_generation=llm.metadata.generation,
    )
    events: tuple[Event, ...] = ()
    if troubles:
        events = (warning(reason, _text(troubles)),)
    elif before is not None:
        events = (normal(reason, _text(troubles)),)
    return Settled({"conditions": known}, events)


def _text(troubles: Sequence[str]) -> str:
    return f"runs pass over: {'; '.join(troubles)}" if troubles else "every fallback can be used"
