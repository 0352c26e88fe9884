"""Reading of JSON that a provider wrote: what has not the expected type is read as empty, never as an error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import orjson

from kubechain.llm.errors import InvalidAnswer
from kubechain.llm.exchange import HttpReply


def json_object(reply: HttpReply) -> Mapping[str, Any]:
    """Return the object that a reply's body is.

    Raises:
        InvalidAnswer: The body is not JSON, or not an object.
    """
    try:
        body: object = orjson.loads(reply.body)
    except orjson.JSONDecodeError as error:
        raise InvalidAnswer("invalid answer: not JSON") from error
    if not isinstance(body, dict):
        raise InvalidAnswer("invalid answer: not a JSON object")
    return cast("Mapping[str, Any]", body)


def is_json(text: str) -> bool:
    """Whether a text is a whole JSON value."""
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True


def mapping(value: object) -> Mapping[str, Any]:
    """Return an object; empty for anything else."""
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}


def items(value: object) -> Sequence[object]:
    """Return a list; empty for anything else."""
    return cast("Sequence[object]", value) if isinstance(value, list) else ()


def first(value: object) -> object:
    """Return the first item of a list; None where there is none."""
    return next(iter(items(value)), None)


def text(value: object) -> str:
    """Return a message's text, which some servers send as a list of parts."""
    if isinstance(value, str):
        return value
    return "".join(text(mapping(part).get("text")) for part in items(value))


def count(value: object) -> int:
    """Return a number of tokens; 0 for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
