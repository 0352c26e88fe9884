"""Lists its tools in pages, in the way its first argument says."""

from __future__ import annotations

import sys

from raw import Message, serve, tool

mode = sys.argv[1]


def page(cursor: str | None) -> Message:
    """Make a page."""
    number = int(cursor or 0)
    match mode:
        case "three":
            following = {"nextCursor": str(number + 1)} if number < 2 else {}
        case "repeating":
            following = {"nextCursor": "1"}
        case "endless":
            following = {"nextCursor": str(number + 1)}
        case _:
            return {"tools": [tool(f"t{n}") for n in range(2000)]}
    return {"tools": [tool(f"t{number}")], **following}


serve([], page=page)
