"""Reads the log of a container of a call: the whole, or beginning and end with a note of what is left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from kubechain.net.foreign import cut_middle
from kubechain.runtime.client import Client
from kubechain.runtime.clock import Clock
from kubechain.runtime.errors import ApiError, TransportError
from kubechain.tools.container import CONTAINER_NAME, LOG_LIMIT_BYTES

WHOLE_BYTES = 4 * LOG_LIMIT_BYTES
"""A log up to this size is read as a whole, and its middle is left out here. Of a longer one, the end is read apart."""

TAIL_LINES = (1000, 50)
"""Lines to read from the end: fewer where the first number is over `WHOLE_BYTES`. A line has 16 KiB at most."""

RETRY_SECONDS = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Between tries to read a log: it is the whole result of the call, and it is read once."""


async def read_log(client: Client, clock: Clock, pod: Mapping[str, Any]) -> str:
    """Return what the container of a Pod wrote; a note in its place where that cannot be read."""
    metadata = pod["metadata"]
    path, waits = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}/log", iter(RETRY_SECONDS)
    while True:
        try:
            return await _read(client, path)
        except (ApiError, TransportError) as error:
            wait = None if _is_final(error) else next(waits, None)
            if wait is None:
                return f"[the log cannot be read: {error}]"
            await clock.sleep(wait)


def _is_final(error: ApiError | TransportError) -> bool:
    return isinstance(error, ApiError) and error.status < 500 and error.status != 429


async def _read(client: Client, path: str) -> str:
    head = await _part(client, path, limitBytes=WHOLE_BYTES)
    if len(head) < WHOLE_BYTES:
        return cut_middle(_text(head), LOG_LIMIT_BYTES, note=lambda left: f"[{left} bytes left out]")
    tail = b""
    for lines in TAIL_LINES:
        tail = await _part(client, path, tailLines=lines, limitBytes=WHOLE_BYTES)
        if len(tail) < WHOLE_BYTES:
            break
    half, left = LOG_LIMIT_BYTES // 2, WHOLE_BYTES - LOG_LIMIT_BYTES
    return f"{_text(head[:half])}\n[more than {left} bytes left out]\n{_text(tail[-half:])}"


async def _part(client: Client, path: str, **parameters: int) -> bytes:
    return await client.request("GET", f"{path}?{urlencode({'container': CONTAINER_NAME, **parameters})}")


def _text(part: bytes) -> str:
    return part.decode(errors="replace")
