"""The event loop of the process: uvloop where the platform has it, with two defects of it repaired.

uvloop 0.23 leaves the number of a closed descriptor in the caller's socket when a connection is reset between the
moments in which `create_connection(sock=...)` has made the transport and takes the socket over. The socket's finalizer
closes that number a second time. Under load it belongs to another connection by then: libuv aborts the process, or a
later connection fails with `RuntimeError: File descriptor N is used by transport`. aiohttp connects in this way.

A loop that is closed, uvloop's as that of the standard library, waits for every name that is being looked up, although
nobody waits for the address any more: 10 s for each name server that does not answer. A process that was told to stop
would be killed before. So names are looked up in threads that nobody waits for.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, Final

LOOKUPS_MAX: Final = 32
"""Names that are looked up at the same time; as many as the standard library's loop has threads for."""


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """Return what makes the event loop: uvloop's if it is installed, else the standard library's."""
    try:
        import uvloop
    except ImportError:  # not available on every platform
        return asyncio.new_event_loop

    class Loop(uvloop.Loop):
        """uvloop's loop; a socket given to it belongs to its transport alone, and its end waits for no name server."""

        def __init__(self) -> None:
            super().__init__()
            self._free = asyncio.Semaphore(LOOKUPS_MAX)

        async def getaddrinfo(self, host: Any, port: Any, **options: Any) -> Any:
            """Look up a name as `asyncio.loop.getaddrinfo` does."""
            return await _looked_up(partial(socket.getaddrinfo, host, port, **options), self._free)

        async def create_connection(self, *args: Any, sock: Any = None, **options: Any) -> Any:
            """Connect as `asyncio.loop.create_connection` does; `sock` is detached, whatever the outcome."""
            connect: Any = super().create_connection  # its overloads would have to be repeated here
            try:
                return await connect(*args, sock=sock, **options)
            finally:
                if sock is not None and sock.family != socket.AF_UNIX:  # which uvloop treats in another way
                    sock.detach()

    return Loop


async def _looked_up(look_up: Callable[[], Any], free: asyncio.Semaphore) -> Any:
    """Look up in a thread of its own, which ends when it likes.

    Args:
        free: Taken until the thread has ended, also where nobody waits for it any more.
    """
    loop = asyncio.get_running_loop()
    found: asyncio.Future[Any] = loop.create_future()

    def end(result: Any, error: Exception | None) -> None:
        free.release()
        if found.done():
            return
        if error is not None:
            found.set_exception(error)
        else:
            found.set_result(result)

    def run() -> None:
        result, error = None, None
        try:
            result = look_up()
        except Exception as failure:  # noqa: BLE001  it is raised where the address is waited for
            error = failure
        with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
            loop.call_soon_threadsafe(end, result, error)

    await free.acquire()
    threading.Thread(target=run, name="lookup", daemon=True).start()
    return await found
