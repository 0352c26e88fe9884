"""What must hold about questions and unknown outcomes: a person is asked once, and what they said is what happens.

Part of the watchman, which judges by the objects alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from test.simulation.cluster import phase_of, seconds_of, status_of

JsonObject = dict[str, Any]

_TELLING = ("Answer", "Happened")


class AnswerLaws:
    """Remembers requests as they were written last, and judges calls that wait for a person by them."""

    def __init__(self, violated: Callable[[str], None]) -> None:
        """Know nothing yet.

        Args:
            violated: Told what must never be.
        """
        self._violated = violated
        self._requests: dict[tuple[str, str], JsonObject] = {}
        self._births: Counter[tuple[str, str, str]] = Counter()
        self._repeats: dict[str, set[str]] = {}

    def on_change(self, plural: str, before: JsonObject, after: JsonObject) -> None:
        """Look at one write."""
        match plural:
            case "humanrequests":
                self._note(before, after)
            case "taskruntoolcalls":
                self._check(after)
            case _:
                return

    def repeats_allowed(self, key: str) -> int:
        """How often a person said that a call did not happen.

        Args:
            key: The call's idempotency key.
        """
        return len(self._repeats.get(key, ()))

    def _note(self, before: JsonObject, after: JsonObject) -> None:
        owners: list[JsonObject] = after["metadata"].get("ownerReferences", [])
        if not owners:
            return
        name, owner = after["metadata"]["name"], str(owners[0]["uid"])
        self._requests[name, owner] = after
        content = after["spec"]["request"]
        if not before and content["type"] in ("Question", "Outcome"):
            self._births[owner, name, content["type"]] += 1
            if content["type"] == "Question" and self._asked(owner, "Question") > 1:
                self._violated(f"humanrequests/{name}: the same question was asked twice")

    def _asked(self, owner: str, sort: str) -> int:
        return sum(count for (asker, _, asked), count in self._births.items() if (asker, asked) == (owner, sort))

    def _check(self, call: JsonObject) -> None:
        """What a call has recorded of its request is what the person wrote, in time."""
        name, status = call["metadata"]["name"], status_of(call)
        asked: JsonObject = status.get("input") or {}
        if not asked.get("choice"):
            self._check_unanswered(call, asked)
            return
        request = self._requests.get((asked["requestName"], call["metadata"]["uid"]))
        decision: JsonObject = (request or {"spec": {}})["spec"].get("decision") or {}
        if decision.get("choice") != asked["choice"] or decision.get("digest") != asked["digest"]:
            self._violated(f"taskruntoolcalls/{name}: recorded as {asked['choice']}, which nobody said")
        if asked.get("expiresAt") and seconds_of(asked["at"]) >= seconds_of(asked["expiresAt"]):
            self._violated(f"taskruntoolcalls/{name}: answered after its request had expired")
        is_told = asked["choice"] in _TELLING and asked["type"] != "Form"  # a form is told to the server
        if phase_of(call) == "Succeeded" and is_told and _told(decision) != status.get("result"):
            self._violated(f"taskruntoolcalls/{name}: its result is not what the person said")
        if asked["choice"] == "DidNotHappen":
            self._repeats.setdefault(call["spec"].get("idempotencyKey", ""), set()).add(asked["requestName"])

    def _check_unanswered(self, call: JsonObject, asked: Mapping[str, Any]) -> None:
        is_question = call["spec"].get("toolType") == "humanContact"
        if is_question and phase_of(call) == "Succeeded":
            self._violated(f"taskruntoolcalls/{call['metadata']['name']}: answered by nobody")
        if asked.get("type") == "Outcome" and phase_of(call) == "Running":
            self._violated(f"taskruntoolcalls/{call['metadata']['name']}: made again before a person said anything")


def _told(decision: Mapping[str, Any]) -> Any:
    return decision.get("answer", decision.get("comment", ""))
