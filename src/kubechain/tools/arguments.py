"""Parses and validates the arguments that a model wrote for a tool call. Pure.

Call `parse` before the call is claimed or executed, for every type of tool. The text is untrusted. Invalid text raises
`InvalidArguments` and no other exception, and a value that `parse` accepts can be encoded as strict JSON again.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import islice
from typing import Any, NoReturn, cast

import jsonschema_rs

from kubechain.tools.model import InvalidArguments, InvalidSchema

Arguments = dict[str, Any]
"""A JSON object."""

MAX_CHARACTERS = 1024 * 1024
"""Far more than a model writes in one response, and less than an object in the API server can hold."""

MAX_DEPTH = 64
"""Maximum nesting. Real calls need fewer than ten levels; encoders and validators fail at some hundreds."""

MAX_DIGITS = 400
"""Maximum digits of an integer; the largest float has 309. Python's limit is 4,300, that of other parsers is lower."""

SCHEMA_CACHE_SIZE = 4096
"""Number of compiled schemas to cache: about 10 kB each, one per tool and generation."""

_SHOWN_ERRORS = 3
_SHOWN_CHARACTERS = 256


class _Refused(ValueError):
    """The text follows the JSON grammar, but parsers disagree on its value."""


def parse(arguments: str, schema: Mapping[str, Any] | None) -> Arguments:
    """Parse the arguments of a model and validate them.

    Args:
        arguments: JSON text; empty text, white space and `null` count as no arguments, and a text that holds an object
            (encoded twice) counts as that object.
        schema: JSON schema of the arguments; None accepts any object.

    Raises:
        InvalidArguments: The text is not an object that matches the schema; the message names the location.
        InvalidSchema: The schema is invalid.
    """
    value = _object(arguments)
    if schema is not None:
        _validate(value, _compiled(_key(schema)))
    return value


def check_schema(schema: Mapping[str, Any]) -> None:
    """Validate a schema, so that a Tool can report an error before it is called.

    Raises:
        InvalidSchema: The schema is invalid; the message names the location.
    """
    _compiled(_key(schema))


def to_json(value: object) -> str:
    """Encode a value as compact JSON."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _object(text: str) -> Arguments:
    if len(text) > MAX_CHARACTERS:
        raise InvalidArguments(f"arguments: longer than {MAX_CHARACTERS} characters")
    if not text.strip():
        return {}
    value = _decoded(text)
    if value is None:
        return {}
    if isinstance(value, str) and value.lstrip().startswith("{"):
        value = _decoded(value)
    if not isinstance(value, dict):
        raise InvalidArguments(f"arguments: must be a JSON object, not {_type_name(value)}")
    document = cast(Arguments, value)
    _check_depth(document)
    return document


def _decoded(text: str) -> object:
    try:
        value = _DECODER.decode(text.strip())
        if "\\u" in text or not text.isascii():
            to_json(value).encode()  # detects lone surrogates, which cannot be encoded in UTF-8
    except json.JSONDecodeError as error:
        raise InvalidArguments(
            f"arguments: not valid JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        ) from None
    except _Refused as error:
        raise InvalidArguments(f"arguments: {error}") from None
    except UnicodeEncodeError:
        raise InvalidArguments("arguments: not valid text: half of a surrogate pair") from None
    except RecursionError:
        raise InvalidArguments(_TOO_DEEP) from None
    return value


_TOO_DEEP = f"arguments: nested deeper than {MAX_DEPTH} levels"


def _unique(pairs: list[tuple[str, Any]]) -> Arguments:
    result = dict(pairs)
    if len(result) < len(pairs):
        seen: set[str] = set()
        doubled = next(key for key, _ in pairs if key in seen or seen.add(key))
        raise _Refused(f"{_shown(doubled)} is given twice")
    return result


def _integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise _Refused(f"an integer of more than {MAX_DIGITS} digits")
    return int(digits)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise _Refused(f"{_cut(text)} is too large for a number")
    return number


def _refuse_constant(name: str) -> NoReturn:
    raise _Refused(f"{name} is not a JSON number")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique, parse_int=_integer, parse_float=_finite, parse_constant=_refuse_constant
)


def _check_depth(value: Arguments) -> None:
    """Check the nesting level by level; a recursive walk would fail on deeply nested input."""
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH):
        level = [child for parent in level for child in _containers_in(parent)]
        if not level:
            return
    raise InvalidArguments(_TOO_DEEP)


def _containers_in(value: Arguments | list[Any]) -> list[Any]:
    children = value.values() if isinstance(value, dict) else value
    return [child for child in children if isinstance(child, dict | list)]


def _key(schema: Mapping[str, Any]) -> str:
    try:
        return json.dumps(schema, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidSchema("parameters: not a JSON schema: it cannot be written as JSON") from error


@lru_cache(maxsize=SCHEMA_CACHE_SIZE)
def _compiled(schema: str) -> jsonschema_rs.Validator:
    """Compile a schema; refuse references to other documents, which the library would download."""
    try:
        return jsonschema_rs.validator_for(json.loads(schema), offline=True)
    except jsonschema_rs.ValidationError as error:
        raise InvalidSchema(f"parameters: not a JSON schema: {_error_text(error)}") from None
    except (jsonschema_rs.ReferencingError, ValueError, RecursionError) as error:
        raise InvalidSchema(f"parameters: not a JSON schema: {_cut(str(error))}") from None


def _validate(value: Arguments, validator: jsonschema_rs.Validator) -> None:
    if validator.is_valid(value):
        return
    errors = list(islice(validator.iter_errors(value), _SHOWN_ERRORS + 1))
    messages = [_error_text(error) for error in errors[:_SHOWN_ERRORS]]
    more = "; and more" if len(errors) > _SHOWN_ERRORS else ""
    raise InvalidArguments(f"arguments: {'; '.join(messages)}{more}")


def _error_text(error: jsonschema_rs.ValidationError) -> str:
    return f"{_path(error.instance_path)}: {_cut(error.message)}"


def _path(steps: Iterable[str | int]) -> str:
    """Format a path as JSONPath."""
    return "$" + "".join(_step(step) for step in steps)


def _step(step: str | int) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    return f".{step}" if step.isidentifier() else f"[{_shown(step)}]"


def _shown(text: str) -> str:
    return json.dumps(_cut(text))


def _cut(text: str) -> str:
    line = text.partition("\n")[0]
    return line if len(line) <= _SHOWN_CHARACTERS else line[: _SHOWN_CHARACTERS - 1] + "…"


def _type_name(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case _:
            return "an array"
