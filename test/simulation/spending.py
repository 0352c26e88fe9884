"""What must hold about Budgets of a namespace: no call begins once one is spent, and every answer counts once.

Part of the watchman. It keeps its own book of what runs have spent, those that are deleted included, and goes by what
people wrote where they let a run spend more.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from test.simulation.cluster import status_of

JsonObject = dict[str, Any]


class SpendingLaws:
    """Remembers what each run has spent, and judges claims and Budgets by it."""

    def __init__(self, violated: Callable[[str], None]) -> None:
        """Know nothing yet.

        Args:
            violated: Told what must never be.
        """
        self._violated = violated
        self._limits: dict[str, int] = {}
        self._spent: dict[str, int] = {}
        self._claims: set[str] = set()
        self._deleted: set[str] = set()
        self._requests: dict[str, JsonObject] = {}
        self._spent_when_asked: dict[tuple[str, str], int] = {}

    def on_change(self, plural: str, after: JsonObject) -> None:
        """Look at one write."""
        if plural == "budgets":
            self._limits[after["metadata"]["name"]] = after["spec"]["maxTokens"]
        if plural == "humanrequests":
            self._requests[after["metadata"]["name"]] = after
        if plural == "taskruns":
            self._check_claim(after)
            self._spent[after["metadata"]["uid"]] = self._spent_by(after)
            self._note_questions(after)

    def on_deletion(self, plural: str, before: JsonObject) -> None:
        """Keep what a deleted run has spent."""
        if plural == "taskruns":
            self._deleted.add(before["metadata"]["uid"])

    def look_for_left_overs(self, budgets: list[JsonObject]) -> None:
        """Every Budget says what all runs have spent, and what the deleted ones have, each once."""
        in_all, by_deleted = sum(self._spent.values()), sum(self._spent.get(uid, 0) for uid in self._deleted)
        for budget in budgets:
            name, status = budget["metadata"]["name"], status_of(budget)
            ending: list[JsonObject] = status.get("endingRuns", [])
            used, deleted = _tokens(status.get("used")), _tokens(status.get("deletedRuns"))
            deleted += sum(_tokens(run["spent"]) for run in ending)
            if (used, deleted) != (in_all, by_deleted):
                wanted = f"{in_all} tokens were spent, {by_deleted} of them by deleted runs"
                self._violated(f"budgets/{name}: {wanted}, and it says {used} and {deleted}")

    def _spent_by(self, run: JsonObject) -> int:
        status, name = status_of(run), run["metadata"]["name"]
        usage: JsonObject = status.get("usage") or {}
        in_all = int(usage.get("totalTokens", 0))
        days: list[JsonObject] = status.get("usageByDay", [])
        by_day = sum(_tokens(day) for day in days)
        if in_all != by_day:
            self._violated(f"taskruns/{name}: has spent {in_all} tokens, and {by_day} by its days")
        return in_all

    def _check_claim(self, run: JsonObject) -> None:
        """A claim is the last moment at which a call may be held."""
        claim: JsonObject = status_of(run).get("llm") or {}
        if status_of(run).get("phase") != "SendContextWindowToLLM" or not claim or claim["token"] in self._claims:
            return
        self._claims.add(claim["token"])
        spent, allowed = sum(self._spent.values()), self._allowed(run)
        for name, limit in self._limits.items():
            if spent >= limit and self._spent.get(run["metadata"]["uid"], 0) >= allowed:
                self._violated(f"taskruns/{run['metadata']['name']}: calls, and {spent} of budget {name} are spent")

    def _note_questions(self, run: JsonObject) -> None:
        uid = run["metadata"]["uid"]
        for record in status_of(run).get("budgetRequests", ()):
            self._spent_when_asked.setdefault((uid, record["requestName"]), self._spent[uid])

    def _allowed(self, run: JsonObject) -> int:
        """Up to what a person lets the run spend, by what they wrote; 0 where nobody does."""
        uid, most = run["metadata"]["uid"], 0
        for record in status_of(run).get("budgetRequests", ()):
            asked = self._requests.get(record["requestName"])
            decision: JsonObject = (asked or {}).get("spec", {}).get("decision") or {}
            if "budget" in record and decision.get("choice") == "Approve":
                answer, offered = decision.get("answer"), record["reached"][0]["offered"]
                added = int(json.loads(answer)["tokens"]) if answer else int(offered)
                most = max(most, self._spent_when_asked[uid, record["requestName"]] + added)
        return most


def _tokens(spent: JsonObject | None) -> int:
    return int(spent.get("tokens", 0)) if spent else 0
