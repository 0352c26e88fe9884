"""Whether an answer is asked for as a stream. Pure.

Whole replies are the rule: a stream of 200 chunks costs more than 5 times the CPU of a whole reply (6.6 ms against
1.2), and half a stream is worth nothing, because nothing happens before the whole turn is recorded. A stream is asked
for where the provider insists, and where something on the way closes a connection on which nothing is sent for long.
"""

from __future__ import annotations

from typing import Literal, assert_never

StreamMode = Literal["Auto", "Always", "Never"]


def is_streamed(mode: StreamMode | None, *, is_required: bool, is_advised: bool) -> bool:
    """Decide on a stream.

    Args:
        mode: What the LLM says; None is `Auto`.
        is_required: Whether the provider answers this request only as a stream.
        is_advised: Whether a whole reply to such a request was cut before.
    """
    match mode:
        case "Always":
            return True
        case "Never":
            return False
        case "Auto" | None:
            return is_required or is_advised
        case _:
            assert_never(mode)
