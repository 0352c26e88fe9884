"""The last check of each LLM at its provider, and its invalidation.

Kept in memory only: after a restart each LLM is checked again, and nothing is written when nothing changed. Where
replicas share the runs, the leader checks the LLMs, and hears what the runs of the others find out.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import msgspec

from kubechain.controllers.peers import DETAIL_MAX_CHARACTERS, TOLD_MAX, Peers
from kubechain.net.foreign import cut
from kubechain.runtime.clock import Clock
from kubechain.runtime.keys import Request
from kubechain.runtime.sources import Trigger

DOUBT_PAUSE_SECONDS = 10.0
"""Least time between two checks that failing runs ask for, of which there may be thousands."""


ANNOTATION = "kubechain.humanlayer.dev/refused-llms"
"""What a replica says of LLMs that refuse its runs."""

HEARD_SECONDS = 60.0
"""How long another replica is believed that an LLM refuses its runs: a new leader hears also what is long over."""


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


class Told(msgspec.Struct, frozen=True, rename="camel"):
    """A report as one replica tells it to the others."""

    namespace: str
    name: str
    at: datetime
    detail: str
    generation: int
    is_checkable: bool

    @property
    def llm(self) -> Request:
        """The LLM that it is about."""
        return Request(self.namespace, self.name)

    @property
    def report(self) -> Report:
        """The report."""
        return Report(self.detail, self.generation, self.is_checkable)


@dataclass(slots=True)
class LLMChecks:
    """The last check of every LLM, and what runs found since.

    Attributes:
        trigger: Feeds the control loop of LLMs.
        clock: For when something was reported.
        peers: Replicas that share the runs with this one; None where it is alone.
    """

    trigger: Trigger
    clock: Clock
    peers: Peers | None = None
    _checked: dict[Request, Checked] = field(default_factory=dict[Request, Checked])
    _reports: dict[Request, Report] = field(default_factory=dict[Request, Report])
    _told: dict[Request, Told] = field(default_factory=dict[Request, Told])
    _heard: frozenset[Told] = frozenset()

    def __post_init__(self) -> None:
        """Listen to the others."""
        if self.peers is not None:
            self.peers.when_noted(self._listen)

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
        if self.peers is not None:
            self._tell(self.peers, llm, report)

    def doubt(self, llm: Request) -> None:
        """Request a check of an LLM whose provider fails, unless one is due anyhow or has just been made."""
        checked = self._checked.get(llm)
        if checked is not None and checked.recheck_at is None:
            self._checked[llm] = replace(checked, recheck_at=checked.checked_at + DOUBT_PAUSE_SECONDS)
            self.trigger.enqueue(llm)

    def _tell(self, peers: Peers, llm: Request, report: Report) -> None:
        detail, now = cut(report.detail, DETAIL_MAX_CHARACTERS), self.clock.now()
        self._told[llm] = Told(llm.namespace, llm.name, now, detail, report.generation, report.is_checkable)
        news = [told for told in self._told.values() if is_news(told, now)][-TOLD_MAX:]
        self._told = {told.llm: told for told in news}
        peers.note(ANNOTATION, msgspec.json.encode(news).decode())

    def _listen(self) -> None:
        assert self.peers is not None
        before, now = self._heard, self.clock.now()
        self._heard = frozenset(told for text in self.peers.notes(ANNOTATION) for told in read(text))
        for told in sorted(self._heard - before, key=lambda told: told.at):
            if is_news(told, now):
                self._reports[told.llm] = told.report
                self.trigger.enqueue(told.llm)


def is_news(told: Told, now: datetime) -> bool:
    """Whether what was told may still be so."""
    return abs(now - told.at) < timedelta(seconds=HEARD_SECONDS)


def read(text: str) -> list[Told]:
    """Return what a replica tells; nothing where it cannot be read."""
    try:
        return msgspec.json.decode(text, type=list[Told])
    except msgspec.MsgspecError:
        return []
