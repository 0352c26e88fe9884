"""Floods a port with requests that nobody signed, from a process of its own.

    python -m test.process.flooder PORT REQUESTS CONNECTIONS [impatient]

Each connection sends its requests at once, one behind the other, and is opened anew as long as its share is not sent.
Prints as JSON, at the end or at SIGTERM: how many requests were sent and in which time, how many replies came by
status, and how many connections were refused. An impatient flood reads no reply and sends on with the next
connection.
"""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sys
import time
from collections import Counter
from contextlib import suppress

PIPELINED = 40
"""Requests that one connection sends before it reads."""

READ_SECONDS = 10.0

_BODY = b'{"type":"request.decided","data":{"request":"hello","choice":"Approve"}}'
_HEADERS = b"Host: a\r\nWebhook-Id: 1\r\nWebhook-Timestamp: 1\r\nWebhook-Signature: v1,x\r\n"
_LENGTH = b"Content-Length: %d\r\n\r\n" % len(_BODY)
_KINDS = (
    b"POST /contact/webhook/default/ops HTTP/1.1\r\n" + _HEADERS + _LENGTH + _BODY,
    b"POST /contact/slack HTTP/1.1\r\n" + _HEADERS + _LENGTH + _BODY,
    b"GET /contact/decide/forged.token HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n",
)


class Flood:
    """What is sent, and what came of it."""

    def __init__(self, port: int, requests: int, *, is_impatient: bool = False) -> None:
        self.port = port
        self.is_impatient = is_impatient
        self.left = requests
        self.sent = 0
        self.replies: Counter[str] = Counter()
        self.broken = 0

    async def keep_sending(self) -> None:
        """Use one connection after the other, until all requests are sent."""
        while self.left > 0:
            count = min(PIPELINED, self.left)
            self.left -= count
            try:
                async with asyncio.timeout(READ_SECONDS):
                    await self._send(count)
            except (OSError, TimeoutError):
                self.broken += 1

    async def _send(self, count: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(b"".join(_KINDS[number % len(_KINDS)] for number in range(count)))
            self.sent += count
            await writer.drain()
            if self.is_impatient:
                return
            writer.write_eof()
            for status in re.findall(rb"HTTP/1\.1 (\d+)", await reader.read()):
                self.replies[status.decode()] += 1
        finally:
            writer.close()


async def flood(port: int, requests: int, connections: int, *, is_impatient: bool = False) -> Flood:
    """Send them all, or until SIGTERM."""
    told = Flood(port, requests, is_impatient=is_impatient)
    sending = asyncio.gather(*(told.keep_sending() for _ in range(connections)))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, sending.cancel)
    with suppress(asyncio.CancelledError):
        await sending
    return told


def main() -> None:
    """Do as the command line says."""
    port, requests, connections = map(int, sys.argv[1:4])
    began_at = time.monotonic()
    told = asyncio.run(flood(port, requests, connections, is_impatient="impatient" in sys.argv[4:]))
    seconds = time.monotonic() - began_at
    print(json.dumps({"sent": told.sent, "seconds": seconds, "broken": told.broken, "replies": dict(told.replies)}))


if __name__ == "__main__":
    main()
