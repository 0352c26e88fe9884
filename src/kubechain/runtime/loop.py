"""The control loop of one kind: takes keys from the queue, runs the reconciler, and requeues by its result.

Each reconcile is a task of its own, created on demand, so that a limit of thousands of workers costs nothing while the
queue is empty. `_settle_result` and `_settle_error` are the only places where a result or an error becomes a requeue
and a log line.

A write of a reconciler does not enqueue the key that is being reconciled: the write is in the cache before the call
returns, so the reconcile already knows it. A reconciler that needs another run returns
`Result(requeue_after_seconds=0)`. Writes of others, and own writes that map to another key, enqueue as usual.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterable
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import structlog
from structlog.contextvars import bound_contextvars

from kubechain.net.foreign import error_text
from kubechain.runtime import workqueue
from kubechain.runtime.changes import Change
from kubechain.runtime.clock import Clock
from kubechain.runtime.errors import (
    REFUSALS,
    ApiError,
    Conflict,
    RetryableError,
    TerminalError,
    TransportError,
    WriteRefused,
)
from kubechain.runtime.informer import Informer
from kubechain.runtime.keys import Request
from kubechain.runtime.metrics import ControllerMetrics
from kubechain.runtime.sources import Source, TriggerSource
from kubechain.runtime.workqueue import BACKOFF_MAX_SECONDS

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

DEFAULT_WORKERS = 10
"""For reconciles that compute and write; those that wait for models or tools need hundreds."""

SYNC_TIMEOUT_SECONDS = 120.0
"""How long a controller waits for its caches before it fails, as in controller-runtime."""

STARTS = 25
"""Reconciles that begin between two turns of the event loop. After a restart thousands of keys are ready at once, and
each reconcile computes for about a millisecond before it waits for the first time: without a limit, connections, leases
and probes wait for all of them."""

DRAIN_SECONDS = 20.0
"""How long reconciles in flight may continue at a stop before they are cancelled."""

REFUSED_MAX_SECONDS = 8.0
"""Longest backoff after a refusal: people change roles, quotas and policies, and no watch says so."""


@dataclass(frozen=True, slots=True)
class Result:
    """What to do after a reconcile that did not fail."""

    requeue_after_seconds: float | None = None
    """Requeue after this time; 0 for at once, None for no requeue."""


class Reconciler(Protocol):
    """Brings the state of one object closer to its spec."""

    async def reconcile(self, request: Request) -> Result:
        """Read the current state (level-based) and do what is missing (idempotent)."""
        ...


class SyncTimeout(Exception):
    """The caches were not filled in time."""


@dataclass(slots=True, eq=False)
class _Current:
    """The reconcile of the current task."""

    controller: Controller
    key: Request
    running: bool = True


_current: ContextVar[_Current | None] = ContextVar("kubechain_reconcile", default=None)


@dataclass(slots=True)
class ControllerOptions:
    """How a controller works; see `Builder.with_`."""

    workers: int = DEFAULT_WORKERS
    reconcile_timeout_seconds: float | None = None
    sync_timeout_seconds: float = SYNC_TIMEOUT_SECONDS
    drain_seconds: float = DRAIN_SECONDS
    needs_leader: bool = True
    on_drain: Callable[[], None] | None = None


@dataclass(slots=True)
class Inputs:
    """The sources of a controller's keys.

    Attributes:
        primary: the kind that it reconciles.
        owns: which keys are this controller's; None for all.
    """

    primary: Informer[Any]
    sources: list[Source]
    triggers: list[TriggerSource]
    owns: Callable[[Request], bool] | None = None


class Controller:
    """Reconciles one kind; made by the builder, run by the manager."""

    def __init__(
        self, name: str, reconciler: Reconciler, inputs: Inputs, *, clock: Clock, metrics: ControllerMetrics,
        options: ControllerOptions, caches: Callable[[], Iterable[Informer[Any]]],
    ) -> None:  # fmt: skip
        """Create a controller and add its handlers; `run` reconciles.

        Args:
            caches: must be filled before the first reconcile. All caches of the manager, not only the sources: a
                reconciler reads other kinds too, and in an empty cache every object seems to be missing.
        """
        self.name = name
        self.options = options
        self.queue = workqueue.Queue(name, clock=clock, owns=inputs.owns)
        self._reconciler = reconciler
        self._inputs = inputs
        self._clock = clock
        self._metrics = metrics
        self._caches = caches
        self._slots = asyncio.Semaphore(options.workers)
        self._stopping = False
        self._active = 0
        for source in inputs.sources:
            source.informer.add_handler(self._handler_of(source))
        for source in inputs.triggers:
            source.trigger.feed(self._sink_of(source))

    async def run(self) -> None:
        """Reconcile until cancelled or drained.

        Raises:
            SyncTimeout: a cache did not fill in time.
        """
        for source in self._inputs.triggers:
            source.trigger.seal()
        try:
            await self._wait_synced()
            async with asyncio.TaskGroup() as workers:
                with suppress(workqueue.ShutDown):
                    await self._dispatch(workers)
        finally:
            self._stopping = True
            self.queue.shut_down()

    async def drain(self) -> None:
        """Start no more reconciles; return when those in flight are done or `drain_seconds` have passed."""
        self._stopping = True
        self.queue.shut_down()
        if self.options.on_drain is not None:
            self.options.on_drain()
        if len(self.queue):
            log.info("stopped with keys in the queue", controller=self.name, ready=len(self.queue))
        try:
            async with asyncio.timeout(self.options.drain_seconds):
                await self.queue.wait_idle()
        except TimeoutError:
            log.warning("reconciles cancelled at the stop", controller=self.name, active=self._active)

    def resync(self) -> None:
        """Enqueue every object of the kind at low priority; needed when the filter of keys has changed."""
        for held in self._inputs.primary.store.scan():
            self.queue.add(Request(held.metadata.namespace, held.metadata.name), priority=workqueue.LOW)

    @property
    def active(self) -> int:
        """Return how many reconciles are running."""
        return self._active

    async def _wait_synced(self) -> None:
        informers = list(self._caches())
        try:
            async with asyncio.timeout(self.options.sync_timeout_seconds):
                for informer in informers:
                    await informer.wait_synced()
        except TimeoutError as error:
            stuck = "; ".join(informer.describe() for informer in informers if not informer.synced)
            limit = self.options.sync_timeout_seconds
            raise SyncTimeout(f'controller "{self.name}": caches not filled within {limit:g} s: {stuck}') from error

    async def _dispatch(self, workers: asyncio.TaskGroup) -> None:
        """Start a task for each ready key, as long as a worker is free."""
        for number in itertools.count(1):
            await self._slots.acquire()
            try:
                item = await self.queue.get()
            except BaseException:
                self._slots.release()
                raise
            self._active += 1
            self._metrics.started(waited_seconds=item.waited_seconds, active=self._active)
            started_at = self._clock.monotonic()
            # A callback instead of `finally`: a task that is cancelled before its first step runs no code of its own.
            workers.create_task(self._work(item)).add_done_callback(partial(self._finish, item, started_at))
            if number % STARTS == 0:
                await asyncio.sleep(0)

    def _finish(self, item: workqueue.Item, started_at: float, worker: asyncio.Task[None]) -> None:
        """Release key and worker after a reconcile; requeue the key if the reconcile cancelled itself."""
        self._active -= 1
        self._slots.release()
        self._metrics.ended(duration_seconds=self._clock.monotonic() - started_at, active=self._active)
        if worker.cancelled() and not self._stopping:
            self.queue.add_rate_limited(item.key, priority=item.priority)
        self.queue.done(item.key)

    async def _work(self, item: workqueue.Item) -> None:
        """Run one reconcile."""
        key, current = item.key, _Current(self, item.key)
        _current.set(current)  # in the context of this task: no reset needed
        reconcile_id = f"{self._clock.random.getrandbits(64):016x}"
        try:
            with bound_contextvars(
                controller=self.name, namespace=key.namespace, name=key.name, reconcile_id=reconcile_id
            ):
                outcome = await self._reconcile(item)
        finally:
            current.running = False
        self._metrics.reconciled(outcome)

    async def _reconcile(self, item: workqueue.Item) -> str:
        try:
            async with asyncio.timeout(self.options.reconcile_timeout_seconds):
                result = await self._reconciler.reconcile(item.key)
        except Exception as error:  # noqa: BLE001  the worker loop: a failure must not affect other reconciles
            return self._settle_error(item, error)
        return self._settle_result(item, result)

    def _settle_result(self, item: workqueue.Item, result: Result) -> str:
        self.queue.forget(item.key)
        if result.requeue_after_seconds is None:
            return "success"
        self.queue.add_after(item.key, result.requeue_after_seconds, priority=item.priority)
        return "requeue_after"

    def _settle_error(self, item: workqueue.Item, error: Exception) -> str:
        match error:
            case TerminalError():
                self.queue.forget(item.key)
                log.error("reconcile failed for good", error=error_text(error))
                return "terminal"
            case RetryableError():
                self.queue.add_after(item.key, error.retry_after_seconds, priority=item.priority)
                log.info(
                    "reconcile will be tried again",
                    error=error_text(error), requeue_after_seconds=round(error.retry_after_seconds, 3),
                )  # fmt: skip
                return "requeue_after"
            case _:
                longest = REFUSED_MAX_SECONDS if isinstance(error, (WriteRefused, *REFUSALS)) else BACKOFF_MAX_SECONDS
                seconds = self.queue.add_rate_limited(item.key, priority=item.priority, max_seconds=longest)
                return self._log_failure(item.key, error, seconds)

    def _log_failure(self, key: Request, error: Exception, seconds: float) -> str:
        facts = {
            "error": error_text(error),
            "requeue_after_seconds": round(seconds, 3),
            "attempt": self.queue.failures(key),
        }
        match error:
            case Conflict():  # expected with several writers; the retry reads the newer object
                log.info("reconcile lost a race", **facts)
            case ApiError() | TransportError() | WriteRefused():
                log.warning("reconcile failed", **facts)
            case TimeoutError():
                log.error("reconcile took too long", **facts, exc_info=error)
            case _:
                log.error("reconcile failed unexpectedly", **facts, exc_info=error)
                return "panic"
        return "error"

    def _handler_of(self, source: Source) -> Callable[[Change[Any]], None]:
        def handle(change: Change[Any]) -> None:
            priority = workqueue.LOW if change.at_start else workqueue.NORMAL
            for key in source.keys(change):
                if not (change.own and self._knows(key)):
                    self.queue.add(key, priority=priority)

        return handle

    def _sink_of(self, source: TriggerSource) -> Callable[[Request], None]:
        def enqueue(request: Request) -> None:
            for key in source.keys(request):
                self.queue.add(key)

        return enqueue

    def _knows(self, key: Request) -> bool:
        """Tell whether the current task is this controller's reconcile of this key."""
        current = _current.get()
        return current is not None and current.running and current.controller is self and current.key == key
