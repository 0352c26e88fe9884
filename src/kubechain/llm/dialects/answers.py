"""What a decoded answer means, whatever the wire format: whether it may be used, and which message it becomes. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import assert_never

from kubechain.api import reasons
from kubechain.api.message import Message, ProviderData, ToolCall
from kubechain.api.usage import Usage
from kubechain.llm.auth import clear_key
from kubechain.llm.client import Cut, Target
from kubechain.llm.dialects.finish_reasons import Finish
from kubechain.llm.dialects.json_values import is_json
from kubechain.llm.errors import InvalidAnswer, LLMError, RequestRefused, ServerFailed
from kubechain.llm.redaction import foreign_text

_THOUGHT = re.compile(r"<(think|thinking|thought|reasoning)>.*?(?:</\1>|\Z)", re.DOTALL | re.IGNORECASE)
_SHOWN_CHARACTERS = 40


@dataclass(frozen=True, slots=True)
class Ended:
    """An answer with the reason that its server gives for its end.

    Attributes:
        content: The text of the answer.
        reason: The provider's word for the end.
        has_reasoning: Whether the answer holds reasoning beside its text.
        max_tokens: The limit of tokens that was sent; None where none was.
    """

    content: str
    calls: tuple[ToolCall, ...]
    finish: Finish
    reason: str
    has_reasoning: bool = False
    max_tokens: int | None = None

    @property
    def is_empty(self) -> bool:
        """Whether there is neither text nor a call."""
        return is_blank(self.content) and not self.calls


def is_blank(content: str) -> bool:
    """Whether nobody can read anything in a text: it is white space, or nothing but thoughts."""
    return not any(c.isprintable() and not c.isspace() for c in _THOUGHT.sub("", content))


def problem_of(target: Target, answer: Ended, usage: Usage) -> LLMError | None:
    """Return why an answer may not be used, by the reason for its end, then by what it holds; None where it may."""
    if problem := _problem_of_end(target, answer, usage):
        return problem
    return InvalidAnswer(f"invalid answer: {_what_came(answer)}", usage=usage) if answer.is_empty else None


def cut_of(answer: Ended) -> Cut | None:
    """Return why the text of an answer that may be used is not whole; None where it is."""
    return Cut(reasons.TOKEN_LIMIT, f"the answer {_at_limit(answer)}") if answer.finish is Finish.LENGTH else None


def assistant_message(content: str, calls: tuple[ToolCall, ...], data: ProviderData | None) -> Message:
    """Return an answer as a message with only what there is: a field that is set is written to the run's status."""
    message = Message(role="assistant", content=content)
    if calls:
        message = message.with_changes(tool_calls=calls)
    return message.with_changes(provider_data=data) if data else message


def _problem_of_end(target: Target, answer: Ended, usage: Usage) -> LLMError | None:
    reason = foreign_text(answer.reason, secret=clear_key(target.api_key))
    match answer.finish:
        case Finish.WHOLE:
            return None
        case Finish.CALLS if not answer.calls and not answer.is_empty:
            text = f'invalid answer: finish reason "{reason}" promises tool calls, and none came'
            return InvalidAnswer(text, usage=usage)
        case Finish.CALLS:
            return None
        case Finish.LENGTH if answer.is_empty:
            return RequestRefused(f"the answer {_at_limit(answer)}; {_what_came(answer)}", usage=usage)
        case Finish.LENGTH if any(not is_json(call.function.arguments) for call in answer.calls):
            return RequestRefused(f"a tool call {_at_limit(answer)}", usage=usage)
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


def _what_came(answer: Ended) -> str:
    """Say what an answer without text and calls holds instead."""
    if answer.has_reasoning or _THOUGHT.search(answer.content):
        return "only reasoning, neither text nor tool calls"
    if answer.content:
        return f"only blank text ({answer.content[:_SHOWN_CHARACTERS]!r}), no tool calls"
    return "neither text nor tool calls"


def _at_limit(answer: Ended) -> str:
    if answer.max_tokens is None:
        return "was cut at the token limit of the model or its server: set parameters.maxTokens of the LLM"
    return f"was cut at the token limit: raise parameters.maxTokens of the LLM, which is {answer.max_tokens}"
