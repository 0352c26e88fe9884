"""What the tests of this package are made of: targets, conversations, replies."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from kubechain.api.llm import LLM
from kubechain.api.message import Message, ToolCall, ToolCallFunction
from kubechain.llm.client import Target
from kubechain.llm.dialects.dialect import CompletionRequest
from kubechain.llm.exchange import HttpReply
from kubechain.llm.targets import target_for

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)

CANARY = "sk-canary-Qz7Wv9Kx3Lp5RtY2"
"""A key that must turn up nowhere but in the header that carries it."""


def an_llm(model: str | None = None, **spec: Any) -> LLM:
    """An LLM of openai without parameters, changed by fields of its spec as they stand in a manifest."""
    wire = {"provider": "openai"} | spec
    if model is not None:
        wire["parameters"] = {"model": model} | spec.get("parameters", {})
    metadata = {"name": "gpt-4o", "namespace": "default", "uid": "uid-1"}
    return LLM.from_wire({"kind": "LLM", "metadata": metadata, "spec": wire})


def a_target(model: str = "gpt-4o", *, base_url: str | None = None, key: str | None = CANARY, **spec: Any) -> Target:
    parameters = spec.pop("parameters", {}) | ({"baseUrl": base_url} if base_url else {})
    return target_for(an_llm(model, parameters=parameters, **spec), api_key=key)


def a_request(target: Target | None = None, *messages: Message) -> CompletionRequest:
    return CompletionRequest(target or a_target(), messages or (user("What is the capital of the moon?"),))


def user(text: str) -> Message:
    return Message(role="user", content=text)


def a_tool_call(call_id: str = "call_1", name: str = "add", arguments: str = '{"a": 1}') -> ToolCall:
    return ToolCall(id=call_id, function=ToolCallFunction(name=name, arguments=arguments))


def a_reply(status: int = 200, body: object = None, headers: Mapping[str, str] | None = None) -> HttpReply:
    raw = body if isinstance(body, bytes) else orjson.dumps(body if body is not None else {})
    return HttpReply(status=status, headers=headers or {}, body=raw, received_at=NOW)


def an_error_reply(status: int, message: str = "no", code: str | None = None, **headers: str) -> HttpReply:
    error = {"message": message, "type": "some_type", "code": code}
    return a_reply(status, {"error": error}, {name.replace("_", "-"): value for name, value in headers.items()})


def a_completion_body(
    message: Mapping[str, Any] | None = None, finish_reason: str | None = "stop", **more: Any
) -> dict[str, Any]:
    spoken = {"role": "assistant", "content": "Moonville"} if message is None else message
    return {"model": "gpt-4o-2024", "choices": [{"message": spoken, "finish_reason": finish_reason}], **more}
