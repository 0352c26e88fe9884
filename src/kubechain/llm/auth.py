"""How the API key goes along with a request: in which header, and in which form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import SecretStr

from kubechain.llm.errors import InvalidTarget


@dataclass(frozen=True, slots=True)
class AuthScheme:
    """The header that carries the key.

    Attributes:
        header: In lower case.
        prefix: What stands before the key.
        is_required: Whether a request without a key is refused here, before it is sent.
        is_sent: Whether there is such a header at all.
    """

    header: str
    prefix: str = ""
    is_required: bool = True
    is_sent: bool = True

    def headers(self, api_key: SecretStr | None) -> Mapping[str, str]:
        """Return the header for a key, or none where no key is needed and none is given.

        Raises:
            InvalidTarget: The key is missing, or holds characters that no header can have.
        """
        if not self.is_sent:
            return {}
        if key := clear_key(api_key):
            return {self.header: self.prefix + sendable("API key", key)}
        if self.is_required:
            raise InvalidTarget("API key: required by this provider")
        return {}


BEARER = AuthScheme("authorization", "Bearer ")
OPTIONAL_BEARER = AuthScheme("authorization", "Bearer ", is_required=False)
GOOGLE_KEY = AuthScheme("x-goog-api-key")
OPTIONAL_GOOGLE_KEY = AuthScheme("x-goog-api-key", is_required=False)
AZURE_KEY = AuthScheme("api-key")
X_API_KEY = AuthScheme("x-api-key")
OPTIONAL_X_API_KEY = AuthScheme("x-api-key", is_required=False)
NO_KEY = AuthScheme("", is_sent=False)
"""For requests that are signed: the key itself stays here."""


def clear_key(api_key: SecretStr | None) -> str | None:
    """The key in clear, without the line end that a file or `echo` leaves behind it; None where there is none."""
    return api_key.get_secret_value().strip() if api_key else None


def sendable(what: str, value: str) -> str:
    """Return a header's value if it can be sent.

    Args:
        what: Name of the setting that holds it, for the error.

    Raises:
        InvalidTarget: It holds white space, control or non-ASCII characters; the message does not repeat it.
    """
    if not all("!" <= c <= "~" for c in value):
        raise InvalidTarget(f"{what}: holds characters that cannot be sent")
    return value
