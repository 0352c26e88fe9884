"""Why a connection cannot be made or did not last, as one exception type; how secrets are kept out of its text.

Raised by the transports and caught by the owner of the connection, which shows it in `ServerState.error`. What the
callers of tools get is in `errors`.
"""

from __future__ import annotations

from collections.abc import Iterable

FOREIGN_CHARACTERS = 256
"""Of a server's own words, in any message of ours."""

_SHORTEST_SECRET = 4
"""A shorter value would be found in every second word."""


class ConnectFailure(Exception):
    """A connection could not be made, or ended.

    Attributes:
        kind: The same for each try of the same failure, where the message may hold words that vary.
        is_permanent: Only a change of the spec or a repair of the server can help.
    """

    def __init__(self, message: str, *, kind: str = "", is_permanent: bool = False) -> None:
        super().__init__(message)
        self.kind = kind or message
        self.is_permanent = is_permanent


def redacted(text: str, secrets: Iterable[str]) -> str:
    """Take secrets out of what a server wrote; the rest stays as it is."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, "[redacted]")
    return text


def foreign(text: str, secrets: Iterable[str]) -> str:
    """Make what a server wrote fit for a status or a log: on one line, cut, without the secrets it was given."""
    text = redacted(text, secrets)
    text = " ".join("".join(c if c.isprintable() else " " for c in text[: FOREIGN_CHARACTERS * 16]).split())
    return text if len(text) <= FOREIGN_CHARACTERS else text[: FOREIGN_CHARACTERS - 1] + "…"
