"""A provider's error reply turned into the `LLMError` that says what follows from it.

Shapes understood: OpenAI's and Azure's `{"error": {message, type, code}}`, Mistral's and
FastAPI's `{"message"|"detail": …}`, `{"error": "text"}`. Text that is not in such a shape is not repeated: it may be a
page of some other server that the baseUrl happened to name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import orjson

from kubechain.llm.auth import clear_key
from kubechain.llm.client import Target
from kubechain.llm.errors import (
    AuthenticationFailed,
    LLMError,
    ModelNotFound,
    QuotaExhausted,
    RateLimited,
    RequestRefused,
    ServerFailed,
)
from kubechain.llm.exchange import HttpReply
from kubechain.llm.redaction import foreign_text
from kubechain.net.retry_after import retry_after_seconds

_QUOTA_CODES = frozenset(
    {
        "insufficient_quota",
        "billing_hard_limit_reached",
        "billing_not_active",
        "insufficient_balance",
        "insufficient_credits",
        "payment_required",
    }
)

_AGAIN = frozenset({408, 409, 425, 529})


@dataclass(frozen=True, slots=True)
class ProviderError:
    """What an error reply says about itself."""

    text: str = ""
    codes: frozenset[str] = frozenset()


def failure(target: Target, reply: HttpReply) -> LLMError:
    """Sort a reply that is not a success; the caller raises what this returns."""
    said = provider_error(reply)
    status = reply.status
    what = _describe(target, reply, said)
    wait = retry_after_seconds(reply.headers, now=reply.received_at)
    if status == 402 or (status in {403, 429} and said.codes & _QUOTA_CODES):
        return QuotaExhausted(f"quota exhausted: {what}", http_status=status)
    match status:
        case 429:
            return RateLimited(f"rate limited: {what}", http_status=status, retry_after_seconds=wait)
        case 401 | 403 | 407:
            return AuthenticationFailed(f"authentication failed: {what}", http_status=status)
        case 404:
            return ModelNotFound(f'model not found: "{target.model}": {what}', http_status=status)
        case _ if status >= 500 or status in _AGAIN:
            return ServerFailed(f"provider failed: {what}", http_status=status, retry_after_seconds=wait)
        case _ if 300 <= status < 400:
            return RequestRefused(f"baseUrl redirects, name its final address: {what}", http_status=status)
        case _:
            return RequestRefused(f"request refused: {what}", http_status=status)


def provider_error(reply: HttpReply) -> ProviderError:
    """Read the error out of a reply's body; empty when it has no shape that we know."""
    try:
        body: Any = orjson.loads(reply.body)
    except orjson.JSONDecodeError:
        return ProviderError()
    if isinstance(body, list) and body:  # Gemini's compatible endpoint wraps the object in a list
        body = cast("list[Any]", body)[0]
    if not isinstance(body, dict):
        return ProviderError()
    outer = cast("dict[str, Any]", body)
    inner: Any = outer.get("error", outer)
    if isinstance(inner, str):
        return ProviderError(text=inner, codes=_codes(outer))
    fields = cast("dict[str, Any]", inner) if isinstance(inner, dict) else outer
    text = next((t for name in ("message", "detail", "msg") if isinstance(t := fields.get(name), str)), "")
    return ProviderError(text=text, codes=_codes(fields))


def _codes(fields: dict[str, Any]) -> frozenset[str]:
    return frozenset(str(fields[name]) for name in ("code", "type", "status") if fields.get(name) is not None)


def _describe(target: Target, reply: HttpReply, said: ProviderError) -> str:
    # A rate limit's text tells what was used and how long to wait: other numbers each time, the same failure.
    text = foreign_text(said.text, secret=clear_key(target.api_key), mask_numbers=reply.status == 429)
    return f'HTTP {reply.status}: "{text}"' if text else f"HTTP {reply.status}"
