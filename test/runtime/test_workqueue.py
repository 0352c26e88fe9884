"""The work queue: a state machine against a naive model, and its awaiting shell."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime

import pytest
import uvloop
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from kubechain.runtime.clock import LoopClock
from kubechain.runtime.keys import Request
from kubechain.runtime.workqueue import BACKOFF_MAX_SECONDS, HIGH, LOW, LOWEST_EVERY, NORMAL, Item, Queue, ShutDown
from test.examples import examples
from test.runtime.virtual_time import VirtualTimeLoop

KEYS = [Request(namespace, name) for namespace in ("a", "b") for name in ("x", "y", "z")]
keys = st.sampled_from(KEYS)
priorities = st.sampled_from([LOW, NORMAL, HIGH])


class HandClock:
    """A clock that a test moves by hand."""

    def __init__(self) -> None:
        self.random = random.Random(1)
        self.seconds = 0.0

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.seconds, UTC)

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds


class TimerlessQueue(Queue):
    """The core alone: the test calls `release_due` itself."""

    def _set_timer(self) -> None:
        pass


class Lines:
    """Ready keys as lists: who comes next at each priority, namespaces in turn, first come first served in each."""

    def __init__(self) -> None:
        self.keys: dict[tuple[int, str], list[Request]] = {}
        self.turns: dict[int, list[str]] = {}

    def priority_of(self, key: Request) -> int | None:
        return next((priority for (priority, _), keys in self.keys.items() if key in keys), None)

    def put(self, key: Request, priority: int) -> None:
        """Stand in line; who is in one already only moves up to a higher priority."""
        current = self.priority_of(key)
        if current is not None and current >= priority:
            return
        if current is not None:
            self.take(key)
        self.keys.setdefault((priority, key.namespace), []).append(key)
        turns = self.turns.setdefault(priority, [])
        if key.namespace not in turns:
            turns.append(key.namespace)

    def take(self, key: Request) -> None:
        priority = self.priority_of(key)
        assert priority is not None
        self.keys[priority, key.namespace].remove(key)
        if not self.keys[priority, key.namespace]:
            del self.keys[priority, key.namespace]
            self.turns[priority].remove(key.namespace)

    def next(self, priority: int) -> Request:
        return self.keys[priority, self.turns[priority][0]][0]

    def turn_is_over(self, priority: int, namespace: str) -> None:
        if namespace in self.turns[priority]:
            self.turns[priority].remove(namespace)
            self.turns[priority].append(namespace)

    def all(self) -> set[Request]:
        return {key for keys in self.keys.values() for key in keys}


class QueueMachine(RuleBasedStateMachine):
    """Compares the queue with sets and lists that are too simple to be wrong."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = HandClock()
        self.queue = TimerlessQueue("test", clock=self.clock)
        self.ready = Lines()
        self.processing: set[Request] = set()
        self.dirty: dict[Request, int] = {}
        self.due: dict[Request, tuple[float, int]] = {}
        self.failures: dict[Request, int] = {}
        self.handed_out = 0

    def _add(self, key: Request, priority: int) -> None:
        if key in self.processing:
            self.dirty[key] = max(priority, self.dirty.get(key, priority))
        else:
            self.ready.put(key, priority)

    def _add_after(self, key: Request, seconds: float, priority: int) -> None:
        if seconds == 0:
            self._add(key, priority)
            return
        due_at, waiting = self.due.get(key, (float("inf"), priority))
        self.due[key] = (min(due_at, self.clock.seconds + seconds), max(priority, waiting))

    @rule(key=keys, priority=priorities, times=st.integers(1, 3))
    def add(self, key: Request, priority: int, times: int) -> None:
        for _ in range(times):
            self.queue.add(key, priority=priority)
        self._add(key, priority)

    @rule(key=keys, seconds=st.integers(0, 20), priority=priorities)
    def add_after(self, key: Request, seconds: int, priority: int) -> None:
        self.queue.add_after(key, seconds, priority=priority)
        self._add_after(key, seconds, priority)

    @rule(key=keys, priority=priorities)
    def fail(self, key: Request, priority: int) -> None:
        failed = self.failures.get(key, 0)
        seconds = self.queue.add_rate_limited(key, priority=priority)
        assert 0 <= seconds <= min(BACKOFF_MAX_SECONDS, 0.005 * 2**failed)
        self.failures[key] = failed + 1
        self._add_after(key, seconds, priority)

    @rule(key=keys)
    def forget(self, key: Request) -> None:
        self.queue.forget(key)
        self.failures.pop(key, None)

    @rule(seconds=st.integers(1, 10))
    def time_passes(self, seconds: int) -> None:
        self.clock.seconds += seconds
        self.queue.release_due()
        for key, (due_at, priority) in sorted(self.due.items(), key=lambda item: item[1][0]):
            if due_at <= self.clock.seconds:
                del self.due[key]
                self._add(key, priority)

    @rule()
    def get(self) -> None:
        item = self.queue.get_nowait()
        if not self.ready.keys:
            assert item is None
            return
        assert isinstance(item, Item)
        self.handed_out += 1
        extreme = min if self.handed_out % LOWEST_EVERY == 0 else max
        assert item.priority == extreme(priority for priority, _ in self.ready.keys)
        assert self.ready.next(item.priority) == item.key, "first come first served, namespaces in turn"
        assert item.key not in self.processing
        self.ready.take(item.key)
        self.ready.turn_is_over(item.priority, item.key.namespace)
        self.processing.add(item.key)

    @rule(data=st.data())
    def done(self, data: st.DataObject) -> None:
        if self.processing:
            self._done(data.draw(st.sampled_from(sorted(self.processing))))

    def _done(self, key: Request) -> None:
        self.queue.done(key)
        self.processing.remove(key)
        if key in self.dirty:
            self.ready.put(key, self.dirty.pop(key))

    @invariant()
    def counts_agree(self) -> None:
        now = self.queue.statistics()
        assert (now.ready, now.processing, now.delayed) == (
            len(self.ready.all()),
            len(self.processing),
            len(self.due),
        )
        assert now.failing == len(self.failures)
        assert all(self.queue.failures(key) == self.failures.get(key, 0) for key in KEYS)

    @invariant()
    def ready_is_not_processing_and_dirty_is(self) -> None:
        ready, processing, dirty = self.queue._ready, self.queue._processing, self.queue._dirty  # pyright: ignore[reportPrivateUsage]
        assert not ready.keys() & processing.keys()
        assert dirty.keys() <= processing.keys()

    @invariant()
    def memory_is_bounded_by_live_keys(self) -> None:
        assert len(self.queue._heap) <= 2 * len(KEYS) + 65  # pyright: ignore[reportPrivateUsage]
        levels = self.queue._levels.values()  # pyright: ignore[reportPrivateUsage]
        assert sum(len(keys) for level in levels for keys in level.namespaces.values()) == len(self.queue)

    def teardown(self) -> None:
        """Every key that was ever asked for comes out: nothing is lost."""
        self.time_passes(400)
        for key in list(self.processing):
            self._done(key)
        expected = self.ready.all()
        seen: set[Request] = set()
        while (item := self.queue.get_nowait()) is not None:
            seen.add(item.key)
            self.queue.done(item.key)
        assert seen == expected


