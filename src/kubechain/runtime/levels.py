"""The order of the keys of one priority in a work queue: namespaces take turns."""

from __future__ import annotations

from collections import OrderedDict

from kubechain.runtime.keys import Request


class Level:
    """The ready keys of one priority: first in, first out within a namespace; namespaces take turns."""

    __slots__ = ("namespaces",)

    def __init__(self) -> None:
        """Create an empty level."""
        self.namespaces: OrderedDict[str, OrderedDict[Request, float]] = OrderedDict()

    def put(self, key: Request, added_at: float) -> None:
        """Add a key as the last one of its namespace."""
        keys = self.namespaces.get(key.namespace)
        if keys is None:
            keys = self.namespaces[key.namespace] = OrderedDict()
        keys[key] = added_at

    def take(self, key: Request) -> float:
        """Remove a key and return the time at which it was added."""
        keys = self.namespaces[key.namespace]
        added_at = keys.pop(key)
        if not keys:
            del self.namespaces[key.namespace]
        return added_at

    def take_next(self) -> tuple[Request, float]:
        """Remove the first key of the next namespace; return it and the time at which it was added."""
        namespaces = self.namespaces
        namespace = next(iter(namespaces))
        keys = namespaces[namespace]
        taken = keys.popitem(last=False)
        if not keys:
            del namespaces[namespace]
        elif len(namespaces) > 1:
            namespaces.move_to_end(namespace)
        return taken

    def oldest(self) -> float:
        """Return the time at which the oldest key was added."""
        return min(next(iter(keys.values())) for keys in self.namespaces.values())
