"""Repairs responses of servers that the MCP library cannot read, so that each of them answers its request. Pure.

The library drops a response that does not follow JSON-RPC, and its request then waits for its timeout. `repaired`
makes a readable response of it: the result if there is one, otherwise an error with the code `INVALID_ANSWER`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, cast

from kubechain.net import foreign

INVALID_ANSWER = -31104
"""The server answered the request, but not with a result."""

_SHOWN_CHARACTERS = 128
_INTERNAL_ERROR = -32603
_MAY_NEED_REPAIR = re.compile(rb'"(?:result|error)"\s*:\s*[^{\s]')

Object = dict[str, Any]


def repaired(message: Mapping[str, Any]) -> Object:
    """Return a response as JSON-RPC wants it; return any other message unchanged."""
    if "method" in message or "id" not in message:
        return dict(message)
    head: Object = {"jsonrpc": "2.0", "id": message["id"]}
    if (error := message.get("error")) is not None:
        return head | {"error": _error(error)}
    if isinstance(result := message.get("result"), dict):
        return head | {"result": result}
    if "result" not in message:
        return head | {"error": invalid("the server's answer has neither a result nor an error")}
    return head | {"error": invalid(f"the server's answer is no object: {shown(result)}")}


def invalid(message: str) -> Object:
    """Return the error of a response that answers a request, but not with a result."""
    return {"code": INVALID_ANSWER, "message": message}


def shown(value: Any) -> str:
    """Return a value of a server as JSON, truncated."""
    return foreign.one_line(json.dumps(value, ensure_ascii=False), _SHOWN_CHARACTERS)


def is_error(message: Mapping[str, Any]) -> bool:
    """Return whether a message is an error of JSON-RPC, or nearly one, and not just JSON with a field `error`."""
    error = message.get("error")
    return isinstance(error, dict) and ("jsonrpc" in message or "code" in error)


def repaired_json(text: bytes) -> bytes:
    """Repair one message in JSON; return text that is fine, or that is no object, unchanged."""
    if not _MAY_NEED_REPAIR.search(text) or (message := parsed(text)) is None:
        return text
    new = repaired(message)
    return text if new == message else json.dumps(new).encode()


def parsed(text: bytes) -> Object | None:
    """Return the object that a JSON text holds; None if it holds none."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return cast(Object, value) if isinstance(value, dict) else None


def answer_in(body: bytes, request_id: Any) -> bytes | None:
    """Return the response to a request from an HTTP body, which may hold a list of messages; None if it has none."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    messages = cast("list[Any]", value) if isinstance(value, list) else [value]
    responses = [cast(Object, each) for each in messages if isinstance(each, dict) and "method" not in each]
    chosen = [each for each in responses if each.get("id") == request_id] or responses
    if not chosen or not chosen[0].keys() & {"id", "result", "error"}:
        return None
    new = repaired(chosen[0] | {"id": request_id})
    return body if new == value else json.dumps(new).encode()


def _error(error: Any) -> Object:
    if not isinstance(error, dict):
        return {"code": _INTERNAL_ERROR, "message": error if isinstance(error, str) else shown(error)}
    fields = cast(Object, error)
    code, message = fields.get("code"), fields.get("message")
    return fields | {
        "code": code if isinstance(code, int) and not isinstance(code, bool) else _INTERNAL_ERROR,
        "message": message if isinstance(message, str) else shown(fields if message is None else message),
    }