TestQueueMachine = QueueMachine.TestCase
TestQueueMachine.settings = settings(max_examples=examples(150), stateful_step_count=60)


def queue() -> Queue:
    return Queue("test", clock=LoopClock())


def taken(q: Queue) -> list[str]:
    """Take everything that is ready."""
    names: list[str] = []
    while (item := q.get_nowait()) is not None:
        names.append(str(item.key))
        q.done(item.key)
    return names


async def test_namespaces_take_turns_and_keys_keep_their_order_inside() -> None:
    q = queue()
    for name in ("1", "2", "3"):
        q.add(Request("crowd", name))
    q.add(Request("guest", "1"))
    assert taken(q) == ["crowd/1", "guest/1", "crowd/2", "crowd/3"]


async def test_a_raised_key_goes_to_the_end_of_the_higher_priority() -> None:
    q = queue()
    q.add(Request("", "low"), priority=LOW)
    q.add(Request("", "first"), priority=HIGH)
    q.add(Request("", "low"), priority=HIGH)
    q.add(Request("", "last"), priority=HIGH)
    assert taken(q) == ["first", "low", "last"]


async def test_low_priority_is_served_while_high_never_ends() -> None:
    q = queue()
    q.add(Request("", "low"), priority=LOW)
    for turn in range(LOWEST_EVERY):
        q.add(Request("", f"high-{turn}"), priority=HIGH)
        item = q.get_nowait()
        assert item is not None
        q.done(item.key)
        if item.key.name == "low":
            return
    pytest.fail("starved")


