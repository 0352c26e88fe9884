"""What a provider sent with a message and needs back as it was: how much of it is kept, and to whom it goes back. Pure.

Each dialect decides what its parts are; here is what holds for all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import orjson

from kubechain.api.message import PROVIDER_DATA_LIMIT_BYTES, PROVIDER_DATA_PARTS_LIMIT, Message, ProviderData
from kubechain.llm.client import Target
from kubechain.llm.dialects.json_values import items, mapping

MAX_DEPTH = 32
"""Levels of nesting that are kept. Serialisers give up at some 250 levels of the whole object."""


def kept(target: Target, parts: Sequence[Mapping[str, Any]]) -> ProviderData | None:
    """Return the parts of an answer as they are stored with its message; None where there are none.

    What is larger than `PROVIDER_DATA_LIMIT_BYTES` or nested deeper than `MAX_DEPTH` is left out as a whole, because a
    part of it (half a signature) is worse than nothing; the message says that it was.
    """
    if not parts:
        return None
    data = ProviderData(provider=target.provider, model=target.model)
    if problem := _why_not_kept(parts):
        return data.with_changes(omitted=problem)
    return data.with_changes(parts=tuple(parts))


def to_send_back(message: Message, target: Target) -> Sequence[Mapping[str, Any]]:
    """Return the parts of a message that go back to a target: none unless the same provider and model sent them."""
    data = message.provider_data
    if data is None or (data.provider, data.model) != (target.provider, target.model):
        return ()
    return cast("Sequence[Mapping[str, Any]]", data.parts)


def _why_not_kept(parts: Sequence[Mapping[str, Any]]) -> str | None:
    if len(parts) > PROVIDER_DATA_PARTS_LIMIT:
        return f"{len(parts)} parts, the limit is {PROVIDER_DATA_PARTS_LIMIT}"
    too_deep = f"nested deeper than {MAX_DEPTH} levels"
    try:
        size = len(orjson.dumps(parts))
    except orjson.JSONEncodeError:  # more than 254 levels
        return too_deep
    if size > PROVIDER_DATA_LIMIT_BYTES:  # before the walk through all levels, which is slow for megabytes
        return f"{size} bytes, the limit is {PROVIDER_DATA_LIMIT_BYTES}"
    return too_deep if _is_deeper_than(parts, MAX_DEPTH) else None


def _is_deeper_than(value: object, levels: int) -> bool:
    children = [*mapping(value).values(), *items(value)]
    if not children:
        return False
    return levels == 0 or any(_is_deeper_than(child, levels - 1) for child in children)
