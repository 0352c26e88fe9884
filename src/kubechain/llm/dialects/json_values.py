"""Reading of JSON that a provider wrote: what has not the expected type is read as empty, never as an error."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, cast

import orjson

from kubechain.api.usage import COUNT_LIMIT
from kubechain.llm.errors import InvalidAnswer
from kubechain.llm.exchange import HttpReply

_BOM = b"\xef\xbb\xbf"


def json_object(reply: HttpReply) -> Mapping[str, Any]:
    """Return the object that a reply's body is.

    Raises:
        InvalidAnswer: The body is not JSON, or not an object.
    """
    try:
        body: object = loads(reply.body.removeprefix(_BOM))
    except (ValueError, RecursionError) as error:
        raise InvalidAnswer("invalid answer: not JSON") from error
    if not isinstance(body, dict):
        raise InvalidAnswer("invalid answer: not a JSON object")
    return cast("Mapping[str, Any]", body)


def loads(data: bytes) -> object:
    """Decode JSON, and what other readers take for JSON: NaN, infinite numbers, half of a surrogate pair.

    Raises:
        ValueError: It is none, or not in UTF-8.
        RecursionError: It is nested too deeply.
    """
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return _strict(json.loads(data.decode()))


def dumps(value: object) -> bytes:
    """Encode a part of a reply again.

    Raises:
        InvalidAnswer: It is nested too deeply.
    """
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError as error:
        raise InvalidAnswer("invalid answer: nested too deeply") from error


def _strict(value: object) -> object:
    """Replace what strict JSON has no place for."""
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, int) and not isinstance(value, bool):
        return value if abs(value) < 2**63 else float(value) if abs(value) < 2**1023 else None
    if isinstance(value, dict):
        return {_strict(name): _strict(one) for name, one in cast("dict[str, object]", value).items()}
    if isinstance(value, list):
        return [_strict(one) for one in cast("list[object]", value)]
    return value


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
    """Return a number of tokens, at most `COUNT_LIMIT`; 0 for anything else. Some servers write floats or texts."""
    if isinstance(value, str) and value.isascii() and value.isdecimal():
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0
    return int(value) if 0 < value < COUNT_LIMIT else COUNT_LIMIT if value > 0 else 0
