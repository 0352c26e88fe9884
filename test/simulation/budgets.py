"""What must hold about budgets: a run takes no turn beyond its limit but those that a person added, each once.

Part of the watchman. It judges by the objects alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from test.simulation.cluster import status_of

JsonObject = dict[str, Any]

_RUN_END = ("FinalAnswer", "Failed", "Cancelled")


class BudgetLaws:
    """Remembers agents, runs and requests as they were written last, and judges each turn by them."""

    def __init__(self, violated: Callable[[str], None]) -> None:
        """Know nothing yet.

        Args:
            violated: Told what must never be.
        """
        self._violated = violated
        self._limits: dict[str, int] = {}
        self._runs: dict[str, JsonObject] = {}
        self._requests: dict[str, JsonObject] = {}

    def on_change(self, plural: str, after: JsonObject) -> None:
        """Look at one write; what is deleted is remembered."""
        name = after["metadata"]["name"]
        match plural:
            case "agents":
                limits: JsonObject = after["spec"].get("limits", {})
                if limits.get("onExceeded") == "Ask" and "maxTurns" in limits:
                    self._limits[name] = limits["maxTurns"]
            case "taskruns":
                self._runs[after["metadata"]["uid"]] = after
                self._check_turn(name, after)
            case "humanrequests":
                self._requests[name] = after
            case _:
                return

    def look_for_left_overs(self, requests: list[JsonObject]) -> None:
        """Nobody may be asked for what nobody waits for."""
        for request in requests:
            run = self._runs.get(request["metadata"]["ownerReferences"][0]["uid"])
            is_over = run is not None and status_of(run).get("phase") in _RUN_END
            if is_over and status_of(request).get("phase") == "Open":
                self._violated(f"humanrequests/{request['metadata']['name']}: is open, and its run is over")

    def _check_turn(self, name: str, run: JsonObject) -> None:
        """A turn that is claimed must be allowed by the Agent, or by a person."""
        status = status_of(run)
        pinned: JsonObject = status.get("pinned") or {}
        agent = pinned.get("agentName", "")
        if agent not in self._limits or status.get("phase") != "SendContextWindowToLLM" or not status.get("llm"):
            return
        records = [record for record in status.get("budgetRequests", ()) if "budget" not in record]
        added = sum(self._added(name, run, record) for record in records)
        if status["llm"]["turn"] >= self._limits[agent] + added:
            self._violated(f"taskruns/{name}: turn {status['llm']['turn']}, and {added} were added to its limit")

    def _added(self, name: str, run: JsonObject, record: JsonObject) -> int:
        """The turns that a person added, by what they wrote and not by what the run made of it."""
        request = self._requests.get(record["requestName"])
        if not record.get("added") or request is None:
            return 0
        content: JsonObject = request["spec"]["request"]
        decision: JsonObject = request["spec"].get("decision") or {}
        is_own = request["metadata"]["ownerReferences"][0]["uid"] == run["metadata"]["uid"]
        is_about_it = content["digest"] == decision.get("digest") == record["digest"]
        if not is_own or not is_about_it or content["type"] != "Budget" or decision.get("choice") != "Approve":
            self._violated(f"taskruns/{name}: adds what nobody approved in {record['requestName']}")
        if f"{record['reached'][0]['limit']}: " not in content["message"]:
            self._violated(f"taskruns/{name}: the person who approved {record['requestName']} saw no limit")
        own = record["reached"][0]["offered"]
        return json.loads(decision["answer"]).get("turns", 0) if decision.get("answer") else own
