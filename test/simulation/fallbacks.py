"""What must hold about fallbacks: claims name who is called and who is passed over, and records say who answered.

Part of the watchman. It judges by the objects and calls alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from kubechain.api.message import Message
from kubechain.llm.errors import ContextTooLong, LLMError, RequestRefused
from test.simulation.cluster import status_of

JsonObject = dict[str, Any]


def llm_of(status: JsonObject) -> str:
    """The LLM that the claim in a status is for."""
    claim: JsonObject = status.get("llm") or {}
    pinned: JsonObject = status.get("pinned") or {}
    return claim.get("llmName") or pinned.get("llmName", "")


class FallbackLaws:
    """Remembers which requests were refused as wrong, and judges each claim and each answer."""

    def __init__(self, violated: Callable[[str], None]) -> None:
        """Know nothing yet.

        Args:
            violated: Told what must never be.
        """
        self._violated = violated
        self._wrong: dict[str, str] = {}

    def on_call(self, label: str, messages: Sequence[Message], llm: str) -> None:
        """A request that one LLM refused as wrong is sent to no other one."""
        refused_by = self._wrong.get(_text(messages), llm)
        if refused_by != llm:
            self._violated(f"{label}: sent to {llm} after {refused_by} had refused it as wrong")

    def on_refusal(self, label: str, messages: Sequence[Message], error: LLMError, llm: str) -> None:
        """Remember a request that is wrong by itself; one that is too long may fit into another window."""
        del label
        if isinstance(error, RequestRefused) and not isinstance(error, ContextTooLong):
            self._wrong[_text(messages)] = llm

    def on_change(self, plural: str, before: JsonObject, after: JsonObject) -> None:
        """Look at one write."""
        pinned: JsonObject = status_of(after).get("pinned") or {}
        if plural != "taskruns" or not pinned.get("fallbacks"):
            return
        name, old, new = after["metadata"]["name"], status_of(before), status_of(after)
        order = [pinned["llmName"], *(one["name"] for one in pinned["fallbacks"])]
        if new.get("phase") == "SendContextWindowToLLM" and new.get("llm"):
            self._check_claim(name, order, new["llm"])
        is_answered = old.get("phase") == "SendContextWindowToLLM" and _answers(new) > _answers(old)
        if is_answered:
            self._check_record(name, old["llm"], new)

    def _check_claim(self, name: str, order: Sequence[str], claim: JsonObject) -> None:
        """All LLMs before the one that is called are passed over, for a cause; that one is not."""
        called, causes = claim.get("llmName"), _causes(claim)
        if called not in order:
            self._violated(f"taskruns/{name}: claims a call of {called}, which is none of its LLMs")
        elif not set(order[: order.index(called)]) <= causes.keys():
            self._violated(f"taskruns/{name}: claims a call of {called}, and does not say why not of those before it")
        elif called in causes or not all(causes.values()):
            self._violated(f"taskruns/{name}: the claim is not clear about {called}: {causes}")

    def _check_record(self, name: str, claim: JsonObject, status: JsonObject) -> None:
        """The record says who was claimed, and why that one."""
        records: list[JsonObject] = status.get("answeredBy") or [{}]
        last = records[-1]
        known = (last.get("llmName"), last.get("lastTurn"), _causes(last).keys())
        if known != (claim.get("llmName"), claim["turn"], _causes(claim).keys()):
            self._violated(f"taskruns/{name}: does not record who answered turn {claim['turn']}, and why")


def _causes(holder: JsonObject) -> dict[str, str]:
    return {one["llmName"]: one.get("reason", "") for one in holder.get("passedOver", ())}


def _answers(status: JsonObject) -> int:
    window: list[JsonObject] = status.get("contextWindow") or []
    return sum(message["role"] == "assistant" for message in window)


def _text(messages: Sequence[Message]) -> str:
    return "\n".join(str(message.to_wire()) for message in messages)
