"""Checks the URL and the headers of a server before anything is sent. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from kubechain.mcp.failures import ConnectFailure
from kubechain.net.addresses import NOT_METADATA, AddressNotAllowed

_REFUSED_HEADERS = frozenset(
    {
        "accept",
        "accept-encoding",
        "connection",
        "content-length",
        "content-type",
        "host",
        "idempotency-key",
        "last-event-id",
    }
    | {"mcp-method", "mcp-name", "mcp-protocol-version", "mcp-session-id"}
    | {"te", "trailer", "transfer-encoding", "upgrade"}
)
"""Headers that the protocol sets itself."""


def check_url(url: str) -> None:
    """Refuse a URL that cannot be the address of a server.

    Raises:
        ConnectFailure: The URL is refused; permanent. The message includes at most the host, because other parts of the
            URL may hold a secret.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ConnectFailure("url: malformed", is_permanent=True) from None
    if parts.scheme not in ("http", "https"):
        raise ConnectFailure("url: its scheme must be http or https", is_permanent=True)
    if not host or any(c.isspace() or not c.isprintable() for c in url):
        raise ConnectFailure("url: malformed", is_permanent=True)
    if parts.username is not None or parts.password is not None:
        raise ConnectFailure("url: credentials do not belong in it: use headers", is_permanent=True)
    try:
        NOT_METADATA.check_host(host)
    except AddressNotAllowed as error:
        raise ConnectFailure(f"url: {error}", is_permanent=True) from error


def checked_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers if all of them can be sent.

    Raises:
        ConnectFailure: A header cannot be sent; permanent. The message does not include its value.
    """
    for name, value in headers.items():
        if not name.isascii() or not name.replace("-", "").replace("_", "").isalnum():
            raise ConnectFailure(f'headers: not a header name: "{name[:64]!r}"', is_permanent=True)
        if name.lower() in _REFUSED_HEADERS:
            raise ConnectFailure(f"headers: {name}: belongs to the protocol", is_permanent=True)
        if not value.isascii() or any(ord(c) < 32 or ord(c) == 127 for c in value):
            raise ConnectFailure(f"headers: {name}: its value cannot be sent", is_permanent=True)
    return dict(headers)
