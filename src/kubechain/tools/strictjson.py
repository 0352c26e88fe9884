"""JSON as all parsers read it: text that two of them would take for different values is refused. Pure.

For what models write: arguments of tool calls and typed answers. A value that `decoded` returns can be encoded as
strict JSON again.
"""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn, cast

MAX_DEPTH = 64
"""Maximum nesting. Real values need fewer than ten levels; encoders and validators fail at some hundreds."""

MAX_DIGITS = 400
"""Maximum digits of an integer; the largest float has 309. Python's limit is 4,300, that of other parsers is lower."""

SHOWN_CHARACTERS = 256


class NotStrict(ValueError):
    """The text is not JSON, or parsers disagree on its value; the message says which and where."""


def decoded(text: str) -> object:
    """Decode a text.

    Raises:
        NotStrict: It is not strict JSON, or nested too deep.
    """
    try:
        value = _DECODER.decode(text.strip())
        if "\\u" in text or not text.isascii():
            to_json(value).encode()  # detects lone surrogates, which cannot be encoded in UTF-8
    except json.JSONDecodeError as error:
        raise NotStrict(f"not valid JSON: {error.msg} at line {error.lineno}, column {error.colno}") from None
    except UnicodeEncodeError:
        raise NotStrict("not valid text: half of a surrogate pair") from None
    except RecursionError:
        raise NotStrict(_TOO_DEEP) from None
    _check_depth(value)
    return value


def to_json(value: object) -> str:
    """Encode a value as compact JSON."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def type_name(value: object) -> str:
    """The JSON type of a decoded value, with its article."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case dict():
            return "an object"
        case _:
            return "an array"


def shown(text: str) -> str:
    """The first line of a text in quotes, for a message."""
    return json.dumps(shortened(text))


def shortened(text: str) -> str:
    """The first line of a text, without quotes."""
    line = text.partition("\n")[0]
    return line if len(line) <= SHOWN_CHARACTERS else line[: SHOWN_CHARACTERS - 1] + "…"


_TOO_DEEP = f"nested deeper than {MAX_DEPTH} levels"


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        seen: set[str] = set()
        doubled = next(key for key, _ in pairs if key in seen or seen.add(key))
        raise NotStrict(f"{shown(doubled)} is given twice")
    return result


def _integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise NotStrict(f"an integer of more than {MAX_DIGITS} digits")
    return int(digits)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise NotStrict(f"{shortened(text)} is too large for a number")
    return number


def _refuse_constant(name: str) -> NoReturn:
    raise NotStrict(f"{name} is not a JSON number")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique, parse_int=_integer, parse_float=_finite, parse_constant=_refuse_constant
)


def _check_depth(value: object) -> None:
    """Check the nesting level by level; a recursive walk would fail on deeply nested input."""
    level = _containers((value,))
    for _ in range(MAX_DEPTH):
        level = [child for parent in level for child in _containers_in(parent)]
        if not level:
            return
    raise NotStrict(_TOO_DEEP)


def _containers_in(value: dict[str, Any] | list[Any]) -> list[dict[str, Any] | list[Any]]:
    return _containers(tuple(value.values()) if isinstance(value, dict) else tuple(value))


def _containers(values: tuple[object, ...]) -> list[dict[str, Any] | list[Any]]:
    return [cast("dict[str, Any] | list[Any]", one) for one in values if isinstance(one, dict | list)]
