"""What an LLM's control loop does next: one frozen value for each step."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Refuse:
    """The spec cannot work until it or a Secret changes."""

    detail: str


@dataclass(frozen=True, slots=True)
class Check:
    """Ask the provider, by a request that is not billed.

    Attributes:
        attempt: 1 for the first check of this version, more while there is no verdict.
    """

    attempt: int


Step = Refuse | Check
