"""A `GenerateContentResponse` as a `Completion`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kubechain.api.message import ToolCall
from kubechain.api.usage import Usage
from kubechain.llm.auth import clear_key
from kubechain.llm.client import Completion, Target, ToolDefinition
from kubechain.llm.dialects.answers import Ended, assistant_message, cut_of, problem_of
from kubechain.llm.dialects.dialect import CompletionRequest
from kubechain.llm.dialects.finish_reasons import finish_of
from kubechain.llm.dialects.gemini.encode import operation_of
from kubechain.llm.dialects.gemini.names import offered_name
from kubechain.llm.dialects.gemini.quotas import wait_for_reset
from kubechain.llm.dialects.gemini.usage import usage_of
from kubechain.llm.dialects.json_values import dumps, first, items, mapping, text
from kubechain.llm.dialects.pieces import Called, Piece, Said, Verbatim, provider_data, text_of
from kubechain.llm.dialects.replies import body_of_success, counted, tool_call
from kubechain.llm.errors import InvalidAnswer, LLMError, RequestRefused
from kubechain.llm.exchange import HttpReply
from kubechain.llm.failures import failure_inside, is_error
from kubechain.llm.redaction import foreign_text


def decode(request: CompletionRequest, reply: HttpReply) -> Completion:
    """See `Dialect.decode`."""
    target = request.target
    operation = operation_of(request)
    try:
        body = body_of_success(target, reply, operation)
    except LLMError as error:
        wait_for_reset(error, reply)
        raise
    usage = usage_of(mapping(body.get("usageMetadata")))
    if body.get("error"):
        raise failure_inside(target, reply, usage=counted(usage), operation=operation)
    candidate = mapping(first(body.get("candidates")))
    if not candidate:
        if not body.get("promptFeedback") and is_error(reply):
            raise failure_inside(target, reply, operation=operation)
        raise _without_candidate(target, mapping(body.get("promptFeedback")), usage)
    model = str(body.get("modelVersion") or target.model)
    return _completion(target, candidate, usage, tools=request.tools, model=model)


def _without_candidate(target: Target, feedback: Mapping[str, Any], usage: Usage) -> LLMError:
    blocked = feedback.get("blockReason")
    if not blocked:
        return InvalidAnswer("invalid answer: no candidates", usage=usage)
    secret = clear_key(target.api_key)
    reason = foreign_text(str(blocked), secret=secret)
    told = foreign_text(text(feedback.get("blockReasonMessage")), secret=secret)
    what = f"{reason}: {told}" if told else reason
    return RequestRefused(f"the conversation was stopped by the provider's content filter: {what}", usage=usage)


def _completion(
    target: Target, candidate: Mapping[str, Any], usage: Usage, *, tools: Sequence[ToolDefinition], model: str
) -> Completion:
    parts = [part for item in items(mapping(candidate.get("content")).get("parts")) if (part := mapping(item))]
    calls = tuple(_tool_call(mapping(part["functionCall"]), tools, usage) for part in parts if _is_call(part))
    pieces = _pieces(parts)
    reason = str(candidate.get("finishReason") or "STOP")
    ended = Ended(
        content=text_of(pieces),
        calls=calls,
        finish=finish_of(reason),
        reason=_with_message(reason, text(candidate.get("finishMessage"))),
        has_reasoning=any(part.get("thought") for part in parts),
        max_tokens=target.parameters.max_tokens,
    )
    if problem := problem_of(target, ended, usage):
        raise problem
    return Completion(
        message=assistant_message(ended.content, calls, provider_data(target, pieces)),
        usage=usage,
        finish_reason=reason,
        model=model,
        cut=cut_of(ended),
    )


def _with_message(reason: str, told: str) -> str:
    return f"{reason}: {told}" if told else reason


def _is_call(part: Mapping[str, Any]) -> bool:
    return "functionCall" in part


def _pieces(parts: Sequence[Mapping[str, Any]]) -> list[Piece]:
    """Sort the parts of an answer; a thought is no text."""
    pieces: list[Piece] = []
    calls = 0
    for part in parts:
        if _is_call(part):
            pieces.append(Called(calls, _without(part, "functionCall")))
            calls += 1
        elif isinstance(part.get("text"), str) and not part.get("thought"):
            pieces.append(Said(part["text"], _without(part, "text")))
        else:
            pieces.append(Verbatim(part))
    return pieces


def _without(part: Mapping[str, Any], known: str) -> dict[str, Any]:
    return {name: value for name, value in part.items() if name not in (known, "thought") and value is not None}


def _tool_call(call: Mapping[str, Any], tools: Sequence[ToolDefinition], usage: Usage) -> ToolCall:
    name = call.get("name")
    offered = offered_name(name, tools) if isinstance(name, str) else name
    arguments = call.get("args")
    written = None if arguments is None else dumps(arguments).decode()
    return tool_call(call_id=call.get("id"), name=offered, arguments=written, usage=usage)
