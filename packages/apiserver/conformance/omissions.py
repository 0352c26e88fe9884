"""Where the embedded server differs on purpose: the table behind docs/api-server.md.

A case named here is run too, and must fail: an omission that no longer is one has to go.
"""

from __future__ import annotations

from collections.abc import Mapping

OMISSIONS: Mapping[str, Mapping[str, str]] = {
    "discovery and OpenAPI": {
        "core: pods": "pods",
        "aggregated: core: pods": "pods",
        "OpenAPI v3: path of a built-in kind": "OpenAPI of built-in kinds",
    },
    "schemas of definitions": {
        "a rule that costs too much": "definitions",
        "a loop with two variables": "definitions",
        "a format by its name": "definitions",
    },
}
"""Area, case, and the name of the omission in docs/api-server.md."""


def omitted(area: str, name: str) -> str | None:
    """Return which documented omission a case falls under, or None."""
    return OMISSIONS.get(area, {}).get(name)
