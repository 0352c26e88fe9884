"""Whether the provider of an LLM is taken for down, so that runs wait instead of failing one by one; pure.

Times are monotonic seconds. After `OPENS_AFTER` failures in a row the circuit is open; then one call after another is a
trial, with a longer wait after each, until one is answered.
"""

from __future__ import annotations

from dataclasses import dataclass

from kubechain.net.backoff import Backoff

OPENS_AFTER = 5
"""Failures in a row; fewer happen to a provider that is up."""

TRIALS = Backoff(initial_seconds=5.0, max_seconds=60.0)
"""Between trial calls."""


@dataclass(slots=True)
class Circuit:
    """The failures in a row of one LLM's provider, and when it is tried again.

    Attributes:
        trial_at: When the next trial may start; None while the circuit is closed.
        detail: The failure that opened it.
    """

    trial_at: float | None = None
    detail: str = ""
    _failures: int = 0
    _trials: int = 0

    @property
    def is_open(self) -> bool:
        """Whether calls are not made, but for trials."""
        return self.trial_at is not None

    @property
    def is_fresh(self) -> bool:
        """Whether nothing would be lost if it were made anew."""
        return not self.is_open and not self._failures

    def wait_seconds(self, now: float) -> float:
        """How long until a call may start; where the circuit is open, a trial."""
        return 0.0 if self.trial_at is None else max(0.0, self.trial_at - now)

    def failed(self, detail: str, now: float, *, is_trial: bool) -> None:
        """Count a call that failed by no fault of its run. Calls that were in flight when it opened change nothing."""
        if self.is_open and not is_trial:
            return
        self._failures += 1
        if self.is_open or self._failures >= OPENS_AFTER:
            self.detail = self.detail or detail
            self.trial_at = now + TRIALS.seconds(self._trials)
            self._trials += 1

    def answered(self) -> None:
        """The provider works: close."""
        self.trial_at, self.detail = None, ""
        self._failures = self._trials = 0