async def test_a_delayed_key_comes_on_time_and_the_earlier_wish_wins() -> None:
    q, loop = queue(), asyncio.get_running_loop()
    key = Request("", "x")
    q.add_after(key, 100)
    q.add_after(key, 5)
    q.add_after(key, 50)
    assert (await q.get()).key == key
    assert loop.time() == pytest.approx(5)
    q.done(key)
    assert q.statistics().delayed == 0


wishes = st.lists(st.tuples(keys, st.floats(0.001, 400), st.floats(0, 60)), min_size=1, max_size=30)
"""Which key, after how many seconds, and how long until the next wish."""


async def _wish(plan: list[tuple[Request, float, float]]) -> None:
    q, loop = queue(), asyncio.get_running_loop()
    wished: dict[Request, float] = {}

    async def work() -> None:
        while True:
            item = await q.get()
            due_at = wished.pop(item.key)
            assert due_at <= loop.time() <= due_at + 1e-6, "never early, the sooner wish wins, and it is on time"
            q.done(item.key)

    worker = asyncio.create_task(work())
    for key, seconds, pause in plan:
        wished[key] = min(wished.get(key, float("inf")), loop.time() + seconds)
        q.add_after(key, seconds)
        await asyncio.sleep(pause)
        await asyncio.sleep(0)  # the worker takes what is due at this very moment before the next wish is made
    await asyncio.sleep(500)
    assert (wished, worker.done()) == ({}, False), worker
    worker.cancel()


@given(wishes)
@example([(KEYS[0], 1.0, 0.0), (KEYS[1], 3.0, 3.0), (KEYS[1], 2.0, 0.0)])
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_no_delayed_key_is_early_or_late(plan: list[tuple[Request, float, float]]) -> None:
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(_wish(plan))


async def test_a_wish_in_the_moment_in_which_the_key_comes_due_is_kept_beside_it() -> None:
    q, loop, key = queue(), asyncio.get_running_loop(), Request("", "x")
    taken_at: list[float] = []

    async def work() -> None:
        while True:
            item = await q.get()
            taken_at.append(loop.time())
            q.done(item.key)

    worker = asyncio.create_task(work())
    wish = asyncio.Event()
    loop.call_at(3, wish.set)  # first, so that this task goes on before the worker does
    q.add_after(key, 3)
    await wish.wait()
    assert len(q) == 1, "released, but not yet taken"
    q.add_after(key, 2)
    await asyncio.sleep(100)
    worker.cancel()
    assert taken_at == [pytest.approx(3), pytest.approx(5)]


async def test_backoff_grows_within_its_bounds_and_forget_resets_it() -> None:
    q, key = queue(), Request("", "x")
    for failures in range(40):
        assert 0 <= q.add_rate_limited(key) <= min(BACKOFF_MAX_SECONDS, 0.005 * 2**failures)
    q.forget(key)
    assert q.add_rate_limited(key) <= 0.005


async def test_repeated_earlier_wishes_do_not_grow_the_heap() -> None:
    q, key = queue(), Request("", "x")
    for seconds in range(10_000, 0, -1):
        q.add_after(key, seconds)
    assert len(q._heap) < 100  # pyright: ignore[reportPrivateUsage]


def test_pauses_shorter_than_a_timer_of_uvloop() -> None:
    """For less than half a millisecond uvloop returns a plain Handle, which does not know when it is due."""

    async def pauses() -> None:
        q = queue()
        for number in range(5):
            q.add_after(Request("", f"key-{number}"), 0.0004 - number * 0.00001)
        async with asyncio.timeout(10):
            assert {(await q.get()).key.name for _ in range(5)} == {f"key-{number}" for number in range(5)}

    uvloop.run(pauses())


async def test_a_cancelled_getter_passes_its_wake_up_on() -> None:
    q = queue()
    first, second = asyncio.create_task(q.get()), asyncio.create_task(q.get())
    await asyncio.sleep(0)
    q.add(Request("", "x"))
    first.cancel()
    assert (await second).key == Request("", "x")
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_shut_down_wakes_who_waits_and_takes_nothing_more() -> None:
    q = queue()
    waiting = asyncio.create_task(q.get())
    await asyncio.sleep(0)
    q.shut_down()
    with pytest.raises(ShutDown):
        await waiting
    q.add(Request("", "x"))
    q.add_after(Request("", "x"), 1)
    assert q.get_nowait() is None


async def test_idle_means_that_nothing_is_processed() -> None:
    q, key = queue(), Request("", "x")
    q.add(key)
    q.get_nowait()
    waiting = asyncio.create_task(q.wait_idle())
    await asyncio.sleep(1)
    assert not waiting.done()
    q.done(key)
    await waiting
