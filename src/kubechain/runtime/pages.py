"""Decodes pages of lists; the items stay encoded. No requests here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import msgspec

from kubechain.runtime.errors import TransportError
from kubechain.runtime.metadata import decoded
from kubechain.runtime.resource import Resource

PAGE_LIMIT = 500
"""Items of a page of a consistent list, as in client-go."""


class _ListMeta(msgspec.Struct, rename="camel"):
    resource_version: str = ""
    continue_: str | None = msgspec.field(default=None, name="continue")


class _ListBody(msgspec.Struct):
    items: list[msgspec.Raw] | None = None
    metadata: _ListMeta = msgspec.field(default_factory=_ListMeta)


@dataclass(frozen=True, slots=True)
class RawPage:
    """One page of a list. The items are encoded views into the page and keep its memory."""

    items: list[msgspec.Raw]
    resource_version: str
    continue_token: str


_LIST = msgspec.json.Decoder(_ListBody)


def target(path: str, query: Mapping[str, str]) -> str:
    """Return path and query as a request target; parameters with an empty value are left out."""
    encoded = urlencode({key: value for key, value in query.items() if value})
    return f"{path}?{encoded}" if encoded else path


def page_of(body: bytes) -> RawPage:
    """Decode a page without its items.

    Raises:
        TransportError: the body is not a list.
    """
    try:
        parsed = decoded(_LIST, body)
    except msgspec.MsgspecError as error:
        raise TransportError(f"the answer is not a list: {error}") from error
    return RawPage(parsed.items or [], parsed.metadata.resource_version, parsed.metadata.continue_ or "")


def type_setter(resource: Resource[Any]) -> Callable[[msgspec.Raw], bytes]:
    """Return a function that adds apiVersion and kind to list items: those of built-in kinds have none."""
    types = {
        "apiVersion": msgspec.Raw(msgspec.json.encode(resource.api_version)),
        "kind": msgspec.Raw(msgspec.json.encode(resource.kind)),
    }

    def set_type(item: msgspec.Raw) -> bytes:
        return msgspec.json.encode(types | msgspec.json.decode(item, type=dict[str, msgspec.Raw]))

    return set_type
