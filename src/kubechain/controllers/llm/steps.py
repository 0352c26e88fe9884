"""What an LLM's control loop does next: one frozen value for each step."""

from __future__ import annotations

from dataclasses import dataclass

from kubechain.controllers.checks import Report


@dataclass(frozen=True, slots=True)
class Refuse:
    """The spec cannot work until it or a Secret changes; nothing is asked.

    Attributes:
        look_again_seconds: When to look at the Secret again; None for a change that a watch tells of.
    """

    detail: str
    look_again_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """Ask the provider, as `spec.validation` says.

    Attributes:
        attempt: 1 for the first check of this version, more while there is no verdict.
        report: What a run found since the last check; None for nothing.
    """

    attempt: int
    report: Report | None = None


@dataclass(frozen=True, slots=True)
class TellCircuit:
    """Say in the status that the circuit opened or closed.

    Attributes:
        detail: The failure that opened it; None where it is closed.
    """

    detail: str | None


@dataclass(frozen=True, slots=True)
class TellFallbacks:
    """Say in the status which fallbacks runs would pass over.

    Attributes:
        troubles: One sentence for each of them.
    """

    troubles: tuple[str, ...]


Step = Refuse | Check | TellCircuit | TellFallbacks
