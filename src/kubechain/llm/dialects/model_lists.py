"""Descriptions and lists of models, in the shapes that servers give them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, cast

import orjson

from kubechain.llm.client import ModelFacts
from kubechain.llm.dialects.json_values import count, items, mapping
from kubechain.llm.exchange import HttpReply
from kubechain.net.foreign import one_line

_LISTS = ("data", "models", "model_list", "result", "items")
_NAMES = ("id", "name", "model", "model_name", "key", "root")
_TOKENS_LIMIT = 2**31
"""No model takes so many; a server that says so means that it has no limit, or nothing."""

_NESTED = ("top_provider", "limits")
_DISPLAY_NAMES = ("display_name", "displayName")
_WINDOWS = (
    "max_input_tokens",
    "context_length",
    "max_model_len",
    "context_window",
    "max_context_length",
    "inputTokenLimit",
)
"""Anthropic, OpenRouter, vLLM, Groq, Mistral, Google."""
_OUTPUTS = ("max_output_tokens", "max_completion_tokens", "outputTokenLimit", "max_tokens")
_LIFECYCLES = ("lifecycle",)
_RETIREMENTS = ("retires_at", "deprecation")
"""Anthropic, Mistral."""
_COLLECTIONS = re.compile(r"^(?:publishers/[^/]+/)?models/")
"""Google's lists put them before each name."""


def describes(reply: HttpReply, model: str) -> bool:
    """Whether a reply is the description of a model."""
    fields = mapping(body_of(reply))
    is_model = "model" in (fields.get("object"), fields.get("type"))
    return reply.status == 200 and (is_model or model in set(_names_of(fields)))


def names(reply: HttpReply) -> frozenset[str] | None:
    """Return the names in a list of models; None where the reply is no such list."""
    body = body_of(reply) if reply.status == 200 else None
    found = _list_in(body)
    if found is None:
        return None
    return frozenset(name for item in found for name in _names_of(item))


def facts(reply: HttpReply, model: str | None = None) -> ModelFacts | None:
    """Return what a reply says of a model; None where it says nothing.

    Args:
        model: Its name in a list; None for a reply that describes one model.
    """
    if model is None:
        return _facts(mapping(body_of(reply)))
    listed = _list_in(body_of(reply)) or []
    return next((_facts(mapping(item)) for item in listed if model in set(_names_of(item))), None)


def body_of(reply: HttpReply) -> object:
    """Return the JSON of a body; None where it is none."""
    try:
        return orjson.loads(reply.body.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError:
        return None


def _facts(fields: Mapping[str, Any]) -> ModelFacts | None:
    nested = [mapping(fields.get(name)) for name in _NESTED]
    read = ModelFacts(
        display_name=_text_in(fields, _DISPLAY_NAMES),
        context_window=_count_in((fields, *nested), _WINDOWS),
        max_output_tokens=_count_in((fields, *nested), _OUTPUTS),
        lifecycle=_text_in(fields, _LIFECYCLES),
        retires_at=next((time for name in _RETIREMENTS if (time := _time(fields.get(name)))), None),
    )
    says_something = read.context_window or read.max_output_tokens or read.lifecycle or read.retires_at
    return read if says_something else None


def _text_in(fields: Mapping[str, Any], names: Iterable[str]) -> str | None:
    found = (fields.get(name) for name in names)
    said = next((value for value in found if isinstance(value, str) and value.strip()), None)
    return one_line(said) if said else None


def _count_in(places: Iterable[Mapping[str, Any]], names: Iterable[str]) -> int | None:
    found = (count(place.get(name)) for place in places for name in names)
    return next((tokens for tokens in found if 0 < tokens < _TOKENS_LIMIT), None)


def _time(value: object) -> datetime | None:
    """Read a point in time, or a day, as RFC 3339 has it."""
    try:
        time = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    if time is None:
        return None
    try:
        return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except OverflowError:
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
        yield _name(item)
    fields: Mapping[str, Any] = mapping(item)
    for value in (*(fields.get(name) for name in _NAMES), *items(fields.get("aliases"))):
        if isinstance(value, str) and value:
            yield _name(value)


def _name(text: str) -> str:
    """Return a model's name without the collections that Google puts before it."""
    return _COLLECTIONS.sub("", text)
