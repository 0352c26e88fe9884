"""Repairs the messages in an event stream on its way to the MCP library, and checks the endpoint that it names."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from urllib.parse import SplitResult, urljoin, urlsplit

import httpx2

from kubechain.mcp.failures import ConnectFailure
from kubechain.mcp.replies import repaired_json
from kubechain.net import foreign


class RepairedEvents(httpx2.AsyncByteStream):
    """An event stream whose messages are such that the library can read them."""

    def __init__(
        self, inner: httpx2.AsyncByteStream, url: str, *, line_bytes: int, on_end: Callable[[ConnectFailure], None]
    ) -> None:
        """Wrap the body of a response.

        Args:
            inner: The body.
            url: Address of the event stream.
            line_bytes: Longer lines are passed on as they come.
            on_end: Called when the stream names an endpoint that will not be used.
        """
        self._inner = inner
        self._url = url
        self._line_bytes = line_bytes
        self._on_end = on_end
        self._event = b""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the lines of the body, repaired."""
        rest = b""
        async for chunk in self._inner:
            *lines, rest = (rest + chunk).split(b"\n")
            if lines:
                yield b"".join(self._line(line) + b"\n" for line in lines)
            if len(rest) > self._line_bytes:
                yield rest
                rest = b""
        if rest:
            yield self._line(rest)

    async def aclose(self) -> None:
        """Close the body."""
        await self._inner.aclose()

    def _line(self, line: bytes) -> bytes:
        name, _, value = line.rstrip(b"\r").partition(b":")
        if name == b"event":
            self._event = value.strip()
        elif not line.strip():
            self._event = b""
        elif name == b"data" and self._event == b"endpoint":
            self._check_endpoint(value.strip().decode(errors="replace"))
        elif name == b"data" and (new := repaired_json(value)) is not value:
            return b"data: " + new
        return line

    def _check_endpoint(self, endpoint: str) -> None:
        if (failure := foreign_endpoint(self._url, endpoint)) is not None:
            self._on_end(failure)


def foreign_endpoint(url: str, endpoint: str) -> ConnectFailure | None:
    """Return why messages will not be sent to an endpoint: it is on another host than the event stream, or is none."""
    try:
        named, own = urlsplit(urljoin(url, endpoint)), urlsplit(url)
        _ = named.port  # raises if it is no number
    except ValueError:
        return ConnectFailure("the event stream names an endpoint that is no address", is_permanent=True)
    if (named.scheme, named.netloc) == (own.scheme, own.netloc):
        return None
    return ConnectFailure(
        f"the event stream names an endpoint elsewhere: {_origin(named)}, not {_origin(own)}:"
        " messages are not sent there; set the server's public address, or url to that host",
        is_permanent=True,
    )


def _origin(parts: SplitResult) -> str:
    port = f":{parts.port}" if parts.port is not None else ""
    return foreign.one_line(f"{parts.scheme}://{parts.hostname}{port}", 100)
