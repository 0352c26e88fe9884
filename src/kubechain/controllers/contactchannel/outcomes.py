"""What a check of a channel can lead to."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reachable:
    """People can be reached, as far as a free check tells."""

    detail: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """The spec, a Secret or the service must change first."""

    detail: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """The service gave no verdict; it is asked again."""

    detail: str
    retry_after_seconds: float | None


Outcome = Reachable | Rejected | Unknown
