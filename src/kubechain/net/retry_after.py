"""Reads the delay that a server requests, in every form that API servers and model providers use. Pure.

The caller decides whether to wait, and sets the minimum delay: see `backoff`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from kubechain.net.durations import duration_seconds

MAX_RETRY_AFTER_SECONDS = 86_400.0
"""One day. A longer delay is an error or an attack; the run would appear to hang."""

_EPOCH_SECONDS = 1_000_000_000.0
"""Numbers of at least this value (the year 2001) are Unix times in seconds, not durations."""
_EPOCH_MILLISECONDS = 1_000_000_000_000.0

_UNIT_WORDS = re.compile(r"\s*\b(seconds?|secs?|minutes?|mins?|hours?|hrs?)\b", re.IGNORECASE)
"""Units that are written out, as in `30 seconds`."""

_BUDGETS = ("requests", "tokens", "input-tokens", "output-tokens")


def retry_after_seconds(headers: Mapping[str, str], *, now: datetime) -> float | None:
    """Read the requested delay from the headers of a response, most precise form first; None when there is none.

    Args:
        headers: Response headers, with names in lower case.
        now: Time of the response, for headers that hold a point in time.
    """
    wait = _milliseconds(headers.get("retry-after-ms"))
    if wait is None:
        wait = _seconds_or_date(headers.get("retry-after"), now)
    if wait is None:
        wait = _exhausted_budget(headers, now)
    return None if wait is None else _bounded(wait)


def header_seconds(value: str | None, *, now: datetime) -> float | None:
    """Read a `Retry-After` header (RFC 9110): seconds or a date; None when it is absent or malformed.

    Args:
        value: The header's value.
        now: Time of the response.
    """
    number = _number(value)
    wait = _until(value, now) if number is None else number
    return None if wait is None else _bounded(wait)


def _bounded(wait: float) -> float:
    return min(max(wait, 0.0), MAX_RETRY_AFTER_SECONDS)


def _milliseconds(value: str | None) -> float | None:
    number = _number(value)
    return None if number is None else number / 1000


def delay_seconds(value: object) -> float | None:
    """Read a delay that stands in the body of a reply: a number of seconds, or a duration such as `34s` or `1.5s`.

    Args:
        value: A value of JSON; anything else than a number or a text gives None.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    wait = _number_or_duration(str(value))
    return None if wait is None else _bounded(wait)


def _seconds_or_date(value: str | None, now: datetime) -> float | None:
    wait = _number_or_duration(value)
    if wait is None:
        return _until(value, now)
    if wait >= _EPOCH_SECONDS:
        return _since_epoch(wait) - now.timestamp()
    return wait


def _number_or_duration(value: str | None) -> float | None:
    number = _number(value)
    if number is not None:
        return number
    text = _UNIT_WORDS.sub(lambda match: match[1][0].lower(), value or "")
    return duration_seconds(text.replace(" ", ""))


def _since_epoch(number: float) -> float:
    return number / 1000 if number >= _EPOCH_MILLISECONDS else number


def used_up_seconds(headers: Mapping[str, str], *, now: datetime) -> float | None:
    """Read from an answer for how long the server takes no further request; None where it does not say so.

    A limit counts where the headers say that nothing of it is left and when it resets. `Retry-After` does not: with an
    answer it has no meaning (RFC 9110).

    Args:
        headers: Response headers, with names in lower case.
        now: Time of the response, for headers that hold a point in time.
    """
    used_up = [wait for wait, left in _resets(headers, now) if _number(left) == 0]
    return _bounded(max(used_up)) if used_up else None


def _exhausted_budget(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return the seconds until the exhausted rate limits reset, or else until the first one does."""
    resets = _resets(headers, now)
    if used_up := [wait for wait, left in resets if _number(left) == 0]:
        return max(used_up)
    return min((wait for wait, _ in resets), default=None)


def _resets(headers: Mapping[str, str], now: datetime) -> list[tuple[float, str | None]]:
    """Return the seconds until each rate limit resets, and what is left of it (OpenAI, Anthropic, Mistral, similar)."""
    resets: list[tuple[float, str | None]] = []
    for name, left in _RESET_HEADERS:
        if name in headers and (wait := _seconds_or_date(headers[name], now)) is not None:
            resets.append((wait, headers.get(left)))
    return resets


def _reset_header_names(prefix: str, budget: str) -> tuple[tuple[str, str], ...]:
    """Return both word orders: `x-ratelimit-reset-tokens` and `anthropic-ratelimit-tokens-reset`."""
    return (
        (f"{prefix}reset-{budget}", f"{prefix}remaining-{budget}"),
        (f"{prefix}{budget}-reset", f"{prefix}{budget}-remaining"),
    )


_PREFIXES = ("x-ratelimit-", "anthropic-ratelimit-", "ratelimit-")
_RESET_HEADERS = tuple(
    names
    for prefix in _PREFIXES
    for names in (
        (f"{prefix}reset", f"{prefix}remaining"),
        *(names for budget in _BUDGETS for names in _reset_header_names(prefix, budget)),
    )
)
"""Headers that say when a limit resets, each with the one that says what is left: made once, as each answer is looked
at."""


def _number(value: str | None) -> float | None:
    if value is None or not re.fullmatch(r"\s*\+?\d{1,18}(\.\d{0,18})?\s*", value, re.ASCII):
        return None
    number = float(value)
    return number if math.isfinite(number) else None


def _until(value: str | None, now: datetime) -> float | None:
    """Return the seconds until an HTTP date (RFC 9110) or an RFC 3339 time; None when it is neither."""
    for parse in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            moment = parse((value or "").strip())
        except (ValueError, TypeError, IndexError, OverflowError):
            continue
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return (moment - now).total_seconds()
    return None
