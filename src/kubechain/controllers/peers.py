"""How replicas that share the runs tell each other what they find out about an LLM. What they say is not here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

TOLD_MAX = 100
DETAIL_MAX_CHARACTERS = 256
"""Most LLMs that a replica tells of under one name, and of each: it is a part of a Lease that is renewed every ten
seconds."""


class Peers(Protocol):
    """The other replicas; see `Sharing`."""

    def note(self, name: str, text: str) -> None:
        """Say something to the others, in place of what was said under that name before."""
        ...

    def notes(self, name: str) -> Sequence[str]:
        """Return what the others say."""
        ...

    def when_noted(self, act: Callable[[], None]) -> None:
        """Call `act` when the others may say something else."""
        ...
