"""Signatures of webhooks: Standard Webhooks in both directions, and those of Slack. Pure.

What came is compared in constant time, and refused when it is older or newer than `TOLERANCE_SECONDS`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime

from pydantic import SecretStr

from kubechain.humans.model import InvalidChannel

TOLERANCE_SECONDS = 300
"""Age at which Slack and Standard Webhooks refuse a message."""

MIN_KEY_BYTES = 24
"""Least length of a key by the standard."""

_PREFIX = "whsec_"


class BadSignature(Exception):
    """Raised when a message is not signed by the channel's key, or not now."""


def webhook_key(secret: SecretStr) -> bytes:
    """The bytes of a secret in the standard's form (`whsec_` and base64), or of any other text as it is.

    Raises:
        InvalidChannel: It is too short, or not base64 after the prefix.
    """
    text = secret.get_secret_value().strip()
    try:
        key = base64.b64decode(text.removeprefix(_PREFIX), validate=True) if text.startswith(_PREFIX) else text.encode()
    except binascii.Error:
        raise InvalidChannel("apiKeyFrom: what follows whsec_ is not base64") from None
    if len(key) < MIN_KEY_BYTES:
        raise InvalidChannel(f"apiKeyFrom: the key is too short: {MIN_KEY_BYTES} bytes are needed")
    return key


def webhook_headers(key: bytes, message_id: str, body: bytes, now: datetime) -> dict[str, str]:
    """The headers that sign a message."""
    seconds = str(int(now.timestamp()))
    return {
        "webhook-id": message_id,
        "webhook-timestamp": seconds,
        "webhook-signature": f"v1,{_webhook_signature(key, message_id, seconds, body)}",
    }


def check_webhook(key: bytes, headers: Mapping[str, str], body: bytes, now: datetime) -> None:
    """Check the headers of a message that came.

    Args:
        headers: With names in lower case.

    Raises:
        BadSignature: They do not sign this message.
    """
    message_id, seconds = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    _check_age(seconds, now)
    expected = _webhook_signature(key, message_id, seconds, body)
    given = headers.get("webhook-signature", "").split(" ")
    if not message_id or not any(_is_same(one, f"v1,{expected}") for one in given):
        raise BadSignature("the signature does not match")


def slack_signature(secret: SecretStr, seconds: str, body: bytes) -> str:
    """The signature that Slack gives a request."""
    signed = b"v0:" + seconds.encode() + b":" + body
    return "v0=" + hmac.new(secret.get_secret_value().encode(), signed, hashlib.sha256).hexdigest()


def check_slack(secret: SecretStr, headers: Mapping[str, str], body: bytes, now: datetime) -> None:
    """Check the headers of a request that claims to be Slack's.

    Args:
        headers: With names in lower case.

    Raises:
        BadSignature: They do not sign this request.
    """
    seconds = headers.get("x-slack-request-timestamp", "")
    _check_age(seconds, now)
    if not _is_same(headers.get("x-slack-signature", ""), slack_signature(secret, seconds, body)):
        raise BadSignature("the signature does not match")


def _webhook_signature(key: bytes, message_id: str, seconds: str, body: bytes) -> str:
    signed = f"{message_id}.{seconds}.".encode() + body
    return base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def _check_age(seconds: str, now: datetime) -> None:
    if not seconds.isascii() or not seconds.isdecimal() or len(seconds) > 12:
        raise BadSignature("no time-stamp")
    if abs(now.timestamp() - int(seconds)) > TOLERANCE_SECONDS:
        raise BadSignature("too old, or from the future")


def _is_same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(errors="replace"), expected.encode())
