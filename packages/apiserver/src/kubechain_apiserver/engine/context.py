"""What the steps of reading, writing and deleting share.

The store, the registry of resources, the strategy of each kind, time and randomness.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import orjson

from kubechain_apiserver.kinds.strategy import Strategy
from kubechain_apiserver.store.environment import Environment
from kubechain_apiserver.store.storage import Key, Record
from kubechain_apiserver.store.store import Store
from kubechain_apiserver.wire import errors
from kubechain_apiserver.wire.registry import GroupResource, Registry, ResourceInfo


@dataclass(slots=True)
class Core:
    """The shared state of the engine."""

    store: Store
    registry: Registry
    environment: Environment
    strategies: dict[GroupResource, Strategy] = field(default_factory=dict[GroupResource, Strategy])

    def strategy(self, info: ResourceInfo) -> Strategy:
        """Return the strategy of a resource.

        Raises:
            StatusError: The resource is not served any more (404).
        """
        strategy = self.strategies.get(info.storage_key)
        if strategy is None:
            raise errors.no_such_resource()
        return strategy

    def key(self, info: ResourceInfo, namespace: str, name: str) -> Key:
        """Return the storage key of an object."""
        return Key(info.storage_key, namespace if info.namespaced else "", name)

    def record(self, info: ResourceInfo, namespace: str, name: str) -> Record:
        """Return the record of an object.

        Raises:
            StatusError: There is none (404).
        """
        record = self.store.get(self.key(info, namespace, name))
        if record is None:
            raise errors.not_found(info.group, info.plural, name)
        return record


def copied(obj: Any) -> Any:
    """Return a deep copy of a JSON value."""
    return orjson.loads(orjson.dumps(obj))
