"""What servers ask people for while a tool runs: forms and addresses, whatever the protocol revision. Pure.

What a server sends is foreign: secrets in it are redacted, forms are reduced to what the protocol allows, and addresses
that deceive are refused. Who is asked, and when the call is made again with the replies, is decided by the caller.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast
from urllib.parse import urlsplit

from pydantic import SecretStr

from kubechain.net import foreign
from kubechain.net.addresses import address_of
from kubechain.net.redaction import redacted, redacted_json

MESSAGE_MAX_CHARACTERS = 4_096
"""Longest message that a person reads; the rest is cut."""

SCHEMA_MAX_BYTES = 32 * 1024
"""Largest form; it is kept in the status of the call, and shown in a request."""

STATE_MAX_CHARACTERS = 64 * 1024
"""Longest state that a server may want back; it is kept in the status of the call."""

ITEMS_MAX = 16
"""Most things that a server may ask for at once."""

URL_MAX_CHARACTERS = 2_048

_PRIMITIVES = ("string", "number", "integer", "boolean")
_KEYWORDS = (
    *("type", "title", "description", "default", "format", "enum", "enumNames", "oneOf", "items"),
    *("minLength", "maxLength", "minimum", "maximum", "minItems", "maxItems"),
)
"""Keywords of a field that the protocol knows. Others are left out: a pattern would be foreign code, as it were."""

Object = dict[str, Any]


class InputRefused(Exception):
    """What the server asks for is put to nobody; the message says why."""


@dataclass(frozen=True, slots=True)
class FormAsked:
    """Fields that a person is to fill in.

    Attributes:
        key: Identifies it among what is asked at once.
        schema: Of a flat object.
    """

    key: str
    message: str = field(repr=False)
    schema: Object = field(repr=False)


@dataclass(frozen=True, slots=True)
class UrlAsked:
    """An address that a person is to open. KubeChain never opens it."""

    key: str
    message: str = field(repr=False)
    url: str = field(repr=False)


Asked = FormAsked | UrlAsked


@dataclass(frozen=True, slots=True)
class Reply:
    """What a person replied: `decline` is a no, `cancel` means that nobody decided.

    Attributes:
        content: The fields of a form that was accepted.
    """

    action: Literal["accept", "decline", "cancel"]
    content: Object | None = field(default=None, repr=False)


CANCEL = Reply("cancel")


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that is asked for, and its reply once there is one."""

    asked: Asked
    reply: Reply | None = None


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a call needs before it can go on: the same call is made again with the replies, from any process.

    Attributes:
        items: What the server asked for last.
        state: What the server wants back, byte for byte. It may be a secret.
        earlier: What it asked for before, with the replies; for servers that do not remember them.
    """

    items: tuple[Item, ...] = ()
    state: str | None = field(default=None, repr=False)
    earlier: tuple[Item, ...] = ()

    @property
    def replied(self) -> tuple[Item, ...]:
        """All that was replied to, in order."""
        return (*self.earlier, *(item for item in self.items if item.reply is not None))

    def then(self, asked: Inputs) -> Inputs:
        """What the server asks for after these."""
        return replace(asked, earlier=self.replied)


class Replies:
    """The replies to earlier questions, each for one question that is asked again."""

    def __init__(self, items: tuple[Item, ...]) -> None:
        """Take the replies in the order in which they were given."""
        self._left = list(items)

    def take(self, asked: Asked) -> Reply | None:
        """Return the reply to a question; None where there is none left."""
        for item in self._left:
            if item.reply is not None and is_same(item.asked, asked):
                self._left.remove(item)
                return item.reply
        return None

    def fill(self, inputs: Inputs) -> Inputs | None:
        """Return inputs with a reply to each item; None where one has none."""
        items = tuple(Item(item.asked, self.take(item.asked)) for item in inputs.items)
        return None if any(item.reply is None for item in items) else replace(inputs, items=items)


def is_same(one: Asked, other: Asked) -> bool:
    """Whether two questions are the same to a person, whatever their keys."""
    return replace(one, key="") == replace(other, key="")


def asked_from(key: str, params: Mapping[str, Any], secrets: Collection[SecretStr]) -> Asked:
    """Return what the parameters of `elicitation/create` ask for.

    Raises:
        InputRefused: Nobody is to be asked that.
    """
    message = foreign.cut(foreign.harmless(redacted(str(params.get("message") or ""), secrets)), MESSAGE_MAX_CHARACTERS)
    mode = params.get("mode") or "form"
    if mode == "url":
        return UrlAsked(key, message, _checked_url(params.get("url"), secrets))
    if mode != "form":
        raise InputRefused(f"it is neither a form nor a URL: {foreign.one_line(str(mode))}")
    schema = cast(Object, redacted_json(flat(params.get("requestedSchema")), secrets))
    if len(json.dumps(schema)) > SCHEMA_MAX_BYTES:
        raise InputRefused(f"its form is over {SCHEMA_MAX_BYTES} bytes")
    return FormAsked(key, message, schema)


def checked_state(state: str | None) -> str | None:
    """Return the state that a server wants back.

    Raises:
        InputRefused: It is too long to be kept.
    """
    if state is not None and len(state) > STATE_MAX_CHARACTERS:
        raise InputRefused(f"the state that it wants back is over {STATE_MAX_CHARACTERS} characters")
    return state


# -- addresses -----------------------------------------------------------------------------------------------------


def host_of(url: str) -> str:
    """Return the host of a checked address, for people to judge it by."""
    return urlsplit(url).netloc


def _checked_url(url: Any, secrets: Collection[SecretStr]) -> str:
    if not isinstance(url, str) or len(url) > URL_MAX_CHARACTERS:
        raise InputRefused("its URL is missing or too long")
    if not url.isascii() or any(not c.isprintable() or c.isspace() for c in url):
        raise InputRefused("its URL holds characters that do not belong in one")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise InputRefused("its URL is malformed") from None
    if not host or "\\" in url or parts.username is not None or parts.password is not None:
        raise InputRefused("its URL does not plainly name a host")
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(host)):
        raise InputRefused(f"its URL is not https: {foreign.one_line(host)}")
    if redacted(url, secrets) != url:
        raise InputRefused("its URL holds a secret of the server's configuration")
    return url


def _is_loopback(host: str) -> bool:
    address = address_of(host)
    return host == "localhost" or (address is not None and address.is_loopback)


# -- forms ---------------------------------------------------------------------------------------------------------


def flat(schema: Any) -> Object:
    """Return the schema of a form, reduced to what the protocol allows: a flat object of simple fields.

    Raises:
        InputRefused: It is no such schema.
    """
    given = _object(schema)
    fields = given.get("properties")
    if given.get("type") != "object" or not isinstance(fields, dict):
        raise InputRefused("its form is no flat object")
    named = cast(Object, fields)
    required = given.get("required")
    names = [name for name in cast("list[Any]", required) if name in named] if isinstance(required, list) else []
    reduced: Object = {"type": "object", "properties": {name: _field(name, one) for name, one in named.items()}}
    return reduced | ({"required": names} if names else {})


def with_defaults(schema: Mapping[str, Any], content: Mapping[str, Any]) -> Object:
    """Return the fields of a form, the ones that a person left out with the server's defaults."""
    fields = cast("Mapping[str, Mapping[str, Any]]", schema.get("properties") or {})
    return {name: one["default"] for name, one in fields.items() if "default" in one} | dict(content)


def _field(name: str, given: Any) -> Object:
    field = {word: value for word, value in _plain(_object(given)).items() if word in _KEYWORDS}
    kind = field.get("type")
    if kind == "array":
        items = _object(field.get("items"))
        if items.get("type", "string") != "string" or not items.keys() & {"enum", "anyOf", "oneOf"}:
            raise InputRefused(f"its form is not flat: {_shown(name)} is a list of anything")
        return field
    if kind not in _PRIMITIVES:
        raise InputRefused(f"its form is not flat: {_shown(name)} is neither text, a number, a boolean nor a choice")
    field.pop("items", None)
    return field


def _plain(field: Object) -> Object:
    """Return a field without the way in which SDKs say that it may be left out: as one that may be null."""
    branches = field.get("anyOf")
    if not isinstance(branches, list):
        return field
    others = [_object(one) for one in cast("list[Any]", branches) if one != {"type": "null"}]
    return {**field, **others[0]} if len(others) == 1 else field


def _object(value: Any) -> Object:
    return cast(Object, value) if isinstance(value, dict) else {}


def _shown(name: str) -> str:
    return foreign.one_line(json.dumps(name), 64)
