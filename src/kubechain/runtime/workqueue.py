"""The work queue of a controller: each key at most once, at most one worker for a key, no key lost.

client-go's work queue, with the priorities of controller-runtime, and turns for namespaces, so that no tenant delays
the others. A key can be ready (waiting for a worker), processing (handed out), dirty (added while processing: handed
out again when done) and delayed (added after a time).

The core is synchronous and needs no event loop; `get` and the timer are a thin layer over it. No locks: it is used on
one event loop.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from kubechain.net.backoff import FULL_JITTER, Backoff
from kubechain.runtime.clock import Clock
from kubechain.runtime.keys import Request
from kubechain.runtime.levels import Level

LOW, NORMAL, HIGH = -100, 0, 100
"""Priorities, as in controller-runtime: start-up and resync are low, events normal."""

BACKOFF_BASE_SECONDS = 0.005
BACKOFF_MAX_SECONDS = 300.0
BACKOFF = Backoff(BACKOFF_BASE_SECONDS, BACKOFF_MAX_SECONDS, jitter=FULL_JITTER)
"""Of a failing key."""

LOWEST_EVERY = 16
"""One in this many keys comes from the lowest priority, so that no key starves."""


class ShutDown(Exception):
    """Raised by `get` when the queue was shut down."""


class Item(NamedTuple):
    """A key that was handed out; a tuple, because it is cheap to create."""

    key: Request
    priority: int
    waited_seconds: float
    """From the first add to the hand-out."""


@dataclass(frozen=True, slots=True)
class QueueStatistics:
    """Totals since the start, and the current state."""

    ready: int
    delayed: int
    processing: int
    failing: int
    added_total: int
    retried_total: int
    oldest_ready_seconds: float
    unfinished_seconds: float
    """Sum over the keys that are being processed: time since they were handed out."""
    longest_processing_seconds: float


class Queue:
    """The work queue of one controller."""

    def __init__(self, name: str, *, clock: Clock, owns: Callable[[Request], bool] | None = None) -> None:
        """Create an empty queue.

        Args:
            name: of the controller, for metrics.
            clock: for due times and jitter.
            owns: refuses keys of other shards, when they are added and when they are handed out; None refuses none.
        """
        self.name = name
        self._clock = clock
        self._owns = owns
        self._levels: dict[int, Level] = {}
        self._order: list[int] = []  # priorities that have a level, highest first
        self._ready: dict[Request, int] = {}  # key -> its priority
        self._processing: dict[Request, float] = {}  # key -> when it was handed out
        self._dirty: dict[Request, tuple[int, float]] = {}  # key -> priority, when it was added
        self._due: dict[Request, tuple[float, int]] = {}  # key -> when, priority
        self._heap: list[tuple[float, int, Request]] = []  # stale entries are recognised by _due
        self._sequence = 0
        self._failures: dict[Request, int] = {}
        self._getters: deque[asyncio.Future[None]] = deque()
        self._timer: asyncio.Handle | None = None
        self._timer_due_at = 0.0
        self._handed_out = 0
        self._added_total = 0
        self._retried_total = 0
        self._shut_down = False
        self._idle_waiters: list[asyncio.Event] = []

    # --- the core: synchronous

    def add(self, key: Request, *, priority: int = NORMAL) -> None:
        """Add a key; of several adds, the highest priority counts."""
        if self._shut_down or self._refuses(key):
            return
        if key in self._processing:
            self._add_dirty(key, priority)
            return
        current = self._ready.get(key)
        if current is None:
            self._added_total += 1
            self._make_ready(key, priority, self._clock.monotonic())
            if self._getters:
                self._wake_getter()
        elif priority > current:
            self._make_ready(key, priority, self._levels[current].take(key))

    def add_after(self, key: Request, seconds: float, *, priority: int = NORMAL) -> None:
        """Add a key after `seconds`; of several such adds the earliest counts, with the highest priority."""
        if self._shut_down or self._refuses(key):
            return
        if seconds <= 0:
            self.add(key, priority=priority)
            return
        due_at = self._clock.monotonic() + seconds
        waiting = self._due.get(key)
        if waiting is not None:
            priority = max(priority, waiting[1])
            if waiting[0] <= due_at:
                self._due[key] = (waiting[0], priority)
                return
        self._due[key] = (due_at, priority)
        self._sequence += 1
        heapq.heappush(self._heap, (due_at, self._sequence, key))
        self._compact()
        self._set_timer()

    def add_rate_limited(
        self, key: Request, *, priority: int = NORMAL, max_seconds: float = BACKOFF_MAX_SECONDS
    ) -> float:
        """Add a key that failed, after its backoff; return the seconds until then.

        Args:
            key: that failed.
            priority: of the next try.
            max_seconds: longest backoff, where it is to be shorter than that of other failures.
        """
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        self._retried_total += 1
        seconds = min(BACKOFF.seconds(failures, self._clock.random.random()), max_seconds)
        self.add_after(key, seconds, priority=priority)
        return seconds

    def forget(self, key: Request) -> None:
        """Reset the backoff of a key that succeeded."""
        self._failures.pop(key, None)

    def failures(self, key: Request) -> int:
        """Return the number of consecutive failures of a key."""
        return self._failures.get(key, 0)

    def get_nowait(self) -> Item | None:
        """Hand out a key, or None when none is ready; the caller must call `done` with it."""
        while self._ready and not self._shut_down:
            priority = self._next_priority()
            key, added_at = self._levels[priority].take_next()
            del self._ready[key]
            if self._refuses(key):
                continue
            now = self._processing[key] = self._clock.monotonic()
            return Item(key, priority, now - added_at)
        return None

    def done(self, key: Request) -> None:
        """End the processing of a key; if it was added meanwhile, it is ready again."""
        del self._processing[key]
        if key in self._dirty:
            dirty = self._dirty.pop(key)
            if not self._shut_down:
                self._make_ready(key, *dirty)
                self._wake_getter()
        if self._idle_waiters and not self._processing:
            for waiter in self._idle_waiters:
                waiter.set()

    def release_due(self) -> None:
        """Add the delayed keys that are due."""
        now = self._clock.monotonic()
        while self._heap and self._heap[0][0] <= now:
            due_at, _, key = heapq.heappop(self._heap)
            waiting = self._due.get(key)
            if waiting is not None and waiting[0] == due_at:
                del self._due[key]
                self.add(key, priority=waiting[1])

    def shut_down(self) -> None:
        """Refuse further adds and hand out no more keys; waiting calls of `get` raise `ShutDown`."""
        self._shut_down = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for getter in self._getters:
            if not getter.done():
                getter.set_result(None)

    def __len__(self) -> int:
        """Return how many keys are ready."""
        return len(self._ready)

    def statistics(self) -> QueueStatistics:
        """Return counts, for metrics and debugging."""
        now = self._clock.monotonic()
        levels = [level for level in self._levels.values() if level.namespaces]
        oldest = now - min(level.oldest() for level in levels) if levels else 0.0
        processing = [now - since for since in self._processing.values()]
        return QueueStatistics(
            ready=len(self._ready), delayed=len(self._due), processing=len(self._processing),
            failing=len(self._failures), added_total=self._added_total, retried_total=self._retried_total,
            oldest_ready_seconds=oldest, unfinished_seconds=sum(processing),
            longest_processing_seconds=max(processing, default=0.0),
        )  # fmt: skip

    # --- the shell: awaiting

    async def get(self) -> Item:
        """Wait for a key; no key is lost when the wait is cancelled.

        Raises:
            ShutDown: the queue is shut down.
        """
        while True:
            if self._shut_down:
                raise ShutDown
            item = self.get_nowait()
            if item is not None:
                return item
            getter = asyncio.get_running_loop().create_future()
            self._getters.append(getter)
            try:
                await getter
            except asyncio.CancelledError:
                self._pass_on(getter)
                raise

    async def wait_idle(self) -> None:
        """Return when no key is being processed."""
        if self._processing:
            idle = asyncio.Event()
            self._idle_waiters.append(idle)
            await idle.wait()

    def _pass_on(self, getter: asyncio.Future[None]) -> None:
        """Remove a cancelled getter; if it was already woken, wake the next one."""
        if getter in self._getters:
            self._getters.remove(getter)
        elif self._ready:
            self._wake_getter()

    def _wake_getter(self) -> None:
        while self._getters:
            getter = self._getters.popleft()
            if not getter.done():
                getter.set_result(None)
                return

    def _set_timer(self) -> None:
        """Set the only timer, for the earliest due key."""
        while self._heap and self._is_stale(self._heap[0]):
            heapq.heappop(self._heap)
        if not self._heap:
            return
        due_at = self._heap[0][0]
        if self._timer is not None:
            if self._timer_due_at <= due_at:
                return
            self._timer.cancel()
        # Stored, because uvloop returns a plain Handle without `when` for a time that is nearly now.
        self._timer_due_at = due_at
        self._timer = asyncio.get_running_loop().call_at(due_at, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self.release_due()
        self._set_timer()

    # --- inside

    def _refuses(self, key: Request) -> bool:
        """Tell whether a key belongs to another shard; if so, forget its failures."""
        if self._owns is None or self._owns(key):
            return False
        self._failures.pop(key, None)
        return True

    def _make_ready(self, key: Request, priority: int, added_at: float) -> None:
        level = self._levels.get(priority)
        if level is None:
            level = self._levels[priority] = Level()
            self._order = sorted(self._levels, reverse=True)
        level.put(key, added_at)
        self._ready[key] = priority

    def _add_dirty(self, key: Request, priority: int) -> None:
        dirty = self._dirty.get(key)
        if dirty is None:
            self._added_total += 1
            self._dirty[key] = (priority, self._clock.monotonic())
        elif priority > dirty[0]:
            self._dirty[key] = (priority, dirty[1])

    def _next_priority(self) -> int:
        self._handed_out += 1
        order = self._order if self._handed_out % LOWEST_EVERY else reversed(self._order)
        for priority in order:
            if self._levels[priority].namespaces:
                return priority
        raise AssertionError("a ready key is in a level")

    def _is_stale(self, entry: tuple[float, int, Request]) -> bool:
        waiting = self._due.get(entry[2])
        return waiting is None or waiting[0] != entry[0]

    def _compact(self) -> None:
        """Drop stale heap entries before they outnumber the live ones, so that memory is bounded by the live keys."""
        if len(self._heap) > 2 * len(self._due) + 64:
            self._heap = [entry for entry in self._heap if not self._is_stale(entry)]
            heapq.heapify(self._heap)
