"""What must hold after every single write, whoever made it: checked in the API server itself.

Also holds the ledger of side effects and the checks that each of them must pass at its moment.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from kubechain.api.message import Message
from kubechain.embedded.history import Change

JsonObject = dict[str, Any]

CANARIES = (b"sk-canary-", b"tok-canary-")
"""How every secret value of the simulation begins."""

_RUN_END = {"FinalAnswer", "Failed", "Cancelled"}
_CALL_END = {"Succeeded", "Failed", "ToolCallRejected", "OutcomeUnknown", "Cancelled"}

RUN_EDGES: dict[str, set[str]] = {
    "": {"Initializing", "Pending", "ReadyForLLM", "Failed", "Cancelled"},
    "Initializing": {"Pending", "ReadyForLLM", "Failed", "Cancelled"},
    "Pending": {"ReadyForLLM", "Failed", "Cancelled"},
    "ReadyForLLM": {"SendContextWindowToLLM", "Failed", "Cancelled"},
    # To itself: a later attempt takes the claim over.
    "SendContextWindowToLLM": {"SendContextWindowToLLM", "ReadyForLLM", "ToolCallsPending", "ErrorBackoff", *_RUN_END},
    "ErrorBackoff": {"SendContextWindowToLLM", "Failed", "Cancelled"},
    "ToolCallsPending": {"ReadyForLLM", "CheckingToolCalls", "Failed", "Cancelled"},
    "CheckingToolCalls": {"ReadyForLLM", "Failed", "Cancelled"},
}
CALL_EDGES: dict[str, set[str]] = {
    "": {"Pending", "Running", "AwaitingSubAgent", "AwaitingHumanApproval", "AwaitingHumanInput", *_CALL_END},
    "Pending": {"Running", "AwaitingSubAgent", "AwaitingHumanApproval", "AwaitingHumanInput", *_CALL_END},
    "AwaitingHumanApproval": {"ReadyToExecuteApprovedTool", "ToolCallRejected", "Failed", "Cancelled"},
    "ReadyToExecuteApprovedTool": {"Running", "Failed", "Cancelled"},
    # Back to Pending: the attempt certainly did nothing, or may be repeated.
    "Running": {"Running", "Pending", *_CALL_END},
    "AwaitingSubAgent": {"AwaitingSubAgent", *_CALL_END},
    "AwaitingHumanInput": {*_CALL_END},
}
_EDGES = {"taskruns": (RUN_EDGES, _RUN_END), "taskruntoolcalls": (CALL_EDGES, _CALL_END)}


class Watchman:
    """Sees every write and every side effect, and keeps what was wrong with them.

    Attributes:
        violations: One sentence each; empty is good.
        writes: Of our kinds, by object and phase.
        claims: Tokens that were ever persisted, by the uid of their object.
        model_calls: How often each turn was asked, by the name of the run and the number of its messages.
        executions: How often each tool call was carried out, by its idempotency key.
    """

    def __init__(self) -> None:
        """Begin with a clean book."""
        self.violations: list[str] = []
        self.writes: Counter[str] = Counter()
        self.claims: dict[str, set[str]] = {}
        self.model_calls: Counter[str] = Counter()
        self.executions: Counter[str] = Counter()
        self.claimed_keys: set[str] = set()
        self.count = 0

    def on_change(self, change: Change) -> None:
        """Look at one write."""
        plural = change.key.resource.plural
        if plural != "secrets":
            self.look_for_secrets(f"{plural}/{change.key.name}", change.record.data)
        if change.deleted:
            self._count(f"DELETE {plural}/{change.key.name}", plural)
            return
        after, before = change.record.object, change.previous.object if change.previous else None
        if before is not None and before["metadata"]["uid"] != after["metadata"]["uid"]:
            before = None
        status: JsonObject = after.get("status") or {}
        verb = "CREATE" if before is None else "WRITE"
        place = str(status.get("phase") or status.get("status") or "")
        self._count(f"{verb} {plural}/{change.key.name} {place}".rstrip(), plural)
        if plural in _EDGES and before is not None:
            self._check_edge(plural, change.key.name, before.get("status") or {}, status)
        if plural == "taskruns":
            self._check_conversation(change.key.name, (before or {}).get("status") or {}, status)
        self._note_claims(after, status)

    def _count(self, label: str, plural: str) -> None:
        if plural in ("leases", "events", "customresourcedefinitions"):
            return
        self.writes[label] += 1
        self.count += 1

    def _check_edge(self, plural: str, name: str, before: JsonObject, after: JsonObject) -> None:
        edges, ends = _EDGES[plural]
        old, new = str(before.get("phase", "")), str(after.get("phase", ""))
        if old in ends and (new != old or _conclusion(before) != _conclusion(after)):
            self.violated(f"{plural}/{name} was over ({old}) and was changed ({new})")
        if old != new and old not in ends and new not in edges.get(old, set()):
            self.violated(f"{plural}/{name} went from {old!r} to {new!r}")

    def _check_conversation(self, name: str, before: JsonObject, after: JsonObject) -> None:
        old: list[JsonObject] = before.get("contextWindow") or []
        new: list[JsonObject] = after.get("contextWindow") or []
        if new[: len(old)] != old:
            self.violated(f"taskruns/{name}: the conversation was rewritten")
        trouble = trouble_with(new, may_be_open=after.get("phase") not in ("ReadyForLLM", "SendContextWindowToLLM"))
        if trouble:
            self.violated(f"taskruns/{name}: {trouble}")

    def _note_claims(self, after: JsonObject, status: JsonObject) -> None:
        uid = after["metadata"]["uid"]
        for claim in (status.get("llm"), status.get("execution")):
            if claim:
                self.claims.setdefault(uid, set()).add(claim["token"])
        if status.get("execution"):
            self.claimed_keys.add(status["execution"]["key"])

    # --- side effects

    def on_model_call(self, label: str, messages: Sequence[Message]) -> None:
        """Look at what a model is sent."""
        self.model_calls[label] += 1
        window = [message.to_wire() for message in messages]
        if trouble := trouble_with(window, may_be_open=False):
            self.violated(f"{label}: {trouble}")

    def on_execution(self, name: str, key: str, *, is_unsafe: bool) -> None:
        """Look at a tool call that is carried out."""
        self.executions[key] += 1
        if not key:
            self.violated(f"tool {name}: called without an idempotency key")
        if key not in self.claimed_keys:
            self.violated(f"tool {name}: called without a persisted claim")
        if is_unsafe and self.executions[key] > 1:
            self.violated(f"tool {name}: not safe to repeat, called {self.executions[key]} times")

    def look_for_secrets(self, where: str, data: bytes) -> None:
        """No byte of a secret may be where anybody can read it."""
        if any(canary in data for canary in CANARIES):
            self.violated(f"{where} shows a secret")

    def violated(self, sentence: str) -> None:
        """Note something that must never be."""
        self.violations.append(sentence)


def _conclusion(status: JsonObject) -> tuple[Any, ...]:
    """What must not change any more once an object is over."""
    return tuple(status.get(name) for name in ("phase", "output", "result", "error", "contextWindow", "completionTime"))


def trouble_with(window: Sequence[JsonObject], *, may_be_open: bool) -> str:
    """What is wrong with a conversation: every call is answered once, in order, before anything else is said.

    Args:
        may_be_open: Whether the last message may be a question to tools that is not answered yet.
    """
    open_ids: list[str] = []
    for message in window:
        if message["role"] == "tool":
            if not open_ids or open_ids[0] != message.get("toolCallId"):
                return f"an answer to {message.get('toolCallId')!r} where {open_ids[:1]} was due"
            open_ids.pop(0)
            continue
        if open_ids:
            return f"{message['role']} speaks before {open_ids} were answered"
        wanted: list[JsonObject] = message.get("toolCalls") or []
        ids: list[str] = [call["id"] for call in wanted]
        if len(set(ids)) != len(ids):
            return "two calls of one turn have the same id"
        open_ids = ids
    return f"{open_ids} are not answered" if open_ids and not may_be_open else ""
