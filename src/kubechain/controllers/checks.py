"""The last check of each LLM at its provider, and its invalidation.

Kept in memory only: after a restart each LLM is checked again, and nothing is written when nothing changed.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from kubechain.runtime.keys import Request
from kubechain.runtime.sources import Trigger

DOUBT_PAUSE_SECONDS = 10.0
"""Least time between two checks that failing runs ask for, of which there may be thousands."""


@dataclass(frozen=True, slots=True)
class Checked:
    """The last check of one LLM.

    Attributes:
        fingerprint: Generation of the LLM and version of its Secret.
        recheck_at: Monotonic time of the next check; None when only a change can lead to another result.
        attempt: How many times in a row the provider gave no verdict.
        checked_at: Monotonic time of this check.
    """

    fingerprint: str
    recheck_at: float | None = None
    attempt: int = 0
    checked_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Report:
    """What a run found out about an LLM: its provider refuses it.

    Attributes:
        generation: Of the LLM that the run used; an edited one is another.
        is_checkable: Whether a check can prove the contrary: of a key it can, of the account's credit it cannot.
    """

    detail: str
    generation: int
    is_checkable: bool


@dataclass(slots=True)
class LLMChecks:
    """The last check of every LLM, and what runs found since.

    Attributes:
        trigger: Feeds the control loop of LLMs.
    """

    trigger: Trigger
    _checked: dict[Request, Checked] = field(default_factory=dict[Request, Checked])
    _reports: dict[Request, Report] = field(default_factory=dict[Request, Report])

    def get(self, llm: Request) -> Checked | None:
        """The last check; None when the LLM must be checked."""
        return self._checked.get(llm)

    def report_of(self, llm: Request) -> Report | None:
        """What a run reported since the last check."""
        return self._reports.get(llm)

    def remember(self, llm: Request, checked: Checked, report: Report | None = None) -> None:
        """Keep the result of a check whose status is written.

        Args:
            report: The report that the check took into account; a later one stays.
        """
        self._checked[llm] = checked
        if self._reports.get(llm) is report:
            self._reports.pop(llm, None)

    def forget(self, llm: Request) -> None:
        """Drop the last check of an LLM that is gone."""
        self._checked.pop(llm, None)
        self._reports.pop(llm, None)

    def report(self, llm: Request, report: Report) -> None:
        """Note that the provider refuses a run for good, and request a check of the LLM."""
        self._reports[llm] = report
        self.trigger.enqueue(llm)

    def doubt(self, llm: Request) -> None:
        """Request a check of an LLM whose provider fails, unless one is due anyhow or has just been made."""
        checked = self._checked.get(llm)
        if checked is not None and checked.recheck_at is None:
            self._checked[llm] = replace(checked, recheck_at=checked.checked_at + DOUBT_PAUSE_SECONDS)
            self.trigger.enqueue(llm)
