"""What the runs of each agent have spent on each day: sums over the cache of TaskRuns, kept up to date by its changes.

Nothing depends on it but what is in the cache: a restart makes the same sums anew, and nothing can be counted twice.
What deleted runs have spent is in the status of the Budgets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from kubechain.api.globs import Glob, matches_any
from kubechain.api.namespacebudget import Spent
from kubechain.api.taskrun import TaskRun
from kubechain.api.usage import COUNT_LIMIT, dollars
from kubechain.controllers.periods import Period
from kubechain.runtime.changes import Change
from kubechain.runtime.keys import Request

_EVER = ""
"""Stands for all days, also those that a run does not tell apart."""


@dataclass(frozen=True, slots=True)
class Amount:
    """Tokens and cost."""

    tokens: int = 0
    cost: Decimal = Decimal()

    def __add__(self, other: Amount) -> Amount:
        """Return the sum."""
        return Amount(self.tokens + other.tokens, self.cost + other.cost)

    def __sub__(self, other: Amount) -> Amount:
        """Return the difference."""
        return Amount(self.tokens - other.tokens, self.cost - other.cost)

    @classmethod
    def of(cls, spent: Spent) -> Amount:
        """Return what a status says."""
        return cls(spent.tokens, Decimal(spent.cost or 0))

    @property
    def wire(self) -> Spent:
        """The same for a status."""
        tokens = min(self.tokens, COUNT_LIMIT)
        return Spent(tokens=tokens, cost=dollars(self.cost)) if self.cost else Spent(tokens=tokens)


@dataclass(frozen=True, slots=True)
class _Entry:
    uid: str
    agent: str
    days: Mapping[str, Amount]


def spent_by(run: TaskRun, period: Period) -> Amount:
    """What a run has spent in a period."""
    return _within(_days(run), period)


def _days(run: TaskRun) -> dict[str, Amount]:
    usage, by_day = run.status.usage, run.status.usage_by_day
    days = {day.day: Amount(day.tokens, Decimal(day.cost or 0)) for day in by_day}
    return days | ({_EVER: Amount(usage.total_tokens, Decimal(usage.cost or 0))} if usage is not None else {})


def _within(days: Mapping[str, Amount], period: Period) -> Amount:
    if period.first is None:
        return days.get(_EVER, Amount())
    return sum((amount for day, amount in days.items() if day != _EVER and period.has(day)), Amount())


@dataclass(slots=True)
class Ledger:
    """The sums. Its handler is called for each change of a TaskRun."""

    _runs: dict[Request, _Entry] = field(default_factory=dict[Request, _Entry])
    _uids: set[str] = field(default_factory=set[str])
    _sums: dict[str, dict[str, dict[str, Amount]]] = field(default_factory=dict[str, dict[str, dict[str, Amount]]])
    """By namespace, agent and day."""

    def on_change(self, change: Change[Any]) -> None:
        """Count the run as it is now, in place of what it was."""
        run: TaskRun | None = change.current()
        before = self._runs.pop(change.key, None)
        if before is not None:
            self._uids.discard(before.uid)
            self._count(change.key, before, -1)
        if run is None or run.status.pinned is None:
            return
        entry = _Entry(run.metadata.uid, run.status.pinned.agent_name, _days(run))
        self._runs[change.key] = entry
        self._uids.add(entry.uid)
        self._count(change.key, entry, 1)

    def has(self, uid: str) -> bool:
        """Whether a run is counted."""
        return uid in self._uids

    def spent(self, namespace: str, agents: tuple[Glob, ...], period: Period) -> Amount:
        """What the runs of some agents of a namespace have spent in a period, as far as they exist.

        Args:
            agents: Patterns of their names; none for all.
        """
        found = self._sums.get(namespace, {}).items()
        return sum((_within(days, period) for name, days in found if is_meant(agents, name)), Amount())

    def _count(self, key: Request, entry: _Entry, sign: int) -> None:
        days = self._sums.setdefault(key.namespace, {}).setdefault(entry.agent, {})
        for day, amount in entry.days.items():
            before = days.get(day, Amount())
            after = before + amount if sign > 0 else before - amount
            if after == Amount():
                days.pop(day, None)
            else:
                days[day] = after
        if not days:
            del self._sums[key.namespace][entry.agent]


def is_meant(agents: tuple[Glob, ...], name: str) -> bool:
    """Whether an agent is one of those that the patterns mean."""
    return not agents or matches_any(agents, name)
