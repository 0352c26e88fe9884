"""Runs everything: caches, controllers, leader election, servers for probes and metrics; starts and stops in order.

Built once by the composition root, which then makes controllers on it and awaits `run`. What must not go here:
anything that one of the parts could do itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol, TypeVar

from kubechain.runtime.client import Client
from kubechain.runtime.clock import Clock, SystemClock
from kubechain.runtime.controller import Controller
from kubechain.runtime.events import EventRecorder
from kubechain.runtime.informer import Informer, Informers
from kubechain.runtime.metadata import PartialObject
from kubechain.runtime.metrics import Metrics
from kubechain.runtime.resource import KubernetesObject, Resource, metadata_only
from kubechain.runtime.store import Lister
from kubechain.runtime.transport import Exchange

T = TypeVar("T", bound=KubernetesObject)


class Runnable(Protocol):
    """Something that runs as long as the manager does."""

    async def run(self) -> None:
        """Run until cancelled, or until there is nothing more to do; an exception ends the manager."""
        ...


class _Quiet:
    def event(self, obj: KubernetesObject, type: str, reason: str, message: str) -> None:
        """Drop it."""


class Manager:
    """One replica of an operator."""

    def __init__(
        self, exchange: Exchange, *, identity: str = "local_0", clock: Clock | None = None,
        namespaces: Sequence[str] = (), watch_list: bool = True,
    ) -> None:  # fmt: skip
        self.clock: Clock = clock or SystemClock()
        self.metrics = Metrics()
        self.identity = identity
        self._informers = Informers(exchange=exchange, clock=self.clock, namespaces=namespaces, watch_list=watch_list)
        self.client = Client(exchange, clock=self.clock, observer=self._informers)
        self._leader_runnables: list[Runnable] = []
        self._runnables: list[Runnable] = []
        self._stop = asyncio.Event()

    def informer(self, resource: Resource[T]) -> Informer[T]:
        return self._informers.of(resource)

    def lister(self, resource: Resource[T]) -> Lister[T]:
        return self.informer(resource).lister

    def metadata_lister(self, resource: Resource[Any]) -> Lister[PartialObject]:
        return self.lister(metadata_only(resource))

    def add_index(self, resource: Resource[T], name: str, fn: Callable[[T], Iterable[str]]) -> None:
        self.informer(resource).store.add_index(name, fn)

    def recorder(self, component: str) -> EventRecorder:
        return _Quiet()

    def add_runnable(self, runnable: Runnable, *, needs_leader: bool = True) -> None:
        (self._leader_runnables if needs_leader else self._runnables).append(runnable)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one.run()) for one in self._informers]
            tasks += [group.create_task(one.run()) for one in [*self._runnables, *self._leader_runnables]]
            await self._stop.wait()
            for one in self._leader_runnables:
                if isinstance(one, Controller):
                    await one.drain()
            for task in tasks:
                task.cancel()

    def stop(self) -> None:
        self._stop.set()
