"""The sources of a controller's keys: changes of cached objects, and triggers. No reconciling here."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import structlog

from kubechain.runtime.changes import Change
from kubechain.runtime.informer import Informer
from kubechain.runtime.keys import Request
from kubechain.runtime.metadata import Identity
from kubechain.runtime.resource import Resource

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

KeyMap = Callable[[Request], Iterable[Request]]
"""Returns the keys to enqueue for a key of a trigger."""


@dataclass(slots=True)
class Source:
    """One kind that a controller watches, and the function that maps its changes to keys."""

    informer: Informer[Any]
    keys_of: Callable[[Change[Any]], Iterable[Request]] = field(repr=False)

    def keys(self, change: Change[Any]) -> list[Request]:
        """Return the keys to enqueue for a change, without duplicates; none when the map function fails."""
        try:
            return list(dict.fromkeys(self.keys_of(change)))
        except Exception:  # a defect of a controller's map function must not stop the cache
            log.exception("map function failed", kind=self.informer.resource.kind, key=str(change.key))
            return []


class Trigger:
    """Enqueues keys for events that are no change of a cached object; controller-runtime's `source.Channel`.

    It is created before the controllers that it feeds, so that the parts that enqueue keys can be built first. Each
    controller that was built with `triggered_by` gets every key, including those enqueued before it was completed.
    """

    def __init__(self) -> None:
        """Create a trigger without controllers."""
        self._sinks: list[Callable[[Request], None]] = []
        self._early: dict[Request, None] | None = {}

    def enqueue(self, request: Request) -> None:
        """Enqueue a key in each controller; does not block. A key that is already queued is not queued twice."""
        if self._early is not None:
            self._early[request] = None
        for sink in self._sinks:
            sink(request)

    def feed(self, sink: Callable[[Request], None]) -> None:
        """Call `sink` for every key, first for those that were enqueued before."""
        self._sinks.append(sink)
        for request in self._early or ():
            sink(request)

    def seal(self) -> None:
        """Stop keeping keys for controllers that are not completed yet: all are, once the first one runs."""
        self._early = None


@dataclass(frozen=True, slots=True)
class TriggerSource:
    """A trigger of a controller, and the function that maps its keys to those of the controller."""

    trigger: Trigger
    map: KeyMap | None = None

    def keys(self, request: Request) -> list[Request]:
        """Return the keys to enqueue for a key of the trigger; none when the map function fails."""
        if self.map is None:
            return [request]
        try:
            return list(dict.fromkeys(self.map(request)))
        except Exception:  # a defect of a controller's map function must not reach the caller of `enqueue`
            log.exception("map function failed", key=str(request))
            return []


def owner_keys(change: Change[Any], primary: Resource[Any]) -> Iterable[Request]:
    """Yield the controlling owners of the given kind, before and after a change."""
    for held in (change.old, change.new):
        if held is not None:
            yield from _owners_of(held.metadata, primary)


def _owners_of(metadata: Identity, primary: Resource[Any]) -> Iterable[Request]:
    for owner in metadata.owner_references or ():
        group = owner.api_version.rpartition("/")[0]
        if owner.controller and owner.kind == primary.kind and group == primary.group:
            yield Request(metadata.namespace if primary.namespaced else "", owner.name)
