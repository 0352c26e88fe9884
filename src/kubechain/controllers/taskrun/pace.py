"""How many calls of an LLM may be in flight, and how soon the next one may start; pure, given the time.

Times are monotonic seconds. What must not go here: who is queued (`llmqueue`), and whether the provider is up
(`circuit`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from kubechain.api.llm import LLMSpec, RateLimit

DEFAULT_LIMIT = 100
"""Calls at once where the LLM sets no limit; below the connection limits of the providers."""

MINUTE_SECONDS = 60.0

BURST_SHARE = 10
"""A tenth of the requests of a minute may start at once; the others are spread, so that no minute has more of them."""

UNTOLD_HOLD_SECONDS = 1.0
"""How long calls are held after a 429 that does not say for how long."""

LONGEST_USED_UP_SECONDS = 60.0
"""How long calls are held at most after an answer that says that nothing is left. A call that comes too early gets a
429 that says how long to wait; a wrong header would hold all calls, and none could show that it is wrong."""

FIRST_TOKENS_PER_BYTE = 0.25
"""Of text in English. The provider's own counts correct it."""

SHORTEST_SECONDS = 1e-6
"""A shorter wait is a rounding error; a clock that is far from zero may not even advance by it."""

NEWS_SHARE = 0.2
"""How much one count of the provider changes the estimate."""


@dataclass(slots=True)
class Bucket:
    """A token bucket: it fills at a steady rate up to its capacity.

    Attributes:
        level: May be negative, after a call that took more than was estimated.
    """

    capacity: float
    per_second: float
    level: float
    filled_at: float

    def fill(self, now: float) -> None:
        """Add what came since it was filled last."""
        self.level = min(self.capacity, self.level + (now - self.filled_at) * self.per_second)
        self.filled_at = now

    def wait_seconds(self, amount: float, now: float) -> float:
        """How long until the amount is there; one larger than the bucket waits until it is full."""
        self.fill(now)
        seconds = (min(amount, self.capacity) - self.level) / self.per_second
        return seconds if seconds > SHORTEST_SECONDS else 0.0


