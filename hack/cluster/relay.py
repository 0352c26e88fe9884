"""Connects clients of this machine to the API server: `python -m hack.cluster.relay DESCRIPTOR`.

A socket keeps the network namespace that it was made in. The keeper listens outside of the node; this program inherits
that socket and runs inside.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys

from hack.cluster.places import API_PORT, NODE_ADDRESS


async def serve(listening: socket.socket) -> None:
    """Relay each connection until cancelled."""
    async with await asyncio.start_server(_relay, sock=listening) as server:
        await server.serve_forever()


async def _relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        there_reader, there_writer = await asyncio.open_connection(NODE_ADDRESS, API_PORT)
        await asyncio.gather(_copy(reader, there_writer), _copy(there_reader, writer), return_exceptions=True)
    writer.close()


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    try:
        while chunk := await source.read(65536):
            target.write(chunk)
            await target.drain()
    finally:
        target.close()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(socket.socket(fileno=int(sys.argv[1]))))
