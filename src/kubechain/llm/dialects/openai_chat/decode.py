"""A `chat.completion` object as a `Completion`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, assert_never

from kubechain.api import reasons
from kubechain.api.message import Message, ProviderData, ToolCall, ToolCallFunction
from kubechain.api.taskrun import COUNT_LIMIT, Usage
from kubechain.llm.auth import clear_key
from kubechain.llm.client import Completion, Cut, Target
from kubechain.llm.dialects.finish_reasons import Finish
from kubechain.llm.dialects.json_values import count, dumps, is_json, items, json_object, mapping, text
from kubechain.llm.dialects.openai_chat import extras
from kubechain.llm.dialects.openai_chat.choices import Answer, answer_of, is_blank, what_came
from kubechain.llm.errors import InvalidAnswer, LLMError, RequestRefused, ServerFailed
from kubechain.llm.exchange import HttpReply
from kubechain.llm.failures import failure, failure_inside, is_error
from kubechain.llm.provider_errors import is_page
from kubechain.llm.redaction import foreign_text

_NO_FAILURE = frozenset({"", "0", "200", "20000", "success", "ok", "none"})
"""Codes that stand where an error would and say that there is none."""


def decode(target: Target, reply: HttpReply) -> Completion:
    """See `Dialect.decode`."""
    if not 200 <= reply.status < 300:
        raise failure(target, reply)
    if is_page(reply):
        raise failure_inside(target, reply)
    body = json_object(reply)
    usage, answer = _usage(mapping(body.get("usage"))), answer_of(body)
    if error := _error(body, answer):
        raise failure_inside(target, replace(reply, body=dumps({"error": error})), usage=usage)
    if answer is None:  # gateways whose upstream failed after they said 200
        if is_error(reply):
            raise failure_inside(target, reply)
        raise InvalidAnswer("invalid answer: no choices", usage=usage)
    return _completion(target, answer, usage, model=str(body.get("model") or target.model))


def _error(body: Mapping[str, Any], answer: Answer | None) -> object:
    """The error that stands beside an answer, or in it; None where there is none."""
    if answer is None:
        return None
    return next((said for said in (body.get("error"), answer.error, body.get("base_resp")) if _is_failure(said)), None)


def _is_failure(said: object) -> bool:
    if isinstance(said, str):
        return said.strip().lower() not in _NO_FAILURE
    if items(said):
        return True
    fields = mapping(said)
    codes = [fields[name] for name in ("code", "status_code", "type", "status") if fields.get(name) not in (None, "")]
    if codes:
        return any(str(code).lower() not in _NO_FAILURE for code in codes)
    return any(isinstance(value, str) and value.strip() for value in fields.values())


def _completion(target: Target, answer: Answer, usage: Usage, *, model: str) -> Completion:
    """Turn an answer into a `Completion`.

    Raises:
        InvalidAnswer: It holds neither text nor a whole tool call.
        RequestRefused: The provider's content filter or the token limit stopped it.
        ServerFailed: The server stopped it.
    """
    message = answer.message
    content, refusal = text(message.get("content")), text(message.get("refusal"))
    if is_blank(content):
        content = refusal or ("" if message.get("tool_calls") else content)
    calls = tuple(_tool_call(item, usage) for item in items(message.get("tool_calls")))
    is_empty = is_blank(content) and not calls
    if problem := _problem(target, answer, calls, usage, is_empty=is_empty):
        raise problem
    if is_empty:
        raise InvalidAnswer(f"invalid answer: {what_came(message)}", usage=usage)
    return Completion(
        message=_assistant(content, calls, extras.provider_data(target, message)),
        usage=usage,
        finish_reason="refusal" if content and content == refusal else answer.finish_reason,
        model=model,
        cut=Cut(reasons.TOKEN_LIMIT, f"the answer {_at_limit(target)}") if answer.finish is Finish.LENGTH else None,
    )


def _problem(
    target: Target, answer: Answer, calls: tuple[ToolCall, ...], usage: Usage, *, is_empty: bool
) -> LLMError | None:
    """Why an answer may not be used, by the reason that its server gives for its end."""
    reason = foreign_text(answer.finish_reason, secret=clear_key(target.api_key))
    match answer.finish:
        case Finish.WHOLE:
            return None
        case Finish.CALLS if not calls and not is_empty:
            text = f'invalid answer: finish reason "{reason}" promises tool calls, and none came'
            return InvalidAnswer(text, usage=usage)
        case Finish.CALLS:
            return None
        case Finish.LENGTH if is_empty:
            return RequestRefused(f"the answer {_at_limit(target)}; {what_came(answer.message)}", usage=usage)
        case Finish.LENGTH if any(not is_json(call.function.arguments) for call in calls):
            return RequestRefused(f"a tool call {_at_limit(target)}", usage=usage)
        case Finish.LENGTH:
            return None
        case Finish.FILTERED:
            return RequestRefused(f"answer stopped by the provider's content filter: {reason}", usage=usage)
        case Finish.MALFORMED:
            return InvalidAnswer(f"invalid answer: finish reason {reason}", usage=usage)
        case Finish.FAILED:
            return ServerFailed(f"provider failed: the answer was stopped: finish reason {reason}", usage=usage)
        case _:
            assert_never(answer.finish)


def _at_limit(target: Target) -> str:
    limit = target.parameters.max_tokens
    if limit is None:
        return "was cut at the token limit of the model or its server: set parameters.maxTokens of the LLM"
    return f"was cut at the token limit: raise parameters.maxTokens of the LLM, which is {limit}"


def _assistant(content: str, calls: tuple[ToolCall, ...], data: ProviderData | None) -> Message:
    """Set only what there is: a field that was set is written, and a run's status should hold no empty lists."""
    message = Message(role="assistant", content=content)
    if calls:
        message = message.with_changes(tool_calls=calls)
    return message.with_changes(provider_data=data) if data else message


def _tool_call(item: object, usage: Usage) -> ToolCall:
    call = mapping(item)
    function = mapping(call.get("function"))
    name, arguments = function.get("name"), _arguments(function.get("arguments"))
    if not isinstance(name, str) or not name.strip():
        raise InvalidAnswer("invalid answer: a tool call without a name", usage=usage)
    return ToolCall(
        id=str(call.get("id") or ""), type="function", function=ToolCallFunction(name=name, arguments=arguments)
    )


def _arguments(value: object) -> str:
    """Return arguments byte for byte. Empty for a tool without parameters; some servers send an object."""
    if isinstance(value, str):
        return value
    return "" if value is None else dumps(value).decode()


def _usage(usage: Mapping[str, Any]) -> Usage:
    sent, received = count(usage.get("prompt_tokens")), count(usage.get("completion_tokens"))
    total = count(usage.get("total_tokens")) or min(sent + received, COUNT_LIMIT)
    return Usage(input_tokens=sent, output_tokens=received, total_tokens=total, model_calls=1)
