"""What a store tells its listeners: one transition of one object.

Objects are decoded on the first ask and once for all listeners. No storing here, and no queues.
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
    """One transition of one object in a store: created (no old), updated, or deleted (no new)."""

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
        """Create a change; one of `old` and `new` is there.

        Args:
            resource: the kind.
            old: as it was.
            new: as it is.
            own: this is our own write and nothing else: no change of others hides in it.
            at_start: part of a list, where it has less urgency than an event.
        """
        present = new or old
        assert present is not None
        self._resource = resource
        self._decoded: dict[bool, T | None] = {}
        self.key = Request(present.metadata.namespace, present.metadata.name)
        self.old, self.new = old, new
        self.own, self.at_start = own, at_start

    def current(self) -> T | None:
        """Return the object as it is, None when it is gone or does not fit its model; decoded once for all readers."""
        return self._decode(self.new)

    def objects(self) -> Iterator[T]:
        """Yield the object as it is and as it was, as far as they exist and can be decoded."""
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
"""Is told about each change, synchronously, right after the store has it; must not fail and must not wait."""


def decoded_or_none(resource: Resource[T], held: Stored) -> T | None:
    """Decode an object; one that does not fit its model is logged and left out, so that it harms no other."""
    try:
        return resource.decode(held.raw)
    except (ValueError, TypeError) as error:
        metadata = held.metadata
        # The error's text is left out: it quotes the object.
        log.warning(
            "object does not fit its model",
            kind=resource.kind, namespace=metadata.namespace, name=metadata.name, error=type(error).__name__,
        )  # fmt: skip
        return None