@dataclass(slots=True, eq=False)
class Pace:
    """The limits of one LLM: what its spec says, and what its provider showed.

    Attributes:
        limit: Most calls in flight, as the spec says.
        allowed: Most calls in flight now: halved after a 429, one more after as many answers as are allowed.
        held_until: No call starts before; the provider asked for it.
        used_up_until: No call starts before; the provider's last answers said that nothing is left of its own limits.
    """

    limit: int = DEFAULT_LIMIT
    allowed: int = DEFAULT_LIMIT
    held_until: float = 0.0
    used_up_until: float = 0.0
    tokens_per_byte: float = FIRST_TOKENS_PER_BYTE
    _rate: RateLimit | None = None
    _requests: Bucket | None = None
    _tokens: Bucket | None = None
    _answers: int = 0
    _halved_at: float = field(default=float("-inf"))

    def configure(self, spec: LLMSpec, now: float, share: Callable[[int], int]) -> None:
        """Take the limits of the spec.

        Args:
            share: This process's part of a limit. The default limit is one of each process.
        """
        limit = share(spec.max_concurrent_requests) if spec.max_concurrent_requests else DEFAULT_LIMIT
        if limit != self.limit:
            self.limit, self.allowed = limit, min(self.allowed, limit) if self.is_reduced else limit
        rate = _part(spec.rate_limit, share)
        if rate != self._rate:
            self._rate = rate
            self._requests = _requests(rate, now)
            self._tokens = _tokens(rate, now)

    @property
    def is_reduced(self) -> bool:
        """Whether the provider allows fewer calls at once than the spec."""
        return self.allowed < self.limit

    def is_fresh(self, now: float) -> bool:
        """Whether nothing would be lost if it were made anew."""
        buckets = [bucket for bucket in (self._requests, self._tokens) if bucket is not None]
        for bucket in buckets:
            bucket.fill(now)
        is_full = all(bucket.level >= bucket.capacity for bucket in buckets)
        return is_full and not self.is_reduced and max(self.held_until, self.used_up_until) <= now

    def wait_seconds(self, size_bytes: int, now: float) -> float:
        """How long until a call of this size may start."""
        held_until = max(self.held_until, self.used_up_until)
        return max(held_until - now, self.bucket_seconds(size_bytes, now), 0.0)

    def bucket_seconds(self, size_bytes: int, now: float) -> float:
        """How long until `rateLimit` allows a call of this size."""
        of_requests = self._requests.wait_seconds(1.0, now) if self._requests else 0.0
        of_tokens = self._tokens.wait_seconds(self._estimate(size_bytes), now) if self._tokens else 0.0
        return max(of_requests, of_tokens)

    def take(self, size_bytes: int) -> None:
        """Count a call that starts."""
        self._spend(1.0, self._estimate(size_bytes))

    def give_back(self, size_bytes: int) -> None:
        """Count a call no longer: it did not start."""
        self._spend(-1.0, -self._estimate(size_bytes))

    def answered(self, size_bytes: int, total_tokens: int) -> None:
        """Learn from an answer: what the call really took, and that one more at once may be tried."""
        if total_tokens and size_bytes:
            self._spend(0.0, total_tokens - self._estimate(size_bytes))
            self.tokens_per_byte += NEWS_SHARE * (total_tokens / size_bytes - self.tokens_per_byte)
        if self.is_reduced:
            self._answers += 1
            if self._answers >= self.allowed:
                self.allowed, self._answers = self.allowed + 1, 0

    def limited(self, *, started_at: float, in_flight: int, retry_after_seconds: float | None, now: float) -> None:
        """Learn from a 429: nothing starts until the provider allows it, then half as much at once.

        Args:
            started_at: When the call was started; calls that were in flight together count as one.
            in_flight: How many calls are, this one included.
            retry_after_seconds: What the provider asked for; None where it did not say.
        """
        self.hold(UNTOLD_HOLD_SECONDS if retry_after_seconds is None else retry_after_seconds, now)
        if started_at >= self._halved_at:
            self.allowed = max(1, min(self.allowed, in_flight) // 2)
            self._answers, self._halved_at = 0, now

    def hold(self, seconds: float, now: float) -> None:
        """Start nothing for so long."""
        self.held_until = max(self.held_until, now + seconds)

    def used_up(self, seconds: float, now: float) -> None:
        """Learn from an answer that nothing is left of the provider's limits for so long."""
        self.used_up_until = max(self.used_up_until, now + min(seconds, LONGEST_USED_UP_SECONDS))

    def _estimate(self, size_bytes: int) -> float:
        return size_bytes * self.tokens_per_byte

    def _spend(self, requests: float, tokens: float) -> None:
        if self._requests is not None:
            self._requests.level -= requests
        if self._tokens is not None:
            self._tokens.level -= tokens


def _part(rate: RateLimit | None, share: Callable[[int], int]) -> RateLimit | None:
    if rate is None:
        return None
    wanted = {"requests_per_minute": rate.requests_per_minute, "tokens_per_minute": rate.tokens_per_minute}
    return rate.model_copy(update={name: share(limit) for name, limit in wanted.items() if limit is not None})


def _requests(rate: RateLimit | None, now: float) -> Bucket | None:
    if rate is None or rate.requests_per_minute is None:
        return None
    burst = max(1, rate.requests_per_minute // BURST_SHARE)
    return Bucket(float(burst), (rate.requests_per_minute - burst + 1) / MINUTE_SECONDS, float(burst), now)


def _tokens(rate: RateLimit | None, now: float) -> Bucket | None:
    if rate is None or rate.tokens_per_minute is None:
        return None
    capacity = float(rate.tokens_per_minute)
    return Bucket(capacity, capacity / MINUTE_SECONDS, capacity, now)
