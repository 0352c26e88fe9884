"""Indexes over the objects of a store."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

import structlog

from kubechain.runtime.keys import Request
from kubechain.runtime.resource import KubernetesObject

T = TypeVar("T", bound=KubernetesObject)

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Index(Generic[T]):
    """Maps values that a function computes for each object to the keys of the objects."""

    def __init__(self, values_of: Callable[[T], Iterable[str]]) -> None:
        """Create an empty index of the values that `values_of` returns."""
        self._values_of = values_of
        self._keys: dict[str, dict[Request, None]] = {}
        self._values: dict[Request, tuple[str, ...]] = {}

    def put(self, key: Request, obj: T | None) -> None:
        """Set the values of one object; None removes it."""
        values = self._values_in(obj) if obj is not None else ()
        for value in self._values.pop(key, ()):
            keys = self._keys[value]
            del keys[key]
            if not keys:
                del self._keys[value]
        for value in values:
            self._keys.setdefault(value, {})[key] = None
        if values:
            self._values[key] = values

    def _values_in(self, obj: T) -> tuple[str, ...]:
        try:
            return tuple(dict.fromkeys(self._values_of(obj)))
        except Exception:  # a defect of a controller's index function must not stop the cache
            log.exception("index function failed", kind=obj.kind, namespace=obj.metadata.namespace)
            return ()

    def keys(self, value: str) -> Iterable[Request]:
        """Return the keys of the objects with this value."""
        return self._keys.get(value, ())
