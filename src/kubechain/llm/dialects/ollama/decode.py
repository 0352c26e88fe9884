"""The reply to `POST chat` as a `Completion`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kubechain.api.usage import Usage
from kubechain.llm.client import Completion, Target
from kubechain.llm.dialects import tokens
from kubechain.llm.dialects.answers import Ended, assistant_message, cut_of, problem_of
from kubechain.llm.dialects.finish_reasons import finish_of
from kubechain.llm.dialects.json_values import count, items, mapping, text
from kubechain.llm.dialects.pieces import Called, Piece, Said, Verbatim, provider_data
from kubechain.llm.dialects.replies import body_of_success, counted, tool_call
from kubechain.llm.endpoints import CHAT
from kubechain.llm.errors import InvalidAnswer
from kubechain.llm.exchange import HttpReply
from kubechain.llm.failures import failure_inside, is_error

_KNOWN_OF_MESSAGE = frozenset({"role", "content", "tool_calls", "images"})
_KNOWN_OF_CALL = frozenset({"id", "type", "function"})


def decode(target: Target, reply: HttpReply) -> Completion:
    """See `Dialect.decode`."""
    body = body_of_success(target, reply, CHAT)
    usage = usage_of(body)
    if body.get("error"):
        raise failure_inside(target, reply, usage=counted(usage), operation=CHAT)
    message = mapping(body.get("message"))
    if not message:
        if is_error(reply):
            raise failure_inside(target, reply, operation=CHAT)
        raise InvalidAnswer("invalid answer: no message", usage=usage)
    return _completion(target, message, usage, body)


def usage_of(body: Mapping[str, Any]) -> Usage:
    """Count tokens."""
    return tokens.usage(sent=count(body.get("prompt_eval_count")), received=count(body.get("eval_count")))


def _completion(target: Target, message: Mapping[str, Any], usage: Usage, body: Mapping[str, Any]) -> Completion:
    wire_calls = [mapping(item) for item in items(message.get("tool_calls"))]
    functions = [mapping(call.get("function")) for call in wire_calls]
    calls = tuple(
        tool_call(call_id=call.get("id"), name=one.get("name"), arguments=one.get("arguments"), usage=usage)
        for call, one in zip(wire_calls, functions, strict=True)
    )
    content, reason = text(message.get("content")), str(body.get("done_reason") or "stop")
    ended = Ended(
        content=content,
        calls=calls,
        finish=finish_of(reason),
        reason=reason,
        has_reasoning=bool(message.get("thinking")),
        max_tokens=target.parameters.max_tokens,
    )
    if problem := problem_of(target, ended, usage):
        raise problem
    pieces = [*_verbatim(message), Said(content), *(Called(at, _more(one)) for at, one in enumerate(wire_calls))]
    return Completion(
        message=assistant_message(content, calls, provider_data(target, pieces)),
        usage=usage,
        finish_reason=reason,
        model=str(body.get("model") or target.model),
        cut=cut_of(ended),
    )


def _verbatim(message: Mapping[str, Any]) -> Iterator[Piece]:
    """Yield the fields that stand beside text and calls, as one piece: the model's thinking."""
    others = {name: value for name, value in message.items() if name not in _KNOWN_OF_MESSAGE and value}
    if others:
        yield Verbatim(others)


def _more(call: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: value for name, value in call.items() if name not in _KNOWN_OF_CALL and value is not None}
