"""Foreign text made fit for a status, an event or a log: no key, no noise that changes from try to try, not long.

Called by `failures` and the transport on everything that a provider wrote. Never on prompts: those are not shown.
"""

from __future__ import annotations

import re

MAX_FOREIGN_CHARACTERS = 256
"""Of the provider's own words, in any message of ours."""

REDACTED = "[redacted]"

_LOOKED_AT_CHARACTERS = 4096
_FRAGMENT_CHARACTERS = 6
"""Providers echo keys in part (`sk-ab…`): every run of this many characters of the key is taken out."""

_MASKED_KEY = re.compile(r"[\w-]*\*{3,}[\w*-]*|\b(?:sk|pk|rk)-[\w-]{6,}")
_VARYING = (
    (re.compile(r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b", re.IGNORECASE), "…"),
    (re.compile(r"\b(req|resp|chatcmpl|msg)[-_][A-Za-z0-9]{6,}\b"), r"\1_…"),
)
_QUANTITY = re.compile(r"(?<![\w.-])\d+(?:\.\d+)?(?:ms|s|m\d+(?:\.\d+)?s)?(?![\w-])")


def foreign_text(text: str, *, secret: str | None, mask_numbers: bool = False) -> str:
    """Clean and cut what a provider wrote.

    Args:
        text: Anything.
        secret: The key that was sent; None when none was.
        mask_numbers: Put `N` for numbers, for texts such as "try again in 1.3s" that differ with every try.
    """
    clean = scrub(text[:_LOOKED_AT_CHARACTERS], secret=secret)
    for pattern, replacement in _VARYING:
        clean = pattern.sub(replacement, clean)
    if mask_numbers:
        clean = _QUANTITY.sub("N", clean)
    clean = " ".join("".join(c if c.isprintable() else " " for c in clean).split())
    return clean if len(clean) <= MAX_FOREIGN_CHARACTERS else clean[: MAX_FOREIGN_CHARACTERS - 1] + "…"


def scrub(text: str, *, secret: str | None) -> str:
    """Take out the key, in whole or in part, and whatever looks like one that was masked by its owner."""
    if secret:
        text = _without_secret(text, secret)
    return _MASKED_KEY.sub(REDACTED, text)


def _without_secret(text: str, secret: str) -> str:
    if len(secret) < _FRAGMENT_CHARACTERS:
        return re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", REDACTED, text)
    fragments = {secret[i : i + _FRAGMENT_CHARACTERS] for i in range(len(secret) - _FRAGMENT_CHARACTERS + 1)}
    kept: list[str] = []
    position = hidden_until = 0
    while position < len(text):
        if text[position : position + _FRAGMENT_CHARACTERS] in fragments:
            if hidden_until < position or not kept:
                kept.append(REDACTED)
            hidden_until = position + _FRAGMENT_CHARACTERS
        elif position >= hidden_until:
            kept.append(text[position])
        position += 1
    return "".join(kept)
