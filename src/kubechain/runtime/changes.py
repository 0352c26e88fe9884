"""A change of one object in a store, as its listeners get it.

Objects are decoded at the first access, once for all listeners.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

import structlog

from kubechain.runtime.keys import Request
from kubechain.runtime.metadata import Stored
from kubechain.runtime.resource import KubernetesObject, Resource

T = TypeVar("T", bound=KubernetesObject)

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Change(Generic[T]):
    """One change of one object in a store: created (no old), updated, or deleted (no new)."""

    __slots__ = ("_decoded", "_resource", "at_start", "key", "new", "old", "own")

    def __init__(
        self,
        resource: Resource[T],
        old: Stored | None,
        new: Stored | None,
        *,
        own: bool = False,
        at_start: bool = False,
    ) -> None:
        """Create a change with `old`, `new` or both.

        Args:
            resource: the kind.
            old: the object before.
            new: the object after.
            own: the change is our own write and contains no change of others.
            at_start: from a list, which has a lower priority than an event.
        """
        present = new or old
        assert present is not None
        self._resource = resource
        self._decoded: dict[bool, T | None] = {}
        self.key = Request(present.metadata.namespace, present.metadata.name)
        self.old, self.new = old, new
        self.own, self.at_start = own, at_start

    def current(self) -> T | None:
        """Return the object after the change; None when it was deleted or cannot be decoded."""
        return self._decode(self.new)

    def objects(self) -> Iterator[T]:
        """Yield the object after and before the change, as far as it exists and can be decoded."""
        for held in (self.new, self.old):
            obj = self._decode(held)
            if obj is not None:
                yield obj

    def _decode(self, held: Stored | None) -> T | None:
        if held is None:
            return None
        is_new = held is self.new
        if is_new not in self._decoded:
            self._decoded[is_new] = decoded_or_none(self._resource, held)
        return self._decoded[is_new]


Handler = Callable[[Change[Any]], None]
"""Called for each change, synchronously, after the store has it; must not raise and must not block."""


def decoded_or_none(resource: Resource[T], held: Stored) -> T | None:
    """Decode an object; one that cannot be decoded is logged and None, so that others are still processed."""
    try:
        return resource.decode(held.raw)
    except (ValueError, TypeError) as error:
        metadata = held.metadata
        # Without the error's message, which quotes the object.
        log.warning(
            "object does not fit its model",
            kind=resource.kind, namespace=metadata.namespace, name=metadata.name, error=type(error).__name__,
        )  # fmt: skip
        return None
