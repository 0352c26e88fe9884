"""What every dialect asks of a reply before it reads the answer in it, and how a tool call is read. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kubechain.api.message import ToolCall, ToolCallFunction
from kubechain.api.usage import Usage
from kubechain.llm.client import Target
from kubechain.llm.dialects.json_values import dumps, json_object
from kubechain.llm.errors import InvalidAnswer
from kubechain.llm.exchange import HttpReply
from kubechain.llm.failures import failure, failure_inside
from kubechain.llm.provider_errors import is_page


def body_of_success(target: Target, reply: HttpReply, operation: str) -> Mapping[str, Any]:
    """Return the object that a reply holds.

    Args:
        operation: What was asked for, for the URL in the message of a failure.

    Raises:
        LLMError: The reply is a failure, a web page or no object; an error in the object is left to the dialect.
    """
    if not 200 <= reply.status < 300:
        raise failure(target, reply, operation=operation)
    if is_page(reply):
        raise failure_inside(target, reply, operation=operation)
    return json_object(reply)


def counted(usage: Usage) -> Usage | None:
    """Return a usage that the provider told; None where it counted nothing."""
    return usage if usage.total_tokens else None


def tool_call(*, call_id: object, name: object, arguments: object, usage: Usage) -> ToolCall:
    """Return a call that a model wrote.

    Args:
        call_id: None or empty where the server gives none.
        arguments: A text is taken byte for byte, None for a call without any; all else is encoded as JSON.
        usage: Of the answer that holds the call.

    Raises:
        InvalidAnswer: The call has no name.
    """
    if not isinstance(name, str) or not name.strip():
        raise InvalidAnswer("invalid answer: a tool call without a name", usage=usage)
    written = arguments if isinstance(arguments, str) else "" if arguments is None else dumps(arguments).decode()
    return ToolCall(id=str(call_id or ""), type="function", function=ToolCallFunction(name=name, arguments=written))
