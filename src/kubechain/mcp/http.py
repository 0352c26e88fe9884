"""Creates the HTTP client of one connection to an MCP server.

The MCP library uses this client. `exchange` converts the failures of its requests.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx2

from kubechain.mcp.endpoint import checked_headers
from kubechain.mcp.exchange import CONNECT_SECONDS, FailuresAsAnswers
from kubechain.mcp.failures import ConnectFailure
from kubechain.net.addresses import NOT_METADATA
from kubechain.net.connections import CheckedNetwork, CheckedTransport
from kubechain.net.resolution import Lookup, system_lookup

WRITE_SECONDS = 30.0


def http_client(
    headers: Mapping[str, str],
    *,
    message_bytes: int,
    answers_in_body: bool,
    on_failure: Callable[[str], None],
    on_end: Callable[[ConnectFailure], None],
    lookup: Lookup = system_lookup,
) -> httpx2.AsyncClient:
    """Create the client of one connection. It connects to addresses that `NOT_METADATA` allows, and uses no proxy.

    Args:
        headers: Headers of the spec, sent with each request.
        message_bytes: Maximum size of a body; a longer one ends with an error. In an event stream, the library applies
            the limit to each event.
        answers_in_body: Whether the response to a POST carries the result (streamable HTTP) or a separate event stream
            does (the older SSE transport).
        on_failure: Called with the reason when a request fails.
        on_end: Called when no further request can succeed.
        lookup: Resolver; by default the system's resolver.
    """
    return httpx2.AsyncClient(
        # No compression: a limit on the compressed size does not bound the decompressed size.
        headers={"Accept-Encoding": "identity", **checked_headers(headers)},
        timeout=httpx2.Timeout(None, connect=CONNECT_SECONDS, write=WRITE_SECONDS),
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        transport=FailuresAsAnswers(
            CheckedTransport(CheckedNetwork(NOT_METADATA, lookup=lookup)),
            message_bytes=message_bytes,
            answers_in_body=answers_in_body,
            on_failure=on_failure,
            on_end=on_end,
        ),
    )
