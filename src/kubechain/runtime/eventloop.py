"""The event loop of the process: uvloop where the platform has it, with one defect of it repaired.

uvloop 0.23 leaves the number of a closed descriptor in the caller's socket when a connection is reset between the
moments in which `create_connection(sock=...)` has made the transport and takes the socket over. The socket's finalizer
closes that number a second time. Under load it belongs to another connection by then: libuv aborts the process, or a
later connection fails with `RuntimeError: File descriptor N is used by transport`. aiohttp connects in this way.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """Return what makes the event loop: uvloop's if it is installed, else the standard library's."""
    try:
        import uvloop
    except ImportError:  # not available on every platform
        return asyncio.new_event_loop

    class Loop(uvloop.Loop):
        """uvloop's loop; a socket given to it belongs to its transport alone."""

        async def create_connection(self, *args: Any, sock: Any = None, **options: Any) -> Any:
            """Connect as `asyncio.loop.create_connection` does; `sock` is detached, whatever the outcome."""
            connect: Any = super().create_connection  # its overloads would have to be repeated here
            try:
                return await connect(*args, sock=sock, **options)
            finally:
                if sock is not None and sock.family != socket.AF_UNIX:  # which uvloop treats in another way
                    sock.detach()

    return Loop
