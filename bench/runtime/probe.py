"""What both operators carry inside themselves: when each object was handled, what that cost, how the loop stalled.

Speaks with the driver in lines: JSON on standard output, commands on standard input. `report` answers with all figures
and starts new ones, `quiet` ends the stall measurement (its timer would be most of an idle operator's cost). At the end
of standard input the process ends at once, so that a killed bench leaves nothing behind.

Standard library only: kopf has an environment of its own.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import re
import sys
import threading
import time
from pathlib import Path
from typing import Any

TICK_SECONDS = 0.002
"""Between two looks at the event loop."""


class Channel:
    """What a process tells the driver: standard output, which nothing else may use from now on."""

    def __init__(self) -> None:
        """Take standard output; whatever logs to it goes to standard error."""
        self._out = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)

    def tell(self, facts: dict[str, Any]) -> None:
        """Tell one line."""
        self._out.write(json.dumps(facts) + "\n")
        self._out.flush()


class Probe:
    """The figures of one operator process."""

    def __init__(self, expected: int) -> None:
        """Start without figures; `begin` starts the clocks.

        Args:
            expected: how many objects there are to handle until `all` is told.
        """
        self._expected = expected
        self._channel = Channel()
        self._handled: set[str] = set()
        self._seen: dict[str, float] | None = None  # from the first report on: it would count as memory of the cache
        self._stalls: list[float] = []
        self._marks: dict[str, tuple[float, float]] = {}
        self._rss_before = 0.0
        self._ticker: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Start to measure; called on the event loop, right before the operator starts."""
        gc.collect()
        self._rss_before = rss_mib()
        self._ticker = asyncio.get_running_loop().create_task(self._tick())
        threading.Thread(target=self._obey, args=(asyncio.get_running_loop(),), daemon=True).start()
        self.mark("begin")

    def mark(self, what: str) -> None:
        """Note and tell that something was reached: its time, and the CPU seconds until then."""
        self._marks[what] = (time.monotonic(), time.process_time())
        self._channel.tell({"event": what, "at": self._marks[what][0]})

    def handled(self, name: str, version: str) -> None:
        """Note that an object was handled in some version."""
        if self._seen is not None:
            self._seen.setdefault(version, time.monotonic())
        if not self._handled:
            self.mark("first")
        if len(self._handled) < self._expected:
            self._handled.add(name)
            if len(self._handled) == self._expected:
                self.mark("all")

    async def _tick(self) -> None:
        """Note how late each tick comes; one long stall counts for each tick that it swallowed."""
        while True:
            due = time.monotonic() + TICK_SECONDS
            await asyncio.sleep(TICK_SECONDS)
            late = time.monotonic() - due
            while late > 0:
                self._stalls.append(late)
                late -= TICK_SECONDS

    def _obey(self, loop: asyncio.AbstractEventLoop) -> None:
        for line in sys.stdin:
            loop.call_soon_threadsafe(self._report if line.strip() == "report" else self._quiet)
        os._exit(0)

    def _quiet(self) -> None:
        if self._ticker is not None:
            self._ticker.cancel()

    def _report(self) -> None:
        gc.collect()
        stalls = sorted(self._stalls)
        self._channel.tell({
            "event": "report",
            "handled": len(self._handled),
            "marks": self._marks,
            "cpu": time.process_time(),
            "rss_before": self._rss_before,
            "rss": rss_mib(),
            "stall_p99": stalls[len(stalls) * 99 // 100] if stalls else 0.0,
            "stall_max": stalls[-1] if stalls else 0.0,
            "seen": self._seen or {},
        })  # fmt: skip
        self._stalls, self._seen = [], {}


def rss_mib() -> float:
    """Resident memory of this process."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found.group(1)) / 1024 if found else 0.0
