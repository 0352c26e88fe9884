"""A `chat.completion` object as a `Completion`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from kubechain.api.message import ToolCall
from kubechain.api.usage import Usage
from kubechain.llm.client import Completion, Target
from kubechain.llm.dialects.answers import Ended, assistant_message, cut_of, is_blank, problem_of
from kubechain.llm.dialects.json_values import dumps, items, mapping, text
from kubechain.llm.dialects.openai_chat import extras
from kubechain.llm.dialects.openai_chat.choices import Answer, answer_of, has_reasoning
from kubechain.llm.dialects.openai_chat.usage import usage_of
from kubechain.llm.dialects.replies import body_of_success, tool_call
from kubechain.llm.endpoints import CHAT_COMPLETIONS
from kubechain.llm.errors import InvalidAnswer
from kubechain.llm.exchange import HttpReply
from kubechain.llm.failures import failure_inside, is_error

_NO_FAILURE = frozenset({"", "0", "200", "20000", "success", "ok", "none"})
"""Codes that stand where an error would and say that there is none."""


def decode(target: Target, reply: HttpReply) -> Completion:
    """See `Dialect.decode`."""
    body = body_of_success(target, reply, CHAT_COMPLETIONS)
    usage, answer = usage_of(mapping(body.get("usage"))), answer_of(body)
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
    ended = Ended(
        content=content,
        calls=calls,
        finish=answer.finish,
        reason=answer.finish_reason,
        has_reasoning=has_reasoning(message),
        max_tokens=target.parameters.max_tokens,
    )
    if problem := problem_of(target, ended, usage):
        raise problem
    return Completion(
        message=assistant_message(content, calls, extras.provider_data(target, message)),
        usage=usage,
        finish_reason="refusal" if content and content == refusal else answer.finish_reason,
        model=model,
        cut=cut_of(ended),
    )


def _tool_call(item: object, usage: Usage) -> ToolCall:
    call = mapping(item)
    function = mapping(call.get("function"))
    return tool_call(
        call_id=call.get("id"), name=function.get("name"), arguments=function.get("arguments"), usage=usage
    )
