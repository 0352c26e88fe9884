"""The wire formats of the models that sign their turns: how a turn looks, and what is wrong with one.

The signatures of a model name the model and the turn, so that a missing, changed or foreign one is told from the right
one without any memory. Nothing here does I/O.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Protocol

Part = dict[str, Any]
Turn = list[Part]

ARGUMENTS = '{"a": 1,"b":  2}'
"""Of each call, with spaces that an encoder of ours would not write."""

NO_SIGNATURE = "skip_thought_signature_validator"
"""What Google takes in place of the signature of a call that another model wrote."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a model answers, before it is written in a format.

    Attributes:
        mark: Names the model and the turn; in every id, text and signature of it.
        calls: How many calls the turn asks for, side by side.
        signature_bytes: About so long is each signature, before it is encoded.
    """

    mark: str
    calls: int = 0
    signature_bytes: int = 0

    @property
    def ids(self) -> list[str]:
        """Of the calls."""
        return [f"call_{self.mark}_{number}" for number in range(self.calls)]

    @property
    def text(self) -> str:
        """Of an answer that asks for nothing."""
        return f"Three, by {self.mark}."

    def signature(self, what: object) -> str:
        """For one piece of the turn."""
        return b64encode(f"signed {self.mark} {what}".encode().ljust(self.signature_bytes, b".")).decode()


class Format(Protocol):
    """One provider's wire format."""

    @property
    def spec(self) -> Mapping[str, Any]:
        """Fields of an LLM that choose the format."""
        ...

    def written(self, said: Said) -> Turn:
        """The turn as it goes out, and must come back."""
        ...

    def reply(self, said: Said) -> dict[str, Any]:
        """The whole answer that holds the turn."""
        ...

    def turns(self, body: Mapping[str, Any]) -> list[Turn]:
        """The model's turns of a request, as far as what is compared."""
        ...

    def foreign(self, turn: Turn) -> str | None:
        """What is wrong with a turn that another model wrote; None where nothing is."""
        ...

    def refusal(self, problem: str) -> dict[str, Any]:
        """The body of an HTTP 400."""
        ...


class Gemini:
    """`generateContent`: every call has its `thoughtSignature`, and the text has one behind it."""

    spec: Mapping[str, Any] = {"provider": "google"}

    def written(self, said: Said) -> Turn:
        """See `Format`."""
        thought: Part = {"text": f"I think ({said.mark}).", "thought": True}
        if not said.calls:
            end: Part = {"text": "", "thoughtSignature": said.signature("end")}
            return [thought, {"text": said.text}, end]
        return [thought, *(self._call(said, call_id) for call_id in said.ids)]

    def _call(self, said: Said, call_id: str) -> Part:
        call = {"id": call_id, "name": "add", "args": {"a": 1, "b": 2}}
        return {"functionCall": call, "thoughtSignature": said.signature(call_id)}

    def reply(self, said: Said) -> dict[str, Any]:
        """See `Format`."""
        content = {"role": "model", "parts": self.written(said)}
        usage = {"promptTokenCount": 20, "candidatesTokenCount": 5, "thoughtsTokenCount": 7, "totalTokenCount": 32}
        return {"candidates": [{"content": content, "finishReason": "STOP", "index": 0}], "usageMetadata": usage}

    def turns(self, body: Mapping[str, Any]) -> list[Turn]:
        """See `Format`."""
        return [content["parts"] for content in body["contents"] if content["role"] == "model"]

    def foreign(self, turn: Turn) -> str | None:
        """See `Format`: the first call must have the value for calls of others, nothing else a signature."""
        calls = [part for part in turn if "functionCall" in part]
        first = calls[0] if calls else None
        if first is not None and first.get("thoughtSignature") != NO_SIGNATURE:
            return f"Function call is missing a thought_signature in functionCall parts: {turn}"
        others = [part for part in turn if part is not first]
        strange = any(not part.keys().isdisjoint({"thoughtSignature", "thought"}) for part in others)
        return f"Thought signature is not valid: {turn}" if strange else None

    def refusal(self, problem: str) -> dict[str, Any]:
        """See `Format`."""
        return {"error": {"code": 400, "message": problem, "status": "INVALID_ARGUMENT"}}


