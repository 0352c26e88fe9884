"""Decodes the stored objects of one kind, each once while it is in use.

The response to our own write, the handlers of the change and the reads that follow it share one decoded object, if
the kind's objects are frozen. Only those used last are kept: decoded, an object needs three times the memory.
"""

from __future__ import annotations

from typing import Generic, TypeVar

import structlog

from kubechain.runtime.metadata import Stored
from kubechain.runtime.resource import KubernetesObject, Resource

T = TypeVar("T", bound=KubernetesObject)

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

KEPT_OBJECTS = 256
"""Decoded objects of a kind that are kept: those that many reconciles read, and those of the last writes."""

KEPT_BYTES = 2 * 1024 * 1024
"""Encoded size of the objects that are kept decoded, so that a few large ones do not fill the memory."""


class Decoder(Generic[T]):
    """Decodes stored objects, and keeps those that were used last."""

    def __init__(
        self, resource: Resource[T], *, kept_objects: int = KEPT_OBJECTS, kept_bytes: int = KEPT_BYTES
    ) -> None:
        """Create a decoder that keeps nothing yet.

        Args:
            resource: the kind.
            kept_objects: how many objects to keep at most.
            kept_bytes: how large they may be together, encoded.
        """
        self.resource = resource
        self._kept_objects, self._kept_bytes = kept_objects, kept_bytes
        # By the identity of the stored object, which the entry keeps alive: two states are never taken for one another,
        # not even when a restored server gives them the same version. Least recently used first.
        self._kept: dict[int, tuple[Stored, T]] = {}
        self._size = 0

    def __len__(self) -> int:
        """Return how many decoded objects are kept."""
        return len(self._kept)

    def decode(self, held: Stored) -> T:
        """Return the decoded object; all readers share one that is frozen.

        Raises:
            ValueError: it does not fit its model.
            TypeError: likewise.
        """
        if not self.resource.is_frozen:
            return self.resource.decode(held.raw)
        entry = self._kept.pop(id(held), None)
        if entry is None:
            entry = (held, self.resource.decode(held.raw))
            self._size += len(held.raw)
        self._kept[id(held)] = entry
        if self._size > self._kept_bytes or len(self._kept) > self._kept_objects:
            self._evict()
        return entry[1]

    def decode_or_none(self, held: Stored) -> T | None:
        """Decode an object; one that cannot be decoded is logged and None, so that others are still processed."""
        try:
            return self.decode(held)
        except (ValueError, TypeError) as error:
            metadata = held.metadata
            # Without the error's message, which quotes the object.
            log.warning(
                "object does not fit its model",
                kind=self.resource.kind, namespace=metadata.namespace, name=metadata.name, error=type(error).__name__,
            )  # fmt: skip
            return None

    def _evict(self) -> None:
        while self._kept and (self._size > self._kept_bytes or len(self._kept) > self._kept_objects):
            held, _ = self._kept.pop(next(iter(self._kept)))
            self._size -= len(held.raw)
