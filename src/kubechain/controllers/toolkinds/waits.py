"""Says in the status of a call what its container waits for: soon, whenever it changes, and not more often."""

from __future__ import annotations

from dataclasses import dataclass, field

from kubechain.controllers.toolkinds.model import Tell
from kubechain.net.foreign import stable
from kubechain.runtime.clock import Clock
from kubechain.tools.podstate import Ended, Lost, NeverStarted, Running, State, Waiting

SILENT_SECONDS = 2.0
"""A start that takes no longer is not told: most containers start sooner, and each word costs a write."""

GIVING_UP_SILENT_SECONDS = 5.0
"""The same for a container that is given up: most nodes confirm it sooner."""

SAME_SECONDS = 30.0
"""Between two writes of words that differ in numbers and ids only."""

STARTED = "The container runs"
"""Told once a container runs whose waiting was told."""


@dataclass(slots=True)
class Waits:
    """What was told about one call."""

    tell: Tell
    clock: Clock
    _since: float = field(init=False)
    _told: str = field(default="", init=False)
    _told_at: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        """Begin to count the time."""
        self._since = self.clock.monotonic()

    @property
    def is_told(self) -> bool:
        """Whether a container that has not started yet is told to be waited for."""
        return self.clock.monotonic() - self._since >= SILENT_SECONDS

    async def note(self, state: State | None) -> None:
        """Tell what is new about the state of the container; None is not known."""
        match state:
            case Waiting(words) if self.is_told:
                await self._say(f"Waiting for the container: {words}")
            case Running() if self._told:
                await self._say(STARTED)
            case None | Waiting() | Running() | Ended() | NeverStarted() | Lost():
                return

    async def note_given_up(self, words: str, seconds: float) -> None:
        """Tell why a container that is given up is waited for, once that has taken some time."""
        if seconds >= GIVING_UP_SILENT_SECONDS:
            await self._say(f"Giving the container up: {words}")

    async def _say(self, text: str) -> None:
        now = self.clock.monotonic()
        is_same = stable(text, mask_numbers=True) == stable(self._told, mask_numbers=True)
        if text == self._told or (is_same and now - self._told_at < SAME_SECONDS):
            return
        self._told, self._told_at = text, now
        await self.tell(text)
