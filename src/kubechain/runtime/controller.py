"""Builds a controller: the kinds and triggers that enqueue keys, the number of workers, the filter of keys.

    controller(manager, name="taskrun").for_(RUN).owns(CALL).watches(AGENT, map=...).with_(workers=1000).complete(it)

The controller itself is in `loop`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol, Self, TypeVar

from kubechain.runtime.changes import Change
from kubechain.runtime.clock import Clock
from kubechain.runtime.informer import Informer
from kubechain.runtime.keys import Request
from kubechain.runtime.loop import (
    DEFAULT_WORKERS,
    DRAIN_SECONDS,
    SYNC_TIMEOUT_SECONDS,
    Controller,
    ControllerOptions,
    Inputs,
    Reconciler,
    Result,
    SyncTimeout,
)
from kubechain.runtime.metrics import Metrics
from kubechain.runtime.resource import KubernetesObject, Resource
from kubechain.runtime.shards.gate import BucketOf, Gate, Gated
from kubechain.runtime.sources import KeyMap, Source, Trigger, TriggerSource, owner_keys

__all__ = ["Builder", "Controller", "Host", "Reconciler", "Result", "SyncTimeout", "Trigger", "controller"]

T = TypeVar("T", bound=KubernetesObject)


class Host(Protocol):
    """The part of the manager that a controller needs."""

    @property
    def clock(self) -> Clock:
        """Time, for pauses and deadlines."""
        ...

    @property
    def metrics(self) -> Metrics:
        """Where the controller counts."""
        ...

    def informer(self, resource: Resource[T]) -> Informer[T]:
        """Return the informer of a resource, the same one to all who ask."""
        ...

    def informers(self) -> Iterable[Informer[Any]]:
        """Return all informers."""
        ...

    @property
    def gate(self) -> Gate | None:
        """Which shared work is this replica's; None where one replica does all."""
        ...

    def add_runnable(self, runnable: Controller, *, needs_leader: bool = True) -> None:
        """Run something while the manager runs, or while it leads."""
        ...


class Builder:
    """Collects the settings of a controller; `complete` creates it."""

    def __init__(self, host: Host, name: str) -> None:
        """Create a builder; use `controller`."""
        self._host = host
        self._name = name
        self._options = ControllerOptions()
        self._sources: list[Source] = []
        self._triggers: list[TriggerSource] = []
        self._primary: Resource[Any] | None = None
        self._owns: Callable[[Request], bool] | None = None
        self._bucket_of: BucketOf | None = None

    def for_(self, resource: Resource[Any]) -> Self:
        """Reconcile objects of this kind: each change enqueues the key of the object."""
        self._primary = resource
        return self._listen(resource, lambda change: (change.key,))

    def owns(self, resource: Resource[Any]) -> Self:
        """Enqueue the controlling owner of each changed object of this kind, before and after the change."""
        primary = self._primary
        if primary is None:
            raise ValueError(f'controller "{self._name}": for_ comes before owns')
        return self._listen(resource, lambda change: owner_keys(change, primary))

    def watches(self, resource: Resource[T], *, map: Callable[[T], Iterable[Request]]) -> Self:
        """Enqueue the keys that `map` returns for each changed object of this kind, before and after the change."""
        return self._listen(resource, lambda change: [key for obj in change.objects() for key in map(obj)])

    def triggered_by(self, trigger: Trigger, *, map: KeyMap | None = None) -> Self:
        """Enqueue the keys of a trigger.

        Args:
            trigger: may feed several controllers.
            map: returns the keys to enqueue for a key of the trigger; None enqueues that key.
        """
        self._triggers.append(TriggerSource(trigger, map))
        return self

    def only(self, owns: Callable[[Request], bool]) -> Self:
        """Neither queue nor reconcile keys for which `owns` returns False. By default, all keys are reconciled.

        The result of `owns` may change while the controller runs: keys that are no longer owned are dropped before
        their next reconcile, and `Controller.resync` enqueues the keys that are owned now. A reconcile in flight is not
        cancelled.

        Args:
            owns: cheap and without I/O; called at each add and again when a key is handed out.
        """
        self._owns = owns
        return self

    def shared(self, bucket_of: BucketOf) -> Self:
        """Divide the keys among the replicas, where they share; it runs in each then, whether it leads or not.

        Args:
            bucket_of: cheap and without I/O; None for an object that is gone.
        """
        self._bucket_of = bucket_of
        return self

    def with_(
        self,
        *,
        workers: int = DEFAULT_WORKERS,
        reconcile_timeout_seconds: float | None = None,
        sync_timeout_seconds: float = SYNC_TIMEOUT_SECONDS,
        drain_seconds: float = DRAIN_SECONDS,
        needs_leader: bool = True,
        on_drain: Callable[[], None] | None = None,
    ) -> Self:
        """Set options.

        Args:
            workers: reconciles that may run at the same time; idle workers cost nothing.
            reconcile_timeout_seconds: limit for one reconcile; None for none.
            sync_timeout_seconds: how long to wait for the caches.
            drain_seconds: how long reconciles in flight may continue at a stop.
            needs_leader: run only on the leading replica.
            on_drain: called at the begin of a stop, to end what need not be waited for; must not block.
        """
        self._options = ControllerOptions(
            workers, reconcile_timeout_seconds, sync_timeout_seconds, drain_seconds, needs_leader, on_drain
        )
        return self

    def complete(self, reconciler: Reconciler) -> Controller:
        """Create the controller and add it to the manager."""
        host, options = self._host, self._options
        if self._primary is None:
            raise ValueError(f'controller "{self._name}": for_ is missing')
        metrics = host.metrics.controller(self._name, workers=options.workers)
        gate = host.gate if self._bucket_of is not None else None
        if self._bucket_of is not None and gate is not None:
            reconciler = self._gated(reconciler, gate, self._bucket_of)
        inputs = Inputs(host.informer(self._primary), self._sources, self._triggers, self._owns)
        made = Controller(
            self._name, reconciler, inputs, clock=host.clock, metrics=metrics, options=options,
            caches=host.informers,
        )  # fmt: skip
        host.metrics.follow_queue(self._name, made.queue.statistics)
        if gate is not None:
            gate.when_gained(made.resync)
        host.add_runnable(made, needs_leader=options.needs_leader and gate is None)
        return made

    def _gated(self, reconciler: Reconciler, gate: Gate, bucket_of: BucketOf) -> Reconciler:
        """Keep the keys of other replicas out of the queue, and those that were queued before out of the reconciler."""
        self._owns = lambda key: gate.acts_on(bucket_of(key))
        return Gated(reconciler, gate, bucket_of)

    def _listen(self, resource: Resource[Any], keys_of: Callable[[Change[Any]], Iterable[Request]]) -> Self:
        self._sources.append(Source(self._host.informer(resource), keys_of))
        return self


def controller(host: Host, name: str) -> Builder:
    """Return a builder for a controller.

    Args:
        host: the manager.
        name: for logs and metrics.
    """
    return Builder(host, name)
