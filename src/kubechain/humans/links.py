"""Signed links by which a person decides in a browser. Pure.

A link names one choice about one request, by one channel. Its token is an HMAC over all of that, with a key that the
channel's Secret holds. It works once, because a request is decided once.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from pydantic import SecretStr

from kubechain.humans.model import InvalidChannel

PATH = "/contact/decide/"
"""Path of a link, before its token."""

MIN_KEY_CHARACTERS = 32
"""Shortest key: of 32 random hexadecimal digits."""

MAX_TOKEN_CHARACTERS = 4_096

_PURPOSE = b"kubechain link 1\n"
"""Signed with every token, so that nothing else that is signed with the key is taken for a link."""


class BadLink(Exception):
    """Raised when a link was not made by us, was changed, or is too old."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """What a link says.

    Attributes:
        name: Of the HumanRequest.
        uid: Of the HumanRequest.
        channel: ContactChannel that carried it.
        nonce: Of the message that holds it.
    """

    namespace: str
    name: str
    uid: str
    channel: str
    digest: str
    choice: str
    expires_at: datetime
    nonce: str


def checked_key(secret: SecretStr) -> bytes:
    """The key that links are signed with.

    Raises:
        InvalidChannel: It is too short.
    """
    text = secret.get_secret_value().strip()
    if len(text) < MIN_KEY_CHARACTERS:
        raise InvalidChannel(f"links.keyFrom: the key is too short: {MIN_KEY_CHARACTERS} characters are needed")
    return text.encode()


def address(base_url: str, key: bytes, link: Link) -> str:
    """The link as a person opens it."""
    return base_url.rstrip("/") + PATH + token(key, link)


def token(key: bytes, link: Link) -> str:
    """The signed text of a link."""
    said = [
        link.namespace, link.name, link.uid, link.channel, link.digest, link.choice, int(link.expires_at.timestamp()),
        link.nonce,
    ]  # fmt: skip
    payload = json.dumps(said, separators=(",", ":")).encode()
    return f"{_encoded(payload)}.{_encoded(_signature(key, payload))}"


def claimed(text: str) -> Link:
    """What a token claims, before its signature is checked: only to find the key.

    Raises:
        BadLink: It is no token.
    """
    try:
        fields = cast("list[Any]", json.loads(_payload(text)))
        *texts, seconds, nonce = fields
        namespace, name, uid, channel, digest, choice = (_text(one) for one in texts)
        expires_at = datetime.fromtimestamp(int(seconds), UTC)
    except (ValueError, TypeError, OverflowError, OSError, RecursionError):
        raise BadLink("not a link of ours") from None
    return Link(
        namespace=namespace, name=name, uid=uid, channel=channel, digest=digest, choice=choice, expires_at=expires_at,
        nonce=_text(nonce),
    )  # fmt: skip


def verified(text: str, key: bytes, now: datetime) -> Link:
    """What a token says.

    Raises:
        BadLink: It was not signed with this key, or is too old.
    """
    link = claimed(text)
    _, _, signature = text.partition(".")
    if not hmac.compare_digest(signature.encode(errors="replace"), _encoded(_signature(key, _payload(text))).encode()):
        raise BadLink("the signature does not match")
    if now >= link.expires_at:
        raise BadLink("too old")
    return link


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def _payload(text: str) -> bytes:
    if len(text) > MAX_TOKEN_CHARACTERS or text.count(".") != 1:
        raise BadLink("not a link of ours")
    payload = text.partition(".")[0]
    try:
        return base64.urlsafe_b64decode(payload.encode("ascii") + b"=" * (-len(payload) % 4))
    except (binascii.Error, ValueError):
        raise BadLink("not a link of ours") from None


def _signature(key: bytes, payload: bytes) -> bytes:
    return hmac.new(key, _PURPOSE + payload, hashlib.sha256).digest()


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
