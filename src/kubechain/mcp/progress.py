"""Tells how long something has taken so far: rarely, and more rarely the longer it takes."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable


class Progress:
    """Calls `tell` after `first_seconds`, and again whenever the time has doubled, until it is stopped.

    As a context manager it runs from entry to exit.
    """

    def __init__(self, first_seconds: float, tell: Callable[[float], None]) -> None:
        """Create it stopped.

        Args:
            first_seconds: When to tell for the first time; infinite: never.
            tell: Gets the seconds since the start; must not block or raise.
        """
        self._first_seconds = first_seconds
        self._tell = tell
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> Progress:
        """Start."""
        if math.isfinite(self._first_seconds):
            self._schedule(self._first_seconds, self._first_seconds)
        return self

    def __exit__(self, *error: object) -> None:
        """Stop."""
        self.stop()

    def stop(self) -> None:
        """Tell nothing more. Idempotent."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _schedule(self, delay_seconds: float, elapsed_seconds: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(delay_seconds, self._due, elapsed_seconds)

    def _due(self, elapsed_seconds: float) -> None:
        self._schedule(elapsed_seconds, 2 * elapsed_seconds)
        self._tell(elapsed_seconds)
