"""What must hold about conversations that are too long for their model: what is left out, and what a summary replaces.

Part of the watchman, which judges by the objects alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from test.simulation.continuing import copied_count

JsonObject = dict[str, Any]

_SHORTENINGS = ("tooLong", "shortened", "summaryFailure")


class GrowthLaws:
    """Judges summaries, and requests that are shorter than their conversation."""

    def __init__(self, violated: Callable[[str], None]) -> None:
        """Know nothing yet.

        Args:
            violated: Told what must never be.
        """
        self._violated = violated

    def on_write(self, name: str, before: JsonObject, after: JsonObject) -> None:
        """A summary is recorded under the claim that it was made with, and is about what follows the one before."""
        old, new = _summaries(before), _summaries(after)
        if copied_count(before, after):
            old = new  # they were made for another run
        if [_range(one) for one in new[: len(old)]] != [_range(one) for one in old]:
            self._violated(f"taskruns/{name}: a summary was rewritten")
        for place, summary in enumerate(new[len(old) :], len(old)):
            claim: JsonObject = before.get("llm") or {}
            if claim.get("summaryThrough") != summary["throughMessage"]:
                self._violated(f"taskruns/{name}: a summary was recorded without its claim")
            if summary["fromMessage"] != (new[place - 1]["throughMessage"] if place else 0):
                self._violated(f"taskruns/{name}: a summary leaves messages out")

    def is_shorter(self, sent: Sequence[JsonObject], said: Sequence[JsonObject], status: Mapping[str, Any]) -> bool:
        """Whether a request is a conversation from which nothing but old results and summarised turns is left out."""
        summaries = _summaries(status)
        through = int(summaries[-1]["throughMessage"]) if summaries else 0
        head = [message for message in said[:through] if message["role"] in ("system", "user")]
        rest = list(sent[len(head) :])
        if list(sent[: len(head)]) != head:
            return False
        if summaries and not (rest and str(rest.pop(0)["content"]).endswith(summaries[-1]["content"])):
            return False
        tail = said[through:]
        return len(rest) == len(tail) and all(map(_is_same_or_cut, rest, tail))


def is_shortened(status: Mapping[str, Any]) -> bool:
    """Whether a run has recorded that its requests are shorter than its conversation."""
    context: JsonObject = status.get("context") or {}
    return bool(_summaries(status)) or any(context.get(name) for name in ("trimmedBefore", "cutBytes"))


def is_on_its_way(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether a claim ended with what makes the next request shorter, and not with an answer."""
    old: JsonObject = before.get("context") or {}
    new: JsonObject = after.get("context") or {}
    return any(old.get(name) != new.get(name) for name in _SHORTENINGS)


def _summaries(status: Mapping[str, Any]) -> list[JsonObject]:
    return status.get("summaries") or []


def _range(summary: JsonObject) -> tuple[Any, ...]:
    return summary["fromMessage"], summary["throughMessage"], summary["sha"]


def _is_same_or_cut(sent: JsonObject, said: JsonObject) -> bool:
    if sent == said:
        return True
    is_of_a_tool = sent["role"] == said["role"] == "tool" and sent.get("toolCallId") == said.get("toolCallId")
    return is_of_a_tool and "left out" in sent["content"] and len(sent["content"]) < len(said["content"])
