"""Descriptions and lists of models, in the shapes that servers give them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

import orjson

from kubechain.llm.dialects.json_values import items, mapping
from kubechain.llm.exchange import HttpReply

_LISTS = ("data", "models", "model_list", "result", "items")
_NAMES = ("id", "name", "model", "model_name", "key", "root")
_PREFIX = "models/"
"""Google's lists put it before each name."""


def describes(reply: HttpReply, model: str) -> bool:
    """Whether a reply is the description of a model."""
    fields = mapping(body_of(reply))
    return reply.status == 200 and (fields.get("object") == "model" or model in set(_names_of(fields)))


def names(reply: HttpReply) -> frozenset[str] | None:
    """Return the names in a list of models; None where the reply is no such list."""
    body = body_of(reply) if reply.status == 200 else None
    found = _list_in(body)
    if found is None:
        return None
    return frozenset(name for item in found for name in _names_of(item))


def body_of(reply: HttpReply) -> object:
    """Return the JSON of a body; None where it is none."""
    try:
        return orjson.loads(reply.body.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError:
        return None


def _list_in(body: object) -> list[object] | None:
    if isinstance(body, list):
        return list(cast("list[object]", body))
    fields = mapping(body)
    if fields.get("error"):
        return None
    for value in (fields.get(name) for name in _LISTS):
        if isinstance(value, list):
            return list(cast("list[object]", value))
        if inner := mapping(value):
            return _list_in(inner) or list(inner)
    return [] if fields.get("object") == "list" else None


def _names_of(item: object) -> Iterator[str]:
    if isinstance(item, str):
        yield item.removeprefix(_PREFIX)
    fields: Mapping[str, Any] = mapping(item)
    for value in (*(fields.get(name) for name in _NAMES), *items(fields.get("aliases"))):
        if isinstance(value, str) and value:
            yield value.removeprefix(_PREFIX)
