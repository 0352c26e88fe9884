"""A `response` object as a `Completion`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from kubechain.api.usage import Usage
from kubechain.llm.client import Completion, Target
from kubechain.llm.dialects import tokens
from kubechain.llm.dialects.answers import Ended, assistant_message, cut_of, problem_of
from kubechain.llm.dialects.finish_reasons import Finish, finish_of
from kubechain.llm.dialects.json_values import count, dumps, items, mapping, text
from kubechain.llm.dialects.pieces import Called, Piece, Said, Verbatim, provider_data, text_of
from kubechain.llm.dialects.replies import body_of_success, counted, tool_call
from kubechain.llm.endpoints import RESPONSES
from kubechain.llm.errors import InvalidAnswer
from kubechain.llm.exchange import HttpReply
from kubechain.llm.failures import failure_inside, is_error

Item = Mapping[str, Any]

_NORMAL = ("message", "function_call")
_KNOWN_OF_MESSAGE = frozenset({"type", "role", "content", "status"})
_KNOWN_OF_CALL = frozenset({"type", "call_id", "name", "arguments", "status"})


def decode(target: Target, reply: HttpReply) -> Completion:
    """See `Dialect.decode`."""
    body = body_of_success(target, reply, RESPONSES)
    usage = usage_of(mapping(body.get("usage")))
    if error := body.get("error"):
        inner = replace(reply, body=dumps({"error": error}))
        raise failure_inside(target, inner, usage=counted(usage), operation=RESPONSES)
    output = [item for one in items(body.get("output")) if (item := mapping(one))]
    if not output and not body.get("status"):
        if is_error(reply):
            raise failure_inside(target, reply, operation=RESPONSES)
        raise InvalidAnswer("invalid answer: no output", usage=usage)
    return _completion(target, body, output, usage)


def usage_of(usage: Mapping[str, Any]) -> Usage:
    """Count tokens; those from the cache and those of reasoning are parts of the others."""
    of_input, of_output = mapping(usage.get("input_tokens_details")), mapping(usage.get("output_tokens_details"))
    return tokens.usage(
        sent=count(usage.get("input_tokens")),
        received=count(usage.get("output_tokens")),
        total=count(usage.get("total_tokens")),
        cache_read=count(of_input.get("cached_tokens")),
        cache_written=count(of_input.get("cache_write_tokens")),
        thought=count(of_output.get("reasoning_tokens")),
    )


def _completion(target: Target, body: Mapping[str, Any], output: Sequence[Item], usage: Usage) -> Completion:
    calls = tuple(
        tool_call(
            call_id=item.get("call_id") or item.get("id"),
            name=item.get("name"),
            arguments=item.get("arguments"),
            usage=usage,
        )
        for item in output
        if item.get("type") == "function_call"
    )
    pieces = _pieces(output)
    finish, reason = _end(body)
    ended = Ended(
        content=text_of(pieces),
        calls=calls,
        finish=finish,
        reason=reason,
        has_reasoning=any(item.get("type") == "reasoning" for item in output),
        max_tokens=target.parameters.max_tokens,
    )
    if problem := problem_of(target, ended, usage):
        raise problem
    is_refusal = any(part.get("type") == "refusal" for item in output for part in _content(item))
    return Completion(
        message=assistant_message(ended.content, calls, provider_data(target, pieces)),
        usage=usage,
        finish_reason="refusal" if is_refusal else reason,
        model=str(body.get("model") or target.model),
        cut=cut_of(ended),
    )


def _end(body: Mapping[str, Any]) -> tuple[Finish, str]:
    """Return what the end of an answer means, with the provider's word for it."""
    status = str(body.get("status") or "completed")
    if status == "completed":
        return Finish.WHOLE, status
    reason = str(mapping(body.get("incomplete_details")).get("reason") or status)
    if status != "incomplete":  # failed, cancelled, queued, in_progress: nothing to wait for is left
        return Finish.FAILED, reason
    finish = finish_of(reason)
    return (Finish.FAILED if finish is Finish.WHOLE else finish), reason


def _pieces(output: Sequence[Item]) -> list[Piece]:
    """Sort the items of an answer; ids go back only where there is something that refers to them."""
    has_ids = any(item.get("type") not in _NORMAL for item in output)
    pieces: list[Piece] = []
    calls = 0
    for item in output:
        if item.get("type") == "function_call":
            pieces.append(Called(calls, _others(item, _KNOWN_OF_CALL, has_ids=has_ids)))
            calls += 1
        elif item.get("type") == "message":
            pieces += _said(item, has_ids=has_ids)
        else:
            pieces.append(Verbatim({name: value for name, value in item.items() if value is not None}))
    return pieces


def _said(item: Item, *, has_ids: bool) -> Iterator[Piece]:
    """Yield the texts of a message; an id can stand with one of them only."""
    parts = [text(part.get("text") or part.get("refusal")) for part in _content(item)]
    is_one_text = [part.get("type") for part in _content(item)] == ["output_text"]
    fields = _others(item, _KNOWN_OF_MESSAGE, has_ids=has_ids and is_one_text)
    return (Said(part, fields) for part in parts)


def _content(item: Item) -> list[Item]:
    content = item.get("content") if item.get("type") == "message" else None
    if isinstance(content, str):
        return [{"type": "output_text", "text": content}]
    return [mapping(part) for part in items(content)]


def _others(item: Item, known: frozenset[str], *, has_ids: bool) -> dict[str, Any]:
    left_out = known if has_ids else known | {"id"}
    return {name: value for name, value in item.items() if name not in left_out and value is not None}
