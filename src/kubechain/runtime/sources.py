"""Where a controller's keys come from: changes of objects that it listens to, and triggers of other parts.

Used by the controller and its builder; triggers are made by the composition root. No reconciling here.
"""

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
"""Names the keys to reconcile for a key of another kind."""


@dataclass(slots=True)
class Source:
    """One kind that a controller listens to, and how its changes become keys."""

    informer: Informer[Any]
    keys_of: Callable[[Change[Any]], Iterable[Request]] = field(repr=False)

    def keys(self, change: Change[Any]) -> list[Request]:
        """Return the keys that a change enqueues, each once; none when the map function fails."""
        try:
            return list(dict.fromkeys(self.keys_of(change)))
        except Exception:  # a map function of a controller: its defect must not stop the cache
            log.exception("map function failed", kind=self.informer.resource.kind, key=str(change.key))
            return []


class Trigger:
    """Enqueues keys for reasons that are no change of an object; controller-runtime's `source.Channel`.

    It is made before the controllers that it feeds, so whoever triggers can be built first. Each controller that named
    it with `Builder.triggered_by` gets every key. Keys from before a controller was completed are kept for it.
    """

    def __init__(self) -> None:
        """Create a trigger that feeds no controller yet."""
        self._sinks: list[Callable[[Request], None]] = []
        self._early: dict[Request, None] | None = {}

    def enqueue(self, request: Request) -> None:
        """Enqueue a key in each controller; does not block, and duplicates are merged as in any queue."""
        if self._early is not None:
            self._early[request] = None
        for sink in self._sinks:
            sink(request)

    def feed(self, sink: Callable[[Request], None]) -> None:
        """Give every key to `sink`, first those that were enqueued before."""
        self._sinks.append(sink)
        for request in self._early or ():
            sink(request)

    def seal(self) -> None:
        """Stop keeping keys for later controllers: there are none once the first one runs."""
        self._early = None


@dataclass(frozen=True, slots=True)
class TriggerSource:
    """A trigger that a controller listens to, and how its keys become keys of the controller."""

    trigger: Trigger
    map: KeyMap | None = None

    def keys(self, request: Request) -> list[Request]:
        """Return the keys that a key of the trigger enqueues; none when the map function fails."""
        if self.map is None:
            return [request]
        try:
            return list(dict.fromkeys(self.map(request)))
        except Exception:  # a map function of a controller: its defect must not reach whoever triggers
            log.exception("map function failed", key=str(request))
            return []


def owner_keys(change: Change[Any], primary: Resource[Any]) -> Iterable[Request]:
    """Yield the controlling owners of the given kind, of the object as it was and as it is."""
    for held in (change.old, change.new):
        if held is not None:
            yield from _owners_of(held.metadata, primary)


def _owners_of(metadata: Identity, primary: Resource[Any]) -> Iterable[Request]:
    for owner in metadata.owner_references or ():
        group = owner.api_version.rpartition("/")[0]
        if owner.controller and owner.kind == primary.kind and group == primary.group:
            yield Request(metadata.namespace if primary.namespaced else "", owner.name)
