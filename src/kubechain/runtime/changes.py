"""A change of one object in a store, as its listeners get it.

Objects are decoded at the first access, once for all listeners and readers of the store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

from kubechain.runtime.decoding import Decoder
from kubechain.runtime.keys import Request
from kubechain.runtime.metadata import Stored
from kubechain.runtime.resource import KubernetesObject

T = TypeVar("T", bound=KubernetesObject)


class Change(Generic[T]):
    """One change of one object in a store: created (no old), updated, or deleted (no new)."""

    __slots__ = ("_decoded", "_decoder", "at_start", "key", "new", "old", "own")

    def __init__(
        self,
        decoder: Decoder[T],
        old: Stored | None,
        new: Stored | None,
        *,
        own: bool = False,
        at_start: bool = False,
    ) -> None:
        """Create a change with `old`, `new` or both.

        Args:
            decoder: decodes objects of the kind.
            old: the object before.
            new: the object after.
            own: the change is our own write and contains no change of others.
            at_start: from a list, which has a lower priority than an event.
        """
        present = new or old
        assert present is not None
        self._decoder = decoder
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
            self._decoded[is_new] = self._decoder.decode_or_none(held)
        return self._decoded[is_new]


Handler = Callable[[Change[Any]], None]
"""Called for each change, synchronously, after the store has it; must not raise and must not block."""
