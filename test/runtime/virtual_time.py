"""An event loop whose time stands still while there is work, and jumps to the next timer when there is none.

Tests of days of waiting take milliseconds, and never sleep. Sockets are not waited for: a test that needs one runs on
a real loop.
"""

from __future__ import annotations

import asyncio
import selectors

from kubechain_apiserver import SeededEnvironment

EPOCH = 1_767_225_600.0
"""Zero of the loop's time, the same as that of `LoopClock`: the beginning of 2026."""


class Deadlock(BaseException):
    """Nothing is ready, and no timer will ever fire. Not an Exception: no worker loop may swallow it."""


class _JumpingSelector(selectors.SelectSelector):
    """Instead of waiting for sockets, moves the loop's time."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Jump over the wait that the loop asks for."""
        events = super().select(0)
        if not events:
            if timeout is None:
                raise Deadlock("every task waits for another one")
            self.now += max(0.0, timeout)
        return events


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """A loop that starts at zero seconds and never waits."""

    def __init__(self) -> None:
        """Create a loop."""
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)
        # Timers closer together than this fire in one turn; it also keeps rounding from spinning the loop.
        self._clock_resolution = 1e-9

    def time(self) -> float:
        """Return the virtual seconds since the start."""
        return self._jumping.now


class LoopEnvironment(SeededEnvironment):
    """The API server's clock where its managers have a `LoopClock`: the time is the loop's. Seeded names and uids."""

    def now(self) -> float:
        """Seconds since 1970; the epoch where no loop runs yet."""
        try:
            return EPOCH + asyncio.get_running_loop().time()
        except RuntimeError:
            return EPOCH
