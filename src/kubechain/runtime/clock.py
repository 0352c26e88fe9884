"""All time and all randomness of the runtime, so that a test or a simulation can drive both.

Monotonic time is the event loop's own time: a virtual-time loop then drives sleeps, time-outs, timers and deadlines
alike. No other module of the runtime may ask the operating system for the time or for a random number.
"""

from __future__ import annotations

import asyncio
import random
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Where now, waiting and chance come from."""

    random: random.Random

    def now(self) -> datetime:
        """Return the wall-clock time, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds that only go forward; comparable with the event loop's timers."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait on the event loop."""
        ...


class SystemClock:
    """The real time, for production."""

    def __init__(self, *, seed: int | None = None) -> None:
        """Create a clock.

        Args:
            seed: fixes every jitter; None takes it from the operating system.
        """
        self.random = random.Random(seed)  # noqa: S311  jitter, not secrets

    def now(self) -> datetime:
        """Return the wall-clock time, aware, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return the event loop's time; its default source where no loop runs yet (objects are built before it)."""
        try:
            return asyncio.get_running_loop().time()
        except RuntimeError:
            return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait on the event loop."""
        await asyncio.sleep(seconds)


class LoopClock(SystemClock):
    """A wall clock that advances with the event loop, for virtual-time loops: one source drives everything."""

    def __init__(self, *, epoch: datetime = datetime(2026, 1, 1, tzinfo=UTC), seed: int = 0) -> None:
        """Create a clock whose wall time is `epoch` where the loop's time is zero."""
        super().__init__(seed=seed)
        self._epoch = epoch

    def now(self) -> datetime:
        """Return the epoch plus the loop's time."""
        return self._epoch + timedelta(seconds=self.monotonic())
