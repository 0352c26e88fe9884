"""Time and random numbers of the runtime, so that tests and simulations can control both.

Monotonic time is the event loop's time: a virtual-time loop then controls sleeps, time-outs, timers and deadlines. No
other module of the runtime reads the time or a random number from the operating system.
"""

from __future__ import annotations

import asyncio
import random
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """A source of time, waiting and random numbers."""

    random: random.Random

    def now(self) -> datetime:
        """Return the wall-clock time, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never decrease; comparable with the event loop's timers."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait on the event loop."""
        ...


class SystemClock:
    """The real time, for production."""

    def __init__(self, *, seed: int | None = None) -> None:
        """Create a clock.

        Args:
            seed: makes every jitter reproducible; None takes a seed from the operating system.
        """
        self.random = random.Random(seed)  # noqa: S311  jitter, not secrets

    def now(self) -> datetime:
        """Return the wall-clock time, aware, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return the event loop's time, or `time.monotonic()` where no loop is running yet."""
        try:
            return asyncio.get_running_loop().time()
        except RuntimeError:
            return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait on the event loop."""
        await asyncio.sleep(seconds)


class LoopClock(SystemClock):
    """A clock whose wall time advances with the event loop; for virtual-time loops."""

    def __init__(self, *, epoch: datetime = datetime(2026, 1, 1, tzinfo=UTC), seed: int = 0) -> None:
        """Create a clock whose wall time is `epoch` when the loop's time is zero."""
        super().__init__(seed=seed)
        self._epoch = epoch

    def now(self) -> datetime:
        """Return the epoch plus the loop's time."""
        return self._epoch + timedelta(seconds=self.monotonic())
