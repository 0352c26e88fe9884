"""JSON errors in the words of Go's encoding/json, and duplicate fields.

orjson parses; this module runs for a body that orjson refuses, and to find duplicate fields, which orjson ignores.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final, NoReturn, cast

_SPACE: Final = re.compile(r"[ \t\r\n]*")
_NUMBER: Final = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?")
_LITERALS: Final = {"t": "true", "f": "false", "n": "null"}
_ESCAPES: Final = '"\\/bfnrt'


class GoSyntaxError(ValueError):
    """Raised for invalid JSON; the message is Go's."""


def syntax_error(body: bytes) -> str:
    """Return Go's error for invalid JSON; "" for none."""
    try:
        _Scanner(body.decode(errors="replace")).document()
    except GoSyntaxError as error:
        return str(error)
    return ""


def json_type(value: Any) -> str:
    """Return the type of a value, as Go's JSON decoder names it."""
    match value:
        case bool():
            return "bool"
        case int() | float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case None:
            return "null"
        case _:
            return "object"


def object_error(body: bytes) -> str:
    """Return Go's error for a body that is no JSON object; "" for none."""
    if wrong := syntax_error(body):
        return wrong
    value = json.loads(body)
    if value is None or isinstance(value, dict):
        return ""
    return f"json: cannot unmarshal {json_type(value)} into Go value of type map[string]interface {{}}"


def wrong_type_meta(obj: dict[str, Any]) -> str:
    """Return Go's error for an `apiVersion` or `kind` that is no string; "" for none."""
    for name in ("apiVersion", "kind"):
        if not isinstance(obj.get(name, ""), str | None):
            why = f"json: cannot unmarshal {json_type(obj[name])} into Go struct field .{name} of type string"
            return f"couldn't get version/kind; json parse error: {why}"
    return ""


def kind_missing(text: str) -> str:
    """Return the error for an object, with this text, without a kind."""
    return f"Object 'Kind' is missing in '{text}'"


def duplicates(body: bytes) -> list[str]:
    """Return the paths of duplicate fields, in the order of the text.

    Args:
        body: JSON.
    """
    found = False

    def look(pairs: list[tuple[str, Any]]) -> Any:
        nonlocal found
        values = dict(pairs)
        found = found or len(values) != len(pairs)
        return values

    json.loads(body, object_pairs_hook=look)
    if not found:
        return []
    paths: list[str] = []
    _walk(json.loads(body, object_pairs_hook=tuple), "", paths)
    return list(dict.fromkeys(paths))


def merged(body: bytes) -> dict[str, Any]:
    """Return an object as Go decodes it into structs and maps: values of duplicate fields are merged."""
    return cast("dict[str, Any]", json.loads(body, object_pairs_hook=_merge))


def _merge(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, value in pairs:
        earlier = values.get(key)
        both = isinstance(earlier, dict) and isinstance(value, dict)
        values[key] = _merge([*cast("dict[str, Any]", earlier).items(), *value.items()]) if both else value
    return values


def _walk(value: Any, path: str, found: list[str]) -> None:
    """Collect duplicate fields of a document whose objects are tuples of pairs."""
    if isinstance(value, list):
        for index, item in enumerate(cast("list[Any]", value)):
            _walk(item, f"{path}[{index}]", found)
        return
    if not isinstance(value, tuple):
        return
    seen: set[str] = set()
    for key, item in cast("tuple[tuple[str, Any], ...]", value):
        place = f"{path}.{key}" if path else key
        if key in seen:
            found.append(place)
        seen.add(key)
        _walk(item, place, found)


class _Scanner:
    """Scans up to the first error, and words it as Go's scanner does."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def document(self) -> None:
        self._value()
        self._skip_space()
        if self._at < len(self._text):
            self._invalid("after top-level value")

    def _skip_space(self) -> None:
        found = _SPACE.match(self._text, self._at)
        assert found is not None, "it matches nothing too"
        self._at = found.end()

    def _peek(self) -> str:
        if self._at >= len(self._text):
            raise GoSyntaxError("unexpected end of JSON input")
        return self._text[self._at]

    def _next(self) -> str:
        self._skip_space()
        return self._peek()

    def _invalid(self, where: str) -> NoReturn:
        character = self._peek()
        shown = {"'": r"'\''", '"': "'\"'"}.get(character) or f"'{json.dumps(character)[1:-1]}'"
        raise GoSyntaxError(f"invalid character {shown} {where}")

    def _value(self) -> None:
        match self._next():
            case "{":
                self._object()
            case "[":
                self._array()
            case '"':
                self._string()
            case character if character in _LITERALS:
                self._literal(_LITERALS[character])
            case character if character == "-" or character.isdigit():
                self._number()
            case _:
                self._invalid("looking for beginning of value")

    def _object(self) -> None:
        self._at += 1
        if self._next() == "}":
            self._at += 1
            return
        while True:
            if self._next() != '"':
                self._invalid("looking for beginning of object key string")
            self._string()
            if self._next() != ":":
                self._invalid("after object key")
            self._at += 1
            self._value()
            if not self._goes_on("}", "after object key:value pair"):
                return

    def _array(self) -> None:
        self._at += 1
        if self._next() == "]":
            self._at += 1
            return
        while True:
            self._value()
            if not self._goes_on("]", "after array element"):
                return

    def _goes_on(self, end: str, where: str) -> bool:
        character = self._next()
        if character not in {",", end}:
            self._invalid(where)
        self._at += 1
        return character == ","

    def _string(self) -> None:
        self._at += 1
        while (character := self._peek()) != '"':
            if character < " ":
                self._invalid("in string literal")
            self._at += 1
            if character == "\\":
                self._escape()
        self._at += 1

    def _escape(self) -> None:
        character = self._peek()
        if character == "u":
            for _ in range(4):
                self._at += 1
                if self._peek() not in "0123456789abcdefABCDEF":
                    self._invalid("in \\u hexadecimal character escape")
        elif character not in _ESCAPES:
            self._invalid("in string escape code")
        self._at += 1

    def _literal(self, word: str) -> None:
        for expected in word:
            if self._peek() != expected:
                self._invalid(f"in literal {word} (expecting '{expected}')")
            self._at += 1

    def _number(self) -> None:
        found = _NUMBER.match(self._text, self._at)
        if found is None:
            self._at += 1
            self._invalid("in numeric literal")
        self._at = found.end()