class Responses:
    """`responses` with `store: false`: a reasoning item with `encrypted_content` stands before what it led to."""

    spec: Mapping[str, Any] = {"provider": "openai", "openai": {"api": "Responses"}}

    def written(self, said: Said) -> Turn:
        """See `Format`."""
        summary = [{"type": "summary_text", "text": f"I think ({said.mark})."}]
        reasoning = {"id": f"rs_{said.mark}", "type": "reasoning", "summary": summary}
        reasoning |= {"encrypted_content": said.signature("reasoning")}
        if said.calls:
            return [reasoning, *(self._call(call_id) for call_id in said.ids)]
        content: list[Part] = [{"type": "output_text", "text": said.text, "annotations": []}]
        about = {"id": f"msg_{said.mark}", "type": "message", "role": "assistant", "status": "completed"}
        return [reasoning, {**about, "content": content}]

    def _call(self, call_id: str) -> Part:
        about = {"id": f"fc_{call_id}", "type": "function_call", "call_id": call_id}
        return {**about, "name": "add", "arguments": ARGUMENTS}

    def reply(self, said: Said) -> dict[str, Any]:
        """See `Format`."""
        counts: dict[str, Any] = {"input_tokens": 20, "output_tokens": 12, "total_tokens": 32}
        usage = counts | {"output_tokens_details": {"reasoning_tokens": 7}}
        output = [{"status": "completed", **item} for item in self.written(said)]
        return {"id": "resp_1", "object": "response", "status": "completed", "output": output, "usage": usage}

    def turns(self, body: Mapping[str, Any]) -> list[Turn]:
        """See `Format`: what stands between items of others is a turn; the status of a call need not come back."""
        groups = groupby(body["input"], key=_is_of_model)
        return [[_without_status(item) for item in group] for is_own, group in groups if is_own]

    def foreign(self, turn: Turn) -> str | None:
        """See `Format`: nothing of another model's reasoning, and no id of what this one did not store."""
        if any(item["type"] == "reasoning" for item in turn):
            return f"The encrypted content could not be verified: {turn}"
        return f"Item not found, items are not persisted when store is false: {turn}" if _has_ids(turn) else None

    def refusal(self, problem: str) -> dict[str, Any]:
        """See `Format`."""
        error = {"message": problem, "type": "invalid_request_error", "param": "input", "code": None}
        return {"error": error}


def _is_of_model(item: Mapping[str, Any]) -> bool:
    return item.get("role") == "assistant" or item["type"] in ("reasoning", "function_call")


def _without_status(item: Part) -> Part:
    return {key: value for key, value in item.items() if key != "status" or item["type"] == "message"}


def _has_ids(turn: Sequence[Part]) -> bool:
    return any("id" in item for item in turn)


class Messages:
    """`v1/messages`: signed thinking before the calls, encrypted thinking between a text and more calls."""

    spec: Mapping[str, Any] = {"provider": "anthropic"}

    def written(self, said: Said) -> Turn:
        """See `Format`."""
        thinking: Part = {"type": "thinking", "thinking": f"I think ({said.mark}).", "signature": said.signature(0)}
        hidden: Part = {"type": "redacted_thinking", "data": said.signature("hidden")}
        text: Part = {"type": "text", "text": said.text}
        return [thinking, text, hidden, *(self._call(call_id) for call_id in said.ids)]

    def _call(self, call_id: str) -> Part:
        return {"type": "tool_use", "id": call_id, "name": "add", "input": {"a": 1, "b": 2}}

    def reply(self, said: Said) -> dict[str, Any]:
        """See `Format`."""
        about = {"id": "msg_1", "type": "message", "role": "assistant", "stop_sequence": None}
        reason = "tool_use" if said.calls else "end_turn"
        usage = {"input_tokens": 20, "output_tokens": 12}
        return {**about, "content": self.written(said), "stop_reason": reason, "usage": usage}

    def turns(self, body: Mapping[str, Any]) -> list[Turn]:
        """See `Format`."""
        return [turn["content"] for turn in body["messages"] if turn["role"] == "assistant"]

    def foreign(self, turn: Turn) -> str | None:
        """See `Format`: no thinking that another model signed."""
        is_signed = any("thinking" in block["type"] for block in turn)
        return f"Invalid `signature` in `thinking` block: {turn}" if is_signed else None

    def refusal(self, problem: str) -> dict[str, Any]:
        """See `Format`."""
        return {"type": "error", "error": {"type": "invalid_request_error", "message": problem}}
