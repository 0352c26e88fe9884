"""Time and randomness of the engine.

No other module reads a clock or draws a random number, so that tests and simulations are reproducible.
"""

from __future__ import annotations

import random
import time
import uuid
from typing import Protocol

SUFFIX_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
"""Characters of generated names, as in kube-apiserver: without vowels and look-alikes."""


class Environment(Protocol):
    """Time and randomness."""

    def now(self) -> float:
        """Return seconds since the epoch."""
        ...

    def uid(self) -> str:
        """Return a new UUID."""
        ...

    def suffix(self, length: int) -> str:
        """Return random characters for `generateName`."""
        ...


class SystemEnvironment:
    """The machine's clock and random numbers."""

    def __init__(self) -> None:
        self._random = random.SystemRandom()

    def now(self) -> float:
        return time.time()

    def uid(self) -> str:
        return str(uuid.uuid4())

    def suffix(self, length: int) -> str:
        return "".join(self._random.choice(SUFFIX_ALPHABET) for _ in range(length))


class SeededEnvironment:
    """A clock that moves only when told, and numbers from a seed.

    Args:
        seed: Equal seeds give equal uids and suffixes.
        start: The first `now()`, in seconds since the epoch.
    """

    def __init__(self, seed: int = 0, *, start: float = 1_767_225_600.0) -> None:
        self._random = random.Random(seed)  # noqa: S311 - reproducible on purpose
        self._now = start

    def now(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        """Move the clock forward."""
        self._now += seconds

    def uid(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def suffix(self, length: int) -> str:
        return "".join(self._random.choice(SUFFIX_ALPHABET) for _ in range(length))
