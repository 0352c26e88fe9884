"""The bound of each LLM's calls."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from kubechain.llm.limits import Limits, LimitStatistics


@asynccontextmanager
async def full(limits: Limits, key: str, limit: int) -> AsyncGenerator[None]:
    async with AsyncExitStack() as stack:
        for _ in range(limit):
            await stack.enter_async_context(limits.slot(key, limit))
        yield


async def take(limits: Limits, key: str, limit: int, taken: asyncio.Event) -> None:
    async with limits.slot(key, limit):
        taken.set()


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_full_llm_does_not_hold_up_another() -> None:
    limits = Limits()
    async with full(limits, "slow", 2), asyncio.timeout(5), limits.slot("fast", 2):
        assert limits.statistics()["slow"] == LimitStatistics(in_flight=2, waiting=0, limit=2)


async def test_a_call_waits_for_its_turn() -> None:
    limits, taken = Limits(), asyncio.Event()
    async with full(limits, "llm", 1):
        waiter = asyncio.create_task(take(limits, "llm", 1, taken))
        await settle()
        assert limits.statistics()["llm"].waiting == 1
        assert not taken.is_set()
    await waiter
    assert limits.statistics() == {}


async def test_a_raised_limit_lets_the_waiting_in() -> None:
    limits, taken = Limits(), asyncio.Event()
    async with full(limits, "llm", 1):
        waiter = asyncio.create_task(take(limits, "llm", 1, taken))
        await settle()
        async with asyncio.timeout(5), limits.slot("llm", 3):
            await waiter
    assert taken.is_set()


async def test_one_who_gives_up_leaves_nothing_behind() -> None:
    limits, taken = Limits(), asyncio.Event()
    async with full(limits, "llm", 1):
        waiter = asyncio.create_task(take(limits, "llm", 1, taken))
        await settle()
        waiter.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiter
        assert limits.statistics()["llm"] == LimitStatistics(in_flight=1, waiting=0, limit=1)
    assert limits.statistics() == {}
