"""Where the embedded server differs on purpose: the table behind docs/api-server.md.

A case named here is run too, and must fail: an omission that no longer is one has to go.
"""

from __future__ import annotations

from collections.abc import Mapping

OMISSIONS: Mapping[str, Mapping[str, str]] = {}
"""Area, case, and which omission of docs/api-server.md it is."""


def omitted(area: str, name: str) -> str | None:
    """Return which documented omission a case falls under, or None."""
    return OMISSIONS.get(area.partition(" 1.")[0], {}).get(name)
