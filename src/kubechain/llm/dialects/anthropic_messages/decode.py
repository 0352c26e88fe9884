"""A `message` object as a `Completion`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kubechain.api.usage import COUNT_LIMIT, Usage
from kubechain.llm.client import Completion, Target
from kubechain.llm.dialects import tokens
from kubechain.llm.dialects.answers import Ended, assistant_message, cut_of, problem_of
from kubechain.llm.dialects.anthropic_messages.options import max_tokens_of
from kubechain.llm.dialects.anthropic_messages.thinking import provider_data
from kubechain.llm.dialects.finish_reasons import finish_of
from kubechain.llm.dialects.json_values import count, items, mapping, text
from kubechain.llm.dialects.replies import body_of_success, counted, tool_call
from kubechain.llm.endpoints import MESSAGES
from kubechain.llm.errors import InvalidAnswer
from kubechain.llm.exchange import HttpReply
from kubechain.llm.failures import failure_inside, is_error

_THINKING = ("thinking", "redacted_thinking")


def decode(target: Target, reply: HttpReply) -> Completion:
    """See `Dialect.decode`."""
    body = body_of_success(target, reply, MESSAGES)
    usage = usage_of(mapping(body.get("usage")))
    if body.get("type") == "error" or body.get("error"):
        raise failure_inside(target, reply, usage=counted(usage), operation=MESSAGES)
    blocks = [mapping(block) for block in items(body.get("content")) if mapping(block)]
    if not blocks and not body.get("stop_reason"):
        if is_error(reply):
            raise failure_inside(target, reply, operation=MESSAGES)
        raise InvalidAnswer("invalid answer: no content", usage=usage)
    return _completion(target, body, blocks, usage)


def usage_of(usage: Mapping[str, Any]) -> Usage:
    """Count tokens; what was read from the cache or written to it is beside `input_tokens` on the wire."""
    read, written = count(usage.get("cache_read_input_tokens")), count(usage.get("cache_creation_input_tokens"))
    return tokens.usage(
        sent=min(count(usage.get("input_tokens")) + read + written, COUNT_LIMIT),
        received=count(usage.get("output_tokens")),
        cache_read=read,
        cache_written=written,
        thought=count(mapping(usage.get("output_tokens_details")).get("thinking_tokens")),
    )


def _completion(
    target: Target, body: Mapping[str, Any], blocks: Sequence[Mapping[str, Any]], usage: Usage
) -> Completion:
    calls = tuple(
        tool_call(call_id=block.get("id"), name=block.get("name"), arguments=block.get("input"), usage=usage)
        for block in blocks
        if block.get("type") == "tool_use"
    )
    reason = str(body.get("stop_reason") or "end_turn")
    ended = Ended(
        content="".join(text(block.get("text")) for block in blocks if block.get("type") == "text"),
        calls=calls,
        finish=finish_of(reason),
        reason=_with_details(reason, mapping(body.get("stop_details"))),
        has_reasoning=any(block.get("type") in _THINKING for block in blocks),
        max_tokens=max_tokens_of(target),
    )
    if problem := problem_of(target, ended, usage):
        raise problem
    return Completion(
        message=assistant_message(ended.content, calls, provider_data(target, blocks)),
        usage=usage,
        finish_reason=reason,
        model=str(body.get("model") or target.model),
        cut=cut_of(ended),
    )


def _with_details(reason: str, details: Mapping[str, Any]) -> str:
    """Add what the provider says of a refusal, for the message that people read."""
    category, explanation = text(details.get("category")), text(details.get("explanation"))
    named = f"{reason} ({category})" if category else reason
    return f"{named}: {explanation}" if explanation else named
