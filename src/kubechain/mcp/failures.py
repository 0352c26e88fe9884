"""The exception for a connection that cannot be opened or that ended, and redaction of server text for its message.

The transports raise it. The owner task of the connection puts its message into `ServerState.error`. The errors of tool
calls are in `errors`.
"""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import SecretStr

from kubechain.net import foreign
from kubechain.net.redaction import redacted

_READ_CHARACTERS = 64 * 1024
"""How much of a text `foreign_text` reads; an error message may be as long as `Limits.message_bytes`."""


class ConnectFailure(Exception):
    """A connection could not be opened, or it ended.

    Attributes:
        kind: Identifies the failure; the same for each attempt, even if the message varies.
        is_permanent: The failure lasts until the spec is changed or the server is repaired.
    """

    def __init__(self, message: str, *, kind: str = "", is_permanent: bool = False) -> None:
        """Create a failure; the kind defaults to the message."""
        super().__init__(message)
        self.kind = kind or message
        self.is_permanent = is_permanent


def foreign_text(text: str, secrets: Iterable[SecretStr]) -> str:
    """Prepare text of a server for a status or a log: redact the secrets, put it on one line, truncate it."""
    return foreign.one_line(redacted(text[:_READ_CHARACTERS], secrets))
