"""What a check of an LLM can lead to: values, so that settling them is a pure function."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Verified:
    """The key is valid and the model exists."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """The provider refused: only a change of spec, Secret or account helps."""

    detail: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """No verdict: 429, 5xx, time-out or no connection. The last verdict stands."""

    detail: str
    retry_after_seconds: float | None


Outcome = Verified | Rejected | Unknown
