"""Counts of tokens as a `Usage`. Pure."""

from __future__ import annotations

from kubechain.api.usage import COUNT_LIMIT, Usage


def usage(
    *, sent: int, received: int, total: int = 0, cache_read: int = 0, cache_written: int = 0, thought: int = 0
) -> Usage:
    """Return what one call used; what only some providers count is left out where it is 0.

    Args:
        sent: Tokens of the request, those from the cache and those written to it included.
        received: Tokens of the answer, those of reasoning included.
        total: As the provider counts it; 0 for the sum.
    """
    counted = Usage(
        input_tokens=sent,
        output_tokens=received,
        total_tokens=total or min(sent + received, COUNT_LIMIT),
        model_calls=1,
    )
    sorts = {"cache_read_tokens": cache_read, "cache_write_tokens": cache_written, "reasoning_tokens": thought}
    some = {name: tokens for name, tokens in sorts.items() if tokens}
    return counted.with_changes(**some) if some else counted
