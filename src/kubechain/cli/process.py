"""The life of a long-running command: its event loop, and how signals end it.

Used by `manager` and `dev`. What they run must not go here.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Final

INTERRUPTED: Final = 130
"""Exit status of a process that Ctrl-C ended, by the shell's convention."""

Main = Callable[[asyncio.Event], Awaitable[int]]
"""Runs until the event is set, and returns the exit status."""


def run(main: Main) -> int:
    """Run a coroutine on the fastest loop there is.

    The first SIGINT or SIGTERM sets the event; the second ends the process at once.
    """
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(_with_signals(main))


async def _with_signals(main: Main) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, _on_signal, stop)
    return await main(stop)


def _on_signal(stop: asyncio.Event) -> None:
    if stop.is_set():
        # Somebody is in a hurry. Nothing is lost: all state is in the API server, and a claim outlives its holder.
        sys.stderr.flush()
        os._exit(INTERRUPTED)
    stop.set()


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop
    except ImportError:  # not made for every platform
        return asyncio.new_event_loop
    return uvloop.new_event_loop
