"""Which parts of a request the provider should keep for the next one. Pure.

The API caches a prefix up to each mark, and reads the longest prefix that it has. It takes four marks: the last tool,
the end of the system prompt, and the ends of the last two turns of the user. The last writes what the next request of
the run reads, the one before is what this request reads. A prefix that is too short is not kept and costs nothing.
"""

from __future__ import annotations

from typing import Any

MARK = {"type": "ephemeral"}
_TURNS = 2


def mark(body: dict[str, Any]) -> None:
    """Mark what is to be kept, in place."""
    ends: list[dict[str, Any]] = [*body.get("tools", ())[-1:], *body.get("system", ())[-1:]]
    turns = [turn["content"] for turn in body["messages"] if turn["role"] == "user"]
    for block in (*ends, *(content[-1] for content in turns[-_TURNS:])):
        block["cache_control"] = MARK
