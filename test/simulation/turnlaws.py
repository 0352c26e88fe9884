"""What must hold about the records of turns: one for each answer, of the claim that was answered, the newest twelve.

Part of the watchman; with the mutants that it must catch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from kubechain.api.taskrun import TaskRun
from kubechain.api.turnrecord import TURN_RECORDS_LIMIT
from kubechain.api.usage import Usage
from kubechain.controllers.taskrun import turnrecords
from test.simulation.mutant import Mutant

JsonObject = dict[str, Any]


class TurnLaws:
    """Judges `status.turnRecords` at each write."""

    def __init__(self, violated: Callable[[str], None]) -> None:
        """Know nothing.

        Args:
            violated: Told what must never be.
        """
        self._violated = violated

    def on_write(self, name: str, before: JsonObject, after: JsonObject, added: Sequence[JsonObject]) -> None:
        """Look at one write of a run.

        Args:
            added: The messages that it added to the conversation, without those of another run.
        """
        old, new = _records(before), _records(after)
        answers = sum(message["role"] == "assistant" for message in added)
        if old != new and new[:-1] != old[-(TURN_RECORDS_LIMIT - 1) :]:
            self._violated(f"taskruns/{name}: records of earlier turns were changed")
        if before.get("llm") and answers and old == new:
            self._violated(f"taskruns/{name}: an answer came without the record of its turn")
        if old != new:
            self._check_newest(name, before, after, new[-1])

    def _check_newest(self, name: str, before: JsonObject, after: JsonObject, newest: JsonObject) -> None:
        claim: JsonObject = before.get("llm") or {}
        if newest["turn"] != before.get("turn", 0) + 1 or newest["startedAt"] != claim.get("startedAt"):
            self._violated(f"taskruns/{name}: turn {newest['turn']} was recorded, and another one was answered")
        if _moment(newest["endedAt"]) < _moment(newest["startedAt"]):
            self._violated(f"taskruns/{name}: turn {newest['turn']} ended before it began")
        used: JsonObject = after.get("usage") or {}
        if sum(record.get("inputTokens", 0) for record in _records(after)) > used.get("inputTokens", 0):
            self._violated(f"taskruns/{name}: its turns have spent more than the run")


def _records(status: JsonObject) -> tuple[JsonObject, ...]:
    return tuple(status.get("turnRecords") or ())


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


_recorded = turnrecords.recorded


def _record_nothing(run: TaskRun, usage: Usage, now: datetime) -> dict[str, Any]:
    """An answer leaves no record."""
    del run, usage, now
    return {}


def _keep_the_first(run: TaskRun, usage: Usage, now: datetime) -> dict[str, Any]:
    """The oldest records stay, and the newest are dropped."""
    found = _recorded(run, usage, now)
    records = (*run.status.turn_records, found["turn_records"][-1])[:TURN_RECORDS_LIMIT] if found else ()
    return {"turn_records": records} if found else {}


def _count_from_zero(run: TaskRun, usage: Usage, now: datetime) -> dict[str, Any]:
    """A record names the turn before its own."""
    found = _recorded(run, usage, now)
    records = found.get("turn_records", ())
    changed = tuple(record.with_changes(turn=record.turn - 1) for record in records[-1:])
    return {"turn_records": (*records[:-1], *changed)} if found else {}


ALL: tuple[Mutant, ...] = (
    Mutant("turn-without-record", ((turnrecords, "recorded", _record_nothing),), "plain"),
    Mutant("turn-of-another-number", ((turnrecords, "recorded", _count_from_zero),), "plain"),
    Mutant("turns-first-stay", ((turnrecords, "recorded", _keep_the_first),), "many-turns"),
)
