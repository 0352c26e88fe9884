"""Where the engine's time and randomness come from.

A simulation or a test hands in its own; `kubechain dev` uses the machine's. Nothing else in this package may ask a
clock or draw a number.
"""

from __future__ import annotations

import random
import time
import uuid
from typing import Protocol

SUFFIX_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
"""Characters of generated names: kube-apiserver's, without vowels and look-alikes."""


class Environment(Protocol):
    """Time and randomness, as the engine sees them."""

    def now(self) -> float:
        """Seconds since the epoch."""
        ...

    def uid(self) -> str:
        """A new UUID."""
        ...

    def suffix(self, length: int) -> str:
        """Random characters for `generateName`."""
        ...


class SystemEnvironment:
    """The machine's clock and its random numbers."""

    def __init__(self) -> None:
        self._random = random.SystemRandom()

    def now(self) -> float:
        return time.time()

    def uid(self) -> str:
        return str(uuid.uuid4())

    def suffix(self, length: int) -> str:
        return "".join(self._random.choice(SUFFIX_ALPHABET) for _ in range(length))


class SeededEnvironment:
    """A clock that only moves when told, and numbers that follow from a seed: for tests and simulations.

    Args:
        seed: equal seeds give equal uids and suffixes.
        start: the first `now()`, in seconds since the epoch.
    """

    def __init__(self, seed: int = 0, *, start: float = 1_767_225_600.0) -> None:
        self._random = random.Random(seed)  # noqa: S311 - reproducible on purpose
        self._now = start

    def now(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._now += seconds

    def uid(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def suffix(self, length: int) -> str:
        return "".join(self._random.choice(SUFFIX_ALPHABET) for _ in range(length))
