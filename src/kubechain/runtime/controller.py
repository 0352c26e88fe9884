"""Describes a controller: which kinds and triggers give it keys, how many reconciles may run, which keys are its own.

    controller(manager, name="taskrun").for_(RUN).owns(CALL).watches(AGENT, map=...).with_(workers=1000).complete(it)

What the controller then does with its keys is in `loop`.
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
from kubechain.runtime.sources import KeyMap, Source, Trigger, TriggerSource, owner_keys
from kubechain.runtime.telemetry import Telemetry

__all__ = ["Builder", "Controller", "Host", "Reconciler", "Result", "SyncTimeout", "Trigger", "controller"]

T = TypeVar("T", bound=KubernetesObject)


class Host(Protocol):
    """What a controller needs of the manager."""

    @property
    def clock(self) -> Clock: ...
    @property
    def metrics(self) -> Metrics: ...
    @property
    def telemetry(self) -> Telemetry: ...
    def informer(self, resource: Resource[T]) -> Informer[T]: ...
    def informers(self) -> Iterable[Informer[Any]]: ...
    def add_runnable(self, runnable: Controller, *, needs_leader: bool = True) -> None: ...


class Builder:
    """Describes a controller step by step; `complete` makes it."""

    def __init__(self, host: Host, name: str) -> None:
        """Start a description; use `controller`."""
        self._host = host
        self._name = name
        self._options = ControllerOptions()
        self._sources: list[Source] = []
        self._triggers: list[TriggerSource] = []
        self._primary: Resource[Any] | None = None
        self._owns: Callable[[Request], bool] | None = None

    def for_(self, resource: Resource[Any]) -> Self:
        """Reconcile objects of this kind: each change enqueues the object itself."""
        self._primary = resource
        return self._listen(resource, lambda change: (change.key,))

    def owns(self, resource: Resource[Any]) -> Self:
        """Also wake the controlling owner of each changed object of this kind, the old owner and the new one."""
        primary = self._primary
        if primary is None:
            raise ValueError(f'controller "{self._name}": for_ comes before owns')
        return self._listen(resource, lambda change: owner_keys(change, primary))

    def watches(self, resource: Resource[T], *, map: Callable[[T], Iterable[Request]]) -> Self:
        """Also wake the keys that `map` names for an object of this kind, as it was and as it is."""
        return self._listen(resource, lambda change: [key for obj in change.objects() for key in map(obj)])

    def triggered_by(self, trigger: Trigger, *, map: KeyMap | None = None) -> Self:
        """Also reconcile the keys that a trigger enqueues.

        Args:
            trigger: may feed several controllers.
            map: names the keys for a key of the trigger; None takes it as it is.
        """
        self._triggers.append(TriggerSource(trigger, map))
        return self

    def only(self, owns: Callable[[Request], bool]) -> Self:
        """Neither queue nor reconcile keys that `owns` refuses; without it, all keys are taken.

        The answer may change while the controller runs: a key that is lost is dropped before its next reconcile, and
        `Controller.resync` enqueues the keys that came in. A reconcile in flight is not cancelled.

        Args:
            owns: cheap and without I/O; it is asked at each add and once more when a key is handed out.
        """
        self._owns = owns
        return self

    def with_(
        self,
        *,
        workers: int = DEFAULT_WORKERS,
        reconcile_timeout_seconds: float | None = None,
        sync_timeout_seconds: float = SYNC_TIMEOUT_SECONDS,
        drain_seconds: float = DRAIN_SECONDS,
        needs_leader: bool = True,
    ) -> Self:
        """Set how it works.

        Args:
            workers: how many reconciles may run at once; idle ones cost nothing.
            reconcile_timeout_seconds: limit for one reconcile; None for none.
            sync_timeout_seconds: how long to wait for the caches.
            drain_seconds: how long reconciles in flight may go on at a stop.
            needs_leader: run only on the leading replica.
        """
        self._options = ControllerOptions(
            workers, reconcile_timeout_seconds, sync_timeout_seconds, drain_seconds, needs_leader
        )
        return self

    def complete(self, reconciler: Reconciler) -> Controller:
        """Make the controller and hand it to the manager."""
        host, options = self._host, self._options
        if self._primary is None:
            raise ValueError(f'controller "{self._name}": for_ is missing')
        metrics = host.metrics.controller(self._name, workers=options.workers)
        inputs = Inputs(host.informer(self._primary), self._sources, self._triggers, self._owns)
        made = Controller(
            self._name, reconciler, inputs, clock=host.clock, metrics=metrics, telemetry=host.telemetry,
            options=options, caches=host.informers,
        )  # fmt: skip
        host.metrics.follow_queue(self._name, made.queue.statistics)
        host.add_runnable(made, needs_leader=options.needs_leader)
        return made

    def _listen(self, resource: Resource[Any], keys_of: Callable[[Change[Any]], Iterable[Request]]) -> Self:
        self._sources.append(Source(self._host.informer(resource), keys_of))
        return self


def controller(host: Host, name: str) -> Builder:
    """Begin to describe a controller.

    Args:
        host: the manager.
        name: for logs and metrics.
    """
    return Builder(host, name)
