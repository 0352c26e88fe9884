"""How many calls are in flight per LLM: a bound for each, so that a slow LLM holds nobody else's calls up.

Used by `provider_client` around each exchange. Rates per minute and who may ask at all are not decided here.
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from anyio import CapacityLimiter


@dataclass(frozen=True, slots=True)
class LimitStatistics:
    """What is going on for one LLM."""

    in_flight: int
    waiting: int
    limit: int


class Limits:
    """One bound per key, made when first used and forgotten when idle."""

    def __init__(self) -> None:
        self._limiters: dict[str, CapacityLimiter] = {}

    @asynccontextmanager
    async def slot(self, key: str, limit: int) -> AsyncGenerator[None]:
        """Wait for a turn among the calls of `key`, first come, first served, and hold it.

        Args:
            key: The LLM.
            limit: Calls at once. A new value holds from now on, also for those who wait.
        """
        limiter = self._limiters.setdefault(key, CapacityLimiter(limit))
        if limiter.total_tokens != limit:
            limiter.total_tokens = limit
        borrower = object()
        try:
            async with _on_behalf_of(limiter, borrower):
                yield
        finally:
            self._forget_when_idle(key, limiter)

    def statistics(self) -> Mapping[str, LimitStatistics]:
        """What is in flight and waiting now, by key; idle keys do not appear."""
        return {key: _statistics(limiter) for key, limiter in self._limiters.items()}

    def _forget_when_idle(self, key: str, limiter: CapacityLimiter) -> None:
        # A slot that is given back goes to a waiter at once: nobody in flight means that nobody waits.
        if not limiter.borrowed_tokens and self._limiters.get(key) is limiter:
            del self._limiters[key]


@asynccontextmanager
async def _on_behalf_of(limiter: CapacityLimiter, borrower: object) -> AsyncGenerator[None]:
    await limiter.acquire_on_behalf_of(borrower)
    try:
        yield
    finally:
        limiter.release_on_behalf_of(borrower)


def _statistics(limiter: CapacityLimiter) -> LimitStatistics:
    now = limiter.statistics()
    return LimitStatistics(in_flight=now.borrowed_tokens, waiting=now.tasks_waiting, limit=int(now.total_tokens))
