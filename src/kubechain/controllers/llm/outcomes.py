"""What a check of an LLM can lead to: values, so that settling them is a pure function."""

from __future__ import annotations

from dataclasses import dataclass

from kubechain.controllers.checks import Report
from kubechain.llm.client import ModelFacts


@dataclass(frozen=True, slots=True)
class Verified:
    """The key is valid and the model exists.

    Attributes:
        facts: What the provider says of the model; None where it says nothing.
    """

    facts: ModelFacts | None = None


@dataclass(frozen=True, slots=True)
class Unverified:
    """The server can be called, as far as can be told; whether it takes the key and has the model is not known.

    Attributes:
        detail: Why it is not known.
        facts: What the server says of the model; None where it says nothing.
    """

    detail: str
    facts: ModelFacts | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """The provider refused: only a change of spec, Secret or account helps."""

    detail: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """No verdict: 429, 5xx, time-out or no connection. The last verdict stands for a while.

    Attributes:
        is_busy: Whether the server answered that it is asked too often: it can be used.
    """

    detail: str
    retry_after_seconds: float | None
    is_busy: bool = False


Outcome = Verified | Unverified | Rejected | Unknown


def with_report(outcome: Outcome, report: Report | None) -> Outcome:
    """Return what a check means after a run was refused.

    What the check proves counts more: the report of a refused key ends with a key that is proved. What no check can
    prove stands as the run found it: the account's credit, and all of it where the server shows nothing.
    """
    if report is None or isinstance(outcome, Rejected):
        return outcome
    if isinstance(outcome, Verified) and report.is_checkable:
        return outcome
    return Rejected(report.detail)
