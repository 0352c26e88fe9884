"""Why a connection cannot be made or did not last, as one exception type, and how a server's text gets into it.

Raised by the transports; the owner of the connection shows it in `ServerState.error`. What callers of tools get is in
`errors`.
"""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import SecretStr

from kubechain.net import foreign
from kubechain.net.redaction import redacted

_LOOKED_AT_CHARACTERS = 64 * 1024
"""Of a text that ends as one line; a server's error message may be as long as a message."""


class ConnectFailure(Exception):
    """A connection could not be made, or ended.

    Attributes:
        kind: The same for each try of the same failure, where the message may hold words that vary.
        is_permanent: Only a change of the spec or a repair of the server can help.
    """

    def __init__(self, message: str, *, kind: str = "", is_permanent: bool = False) -> None:
        """Create a failure; without a kind, the message is the kind."""
        super().__init__(message)
        self.kind = kind or message
        self.is_permanent = is_permanent


def foreign_text(text: str, secrets: Iterable[SecretStr]) -> str:
    """Make what a server wrote fit for a status or a log: on one line, truncated, without the secrets it was given."""
    return foreign.one_line(redacted(text[:_LOOKED_AT_CHARACTERS], secrets))
