"""One exchange with an OAuth token endpoint: the request as a form, the reply as a token or a failure. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import urlencode

import orjson
from pydantic import SecretStr

from kubechain.llm.errors import AuthenticationFailed, LLMError, Retryable
from kubechain.llm.exchange import HttpCall, HttpReply
from kubechain.llm.identity import Token
from kubechain.llm.provider_errors import provider_error
from kubechain.llm.redaction import foreign_text
from kubechain.net.retry_after import retry_after_seconds

DEFAULT_LIFETIME_SECONDS = 300.0
"""Of a token whose reply does not say how long it is good for."""

_AGAIN = frozenset({408, 425, 429})


def form_call(url: str, fields: Mapping[str, str]) -> HttpCall:
    """Return the request for a token."""
    headers = {"accept": "application/json", "content-type": "application/x-www-form-urlencoded"}
    return HttpCall("POST", url, headers, urlencode(fields).encode())


def token_of(url: str, reply: HttpReply, *, secret: str) -> Token:
    """Read the token of a reply.

    Args:
        url: Of the token endpoint, for messages.
        secret: What was sent for the token; no message repeats it.

    Raises:
        AuthenticationFailed: The endpoint refuses.
        Retryable: It failed, or its reply holds no token.
    """
    body = json_of(url, reply, secret=secret)
    return token_from(url, body.get("access_token"), _seconds(body.get("expires_in")))


def token_from(url: str, value: object, lifetime_seconds: float) -> Token:
    """Return a token if its value is one.

    Raises:
        Retryable: It is none.
    """
    if not isinstance(value, str) or not value or not all("!" <= c <= "~" for c in value):
        raise Retryable(f"no token: {url}: the reply holds none")
    return Token(SecretStr(value), max(lifetime_seconds, 0.0))


def json_of(url: str, reply: HttpReply, *, secret: str) -> Mapping[str, Any]:
    """Return the object of a success.

    Raises:
        AuthenticationFailed: The endpoint refuses.
        Retryable: It failed, or its reply is no JSON object.
    """
    if reply.status != 200:
        raise _failure(url, reply, secret)
    try:
        body = orjson.loads(reply.body)
    except orjson.JSONDecodeError:
        body = None
    if not isinstance(body, dict):
        raise Retryable(f"no token: {url}: the reply is no JSON object")
    return cast("dict[str, Any]", body)


def _failure(url: str, reply: HttpReply, secret: str) -> LLMError:
    what = f"{url}: HTTP {reply.status}{_said(reply, secret)}"
    if reply.status in _AGAIN or reply.status >= 500:
        wait = retry_after_seconds(reply.headers, now=reply.received_at)
        return Retryable(f"no token: {what}", http_status=reply.status, retry_after_seconds=wait)
    return AuthenticationFailed(f"token refused: {what}", http_status=reply.status)


def _said(reply: HttpReply, secret: str) -> str:
    said = provider_error(reply)
    # Entra adds a trace and a time after its first line, others with each try.
    text = foreign_text(said.text.partition(" Trace ID:")[0].splitlines()[0] if said.text else "", secret=secret)
    codes = foreign_text(", ".join(sorted(said.codes)), secret=secret)
    return "".join((f': "{text}"' if text else "", f" ({codes})" if codes else ""))


def _seconds(lifetime: object) -> float:
    """Read a lifetime; some endpoints write the number in quotes."""
    if isinstance(lifetime, int | float):
        return float(lifetime)
    is_digits = isinstance(lifetime, str) and lifetime.isascii() and lifetime.isdigit()
    return float(str(lifetime)) if is_digits else DEFAULT_LIFETIME_SECONDS
