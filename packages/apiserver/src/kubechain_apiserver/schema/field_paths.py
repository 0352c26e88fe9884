"""Paths such as `.spec.size` or `.labels['a']`, with which a definition refers to a place in its schema."""

from __future__ import annotations

import re
from typing import Final

from kubechain_apiserver.schema.structural_rules import below, properties
from kubechain_apiserver.wire.json_types import JsonObject

_TOKEN: Final = re.compile(r"'(?:\\.|[^'\\])*'|[.\[\]]|[^.\[\]]+")


class BadFieldPath(ValueError):
    """Raised for a path that does not exist, with kube-apiserver's message."""


def find(path: str, schema: JsonObject, *, brackets: bool = True) -> JsonObject:
    """Return the schema at a path.

    Raises:
        BadFieldPath: The path does not exist.
    """
    tokens = _TOKEN.findall(path)
    while tokens:
        first = tokens.pop(0)
        if first == "[":
            if not brackets:
                raise BadFieldPath("array notation is not allowed")
            schema = _step(_key(tokens), schema)
        elif first == ".":
            schema = _step(_next(tokens), schema)
        else:
            raise BadFieldPath(f"expected [ or . but got: {first}")
    return schema


def _next(tokens: list[str]) -> str:
    if not tokens:
        raise BadFieldPath("unexpected end of JSON path")
    return tokens.pop(0)


def _key(tokens: list[str]) -> str:
    quoted = _next(tokens)
    if len(quoted) < 2 or quoted[0] != "'" or quoted[-1] != "'":
        raise BadFieldPath(f"expected single quoted string but got {quoted}")
    end = _next(tokens)
    if end != "]":
        raise BadFieldPath(f"expected ] but got {end}")
    return re.sub(r"\\(.)", r"\1", quoted[1:-1])


def _step(name: str, schema: JsonObject) -> JsonObject:
    fields = properties(schema)
    found = fields.get(name) if fields else below(schema, "additionalProperties")
    if found is None:
        raise BadFieldPath("does not refer to a valid field")
    return found
