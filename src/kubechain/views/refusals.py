"""Words what an API server says against a manifest: one complaint for each field, and what may have been meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, cast

Schema = Mapping[str, Any]

UNKNOWN_FIELD: Final = re.compile(r'(unknown field|duplicate field) "([^"]+)"')

_WRONG_TYPE: Final = re.compile(r'Invalid value: "(\w+)": must be of type (\w+): "\w+"')
_UNSUPPORTED: Final = re.compile(r'Unsupported value: "([^"]*)": supported values: (.*)', re.DOTALL)
_NOT_CHECKED: Final = "some validation rules were not checked"
"""Begins the remark of kube-apiserver that says nothing about the manifest."""


def complaints(message: str, causes: object, schema: Schema) -> list[str]:
    """What is wrong, field by field; the whole message where the server names no field.

    Args:
        message: Of the server's Status.
        causes: Its `details.causes`.
        schema: Of the kind, for fields that are spelled in another way.
    """
    unknown = [_unknown(kind, path, schema) for kind, path in UNKNOWN_FIELD.findall(message)]
    if unknown and "strict decoding error" in message:
        return unknown
    entries = [cast("Mapping[str, object]", each) for each in _list(causes) if isinstance(each, Mapping)]
    found = [_worded(str(each.get("field", "")), str(each.get("message", ""))) for each in entries]
    return [each for each in dict.fromkeys(found) if each] or [message]


def _worded(field: str, message: str) -> str:
    """The complaint about a field, without what the server says about itself; empty where nothing is left."""
    if _NOT_CHECKED in message:
        return ""
    short = message.replace(f"{field} in body ", "")
    if wrong := _WRONG_TYPE.fullmatch(short):
        short = f"must be of type {wrong[2]}, and is of type {wrong[1]}"
    elif unsupported := _UNSUPPORTED.fullmatch(short):
        short += meant(unsupported[1], re.findall(r'"([^"]*)"', unsupported[2]))
    return f"{field}: {short}" if field else short


def _unknown(kind: str, path: str, schema: Schema) -> str:
    *above, name = path.split(".")
    known = _fields(schema, above)
    return f'{kind} "{path}"{meant(name, known)}'


def _fields(schema: Schema, path: Sequence[str]) -> Iterable[str]:
    """The names of the fields below a path, such as `spec` or `spec.tools[0]`."""
    for step in path:
        name, *indexes = step.split("[")
        schema = _part(_part(schema, "properties"), name)
        for _ in indexes:
            schema = _part(schema, "items")
    return _part(schema, "properties").keys()


def _part(schema: Schema, name: str) -> Schema:
    found: object = schema.get(name)
    return cast("Schema", found) if isinstance(found, Mapping) else {}


def _list(value: object) -> Iterator[object]:
    yield from cast("list[object]", value) if isinstance(value, list) else []


def meant(word: str, known: Iterable[str]) -> str:
    """What somebody may have meant, for the end of a complaint; empty where nothing is close."""
    by_letters = {each.lower(): each for each in known}
    close = difflib.get_close_matches(word.lower(), by_letters, n=1) or [
        each for each in by_letters if len(each) > SHORTEST_PART and each in word.lower()
    ]
    return f' (did you mean "{by_letters[close[0]]}"?)' if close else ""


SHORTEST_PART: Final = 3
"""A name that stands within another is not taken for it where it is shorter."""
