"""Google's quotas of a day: when another try may work. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from kubechain.llm.dialects.json_values import items, mapping
from kubechain.llm.dialects.model_lists import body_of
from kubechain.llm.errors import LLMError, RateLimited
from kubechain.llm.exchange import HttpReply

_RESET_HOUR_UTC = 8
"""Quotas of a day begin anew at midnight in California, which is 8 h UTC in winter and 7 h in summer."""


def wait_for_reset(error: LLMError, reply: HttpReply) -> None:
    """Give a failure the wait until a quota of a day begins anew: the wait in such a reply is one of seconds."""
    if isinstance(error, RateLimited) and any("perday" in quota.lower() for quota in _quotas(reply)):
        error.retry_after_seconds = max(error.retry_after_seconds or 0.0, _until_reset(reply.received_at))


def _until_reset(now: datetime) -> float:
    reset = now.replace(hour=_RESET_HOUR_UTC, minute=0, second=0, microsecond=0)
    return (reset if reset > now else reset + timedelta(days=1)).timestamp() - now.timestamp()


def _quotas(reply: HttpReply) -> Iterator[str]:
    """Yield the ids of the quotas that were exceeded."""
    body = body_of(reply)
    found: Any = items(body)[0] if items(body) else body  # some front ends put the object into a list
    for detail in items(mapping(mapping(found).get("error")).get("details")):
        for violation in items(mapping(detail).get("violations")):
            yield str(mapping(violation).get("quotaId") or "")
