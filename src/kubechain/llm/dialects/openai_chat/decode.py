"""A `chat.completion` object as a `Completion`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from kubechain.api.message import Message, ProviderData, ToolCall, ToolCallFunction
from kubechain.api.taskrun import Usage
from kubechain.llm.client import Completion, Target
from kubechain.llm.dialects.json_values import count, first, is_json, items, json_object, mapping, text
from kubechain.llm.dialects.openai_chat import extras
from kubechain.llm.errors import InvalidAnswer, RequestRefused
from kubechain.llm.exchange import HttpReply
from kubechain.llm.failures import failure, failure_inside, is_error
from kubechain.llm.provider_errors import is_page


def decode(target: Target, reply: HttpReply) -> Completion:
    """See `Dialect.decode`."""
    if reply.status != 200:
        raise failure(target, reply)
    if is_page(reply):
        raise failure_inside(target, reply)
    body = json_object(reply)
    if not body.get("choices") and is_error(reply):  # gateways whose upstream failed after they said 200
        raise failure_inside(target, reply)
    return completion(target, body)


def completion(target: Target, body: Mapping[str, Any]) -> Completion:
    """Turn a `chat.completion` object into a `Completion`.

    Raises:
        InvalidAnswer: It holds neither text nor a whole tool call.
        RequestRefused: The provider's content filter stopped the answer.
    """
    choice = mapping(first(body.get("choices")))
    message = mapping(choice.get("message"))
    finish_reason = str(choice.get("finish_reason") or "stop")
    if finish_reason == "content_filter":
        raise RequestRefused("answer stopped by the provider's content filter")
    content, refusal = text(message.get("content")), text(message.get("refusal"))
    calls = tuple(_tool_call(item, finish_reason) for item in items(message.get("tool_calls")))
    if not content and not calls:
        if not refusal:
            raise InvalidAnswer(_why_empty(choice, finish_reason))
        content, finish_reason = refusal, "refusal"
    return Completion(
        message=_assistant(content, calls, extras.provider_data(target, message)),
        usage=_usage(mapping(body.get("usage"))),
        finish_reason=finish_reason,
        model=str(body.get("model") or target.model),
    )


def _assistant(content: str, calls: tuple[ToolCall, ...], data: ProviderData | None) -> Message:
    """Set only what there is: a field that was set is written, and a run's status should hold no empty lists."""
    message = Message(role="assistant", content=content)
    if calls:
        message = message.with_changes(tool_calls=calls)
    return message.with_changes(provider_data=data) if data else message


def _why_empty(choice: Mapping[str, Any], finish_reason: str) -> str:
    if not choice:
        return "invalid answer: no choices"
    if finish_reason == "length":
        return "invalid answer: the token limit was reached before any text: raise maxTokens"
    return "invalid answer: neither text nor tool calls"


def _tool_call(item: object, finish_reason: str) -> ToolCall:
    call = mapping(item)
    function = mapping(call.get("function"))
    name, arguments = function.get("name"), _arguments(function.get("arguments"))
    if not isinstance(name, str) or not name:
        raise InvalidAnswer("invalid answer: a tool call without a name")
    if finish_reason == "length" and not is_json(arguments):
        raise InvalidAnswer("invalid answer: a tool call was cut at the token limit: raise maxTokens")
    return ToolCall(
        id=str(call.get("id") or ""), type="function", function=ToolCallFunction(name=name, arguments=arguments)
    )


def _arguments(value: object) -> str:
    """Return arguments byte for byte. Empty for a tool without parameters; some servers send an object."""
    if isinstance(value, str):
        return value
    return "" if value is None else orjson.dumps(value).decode()


def _usage(usage: Mapping[str, Any]) -> Usage:
    sent, received = count(usage.get("prompt_tokens")), count(usage.get("completion_tokens"))
    total = count(usage.get("total_tokens")) or sent + received
    return Usage(input_tokens=sent, output_tokens=received, total_tokens=total, model_calls=1)
