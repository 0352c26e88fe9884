"""A provider's text made fit for a status, an event or a log: without the key, the same with each attempt, short.

Never used on prompts: those are not shown.
"""

from __future__ import annotations

from kubechain.net import foreign, redaction

_LOOKED_AT_CHARACTERS = 4096


def foreign_text(text: str, *, secret: str | None, mask_numbers: bool = False) -> str:
    """Redact and truncate what a provider wrote.

    Args:
        text: Anything.
        secret: The key that was sent; None when none was.
        mask_numbers: Put `N` for numbers, for texts such as "try again in 1.3s" that differ with each attempt.
    """
    clean = text[:_LOOKED_AT_CHARACTERS]
    if secret:
        clean = redaction.redacted_in_part(clean, secret)
    clean = redaction.without_masked_keys(redaction.scrubbed(clean))
    return foreign.one_line(foreign.stable(clean, mask_numbers=mask_numbers))
