"""How numbers, times and long texts are written for people."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from kubechain.net.foreign import harmless, one_line

ARGUMENT_CHARACTERS = 120
"""Of arguments and results that stand on a line with other things."""


def span(seconds: float) -> str:
    """A time span in its two largest units, as kubectl prints ages."""
    whole = int(seconds)
    units = (("d", whole // 86_400), ("h", whole // 3_600 % 24), ("m", whole // 60 % 60), ("s", whole % 60))
    first = next((index for index, (_, count) in enumerate(units) if count), len(units) - 1)
    return "".join(f"{count}{unit}" for unit, count in units[first : first + 2] if count) or "0s"


def precise(seconds: float) -> str:
    """A time span, with a tenth where it is below ten seconds: `0s`, `0.4s`, `12s`, `2m5s`."""
    tenths = round(seconds * 10)
    return f"{tenths / 10:g}s" if tenths < 100 else span(seconds)


def between(start: datetime | None, end: datetime | None, now: datetime) -> str:
    """How long something took, or has taken so far; empty where it has not begun."""
    return "" if start is None else span(max(((end or now) - start).total_seconds(), 0.0))


def counted(number: int, noun: str) -> str:
    """A number with its noun: `1 turn`, `2,340 tokens`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def sentence(text: str) -> str:
    """A text with a full stop, unless it ends a sentence itself, within quotation marks too."""
    return text if text.rstrip("\"')").endswith((".", "!", "?", "…")) else f"{text}."


def money(cost: str | None) -> str:
    """A cost in US dollars, to the cent, or to two digits where it is less; empty where it is not known."""
    if cost is None:
        return ""
    amount = Decimal(cost)
    if amount >= 1 or not amount:
        return f"${amount:,.2f}"
    digits = max(2, 1 - amount.adjusted())
    return f"${amount:.{digits}f}"


def brief(text: str, characters: int = ARGUMENT_CHARACTERS) -> str:
    """A text on one line, cut, without what drives a terminal."""
    return one_line(harmless(text), characters)
