"""The engine: reads, writes, watches and deletes objects, without sockets and without a clock of its own.

It is synchronous and deterministic. `requests` calls it; each step is a module of its own. HTTP, content negotiation,
discovery and authentication do not belong here.
"""

from __future__ import annotations

from typing import Any, Final

from kubechain_apiserver.engine.cleanup import DefinitionCleanup
from kubechain_apiserver.engine.context import Core
from kubechain_apiserver.engine.definitions import Definitions
from kubechain_apiserver.engine.deletion import Deleter
from kubechain_apiserver.engine.expiry import EventExpiry
from kubechain_apiserver.engine.gc import GarbageCollector
from kubechain_apiserver.engine.lifecycle import NamespaceLifecycle
from kubechain_apiserver.engine.options import DeleteOptions, ListOptions, WatchOptions, WriteOptions
from kubechain_apiserver.engine.patching import Patcher, PatchType
from kubechain_apiserver.engine.reads import ListPage, Reader
from kubechain_apiserver.engine.writes import Writer
from kubechain_apiserver.kinds import builtin
from kubechain_apiserver.store.environment import Environment, SystemEnvironment
from kubechain_apiserver.store.history import History
from kubechain_apiserver.store.storage import MemoryStorage, Storage
from kubechain_apiserver.store.store import Store
from kubechain_apiserver.store.watch import Subscription, Watchers, WatchEvent
from kubechain_apiserver.wire import errors
from kubechain_apiserver.wire.json_types import JsonObject
from kubechain_apiserver.wire.registry import Registry, ResourceInfo

__all__ = ["Engine", "ListPage", "PatchType", "Subscription", "WatchEvent"]

WRITE: Final = WriteOptions()
DELETE: Final = DeleteOptions()
ALL: Final = ListOptions()
FROM_NOW: Final = WatchOptions()


class Engine:
    """All objects of the server.

    Returned objects are shared with the engine and must not be changed; objects passed in are copied.

    Args:
        storage: Where objects are kept; memory by default.
        environment: Time and randomness; the machine's by default.
        history: How much of the past watches can resume from.
    """

    def __init__(
        self,
        storage: Storage | None = None,
        *,
        environment: Environment | None = None,
        history: History | None = None,
    ) -> None:
        store = Store(storage or MemoryStorage(), history)
        self.registry = Registry(builtin.infos())
        self._core = Core(store, self.registry, environment or SystemEnvironment())
        self._core.strategies.update({strategy.resource: strategy for strategy in builtin.strategies()})
        self._watchers = Watchers()
        store.subscribe(self._watchers.publish)
        self._definitions = Definitions(self._core, self._watchers)
        self._writer = Writer(self._core)
        self._deleter = Deleter(self._core)
        self._reader = Reader(self._core, self._watchers)
        self._patcher = Patcher(self._core, self._writer)
        self._collector = GarbageCollector(self._core)
        self._lifecycle = NamespaceLifecycle(self._core, self._writer, self._deleter)
        self._cleanup = DefinitionCleanup(self._core, self._writer, self._deleter)
        self._expiry = EventExpiry(self._core)
        self._collector.scan()
        self._lifecycle.make_initial()
        self._settle()

    @property
    def resource_version(self) -> str:
        """The revision of the last write."""
        return str(self._core.store.revision)

    def get(self, info: ResourceInfo, namespace: str, name: str) -> JsonObject:
        """Return one object. `namespace` is "" for cluster-scoped kinds."""
        return self._reader.get(info, namespace, name)

    def get_encoded(self, info: ResourceInfo, namespace: str, name: str) -> bytes:
        """Return one object as JSON bytes, without parsing it."""
        return self._reader.get_encoded(info, namespace, name)

    def list(
        self,
        info: ResourceInfo,
        namespace: str | None = None,
        options: ListOptions = ALL,
    ) -> ListPage:
        """Return objects in order of namespace and name. `namespace` None means all namespaces."""
        return self._reader.list(info, namespace, options)

    def create(
        self,
        info: ResourceInfo,
        namespace: str,
        obj: JsonObject,
        options: WriteOptions = WRITE,
    ) -> JsonObject:
        """Create an object."""
        return self._finish(info, self._writer.create(info, namespace, obj, options))

    def update_makes(self, info: ResourceInfo, namespace: str, name: str) -> bool:
        """Whether an update of that object would create it: some kinds allow create on update."""
        missing = self._core.store.get(self._core.key(info, namespace, name)) is None
        return missing and self._core.strategy(info).create_on_update

    def update(
        self,
        info: ResourceInfo,
        namespace: str,
        name: str,
        obj: JsonObject,
        *,
        subresource: str = "",
        options: WriteOptions = WRITE,
    ) -> JsonObject:
        """Replace an object (PUT), or one subresource of it."""
        _check_subresource(info, subresource)
        new = self._writer.update(info, namespace, name, obj, subresource=subresource, options=options)
        return self._finish(info, new)

    def patch(
        self,
        info: ResourceInfo,
        namespace: str,
        name: str,
        patch_type: PatchType,
        patch: Any,
        *,
        subresource: str = "",
        options: WriteOptions = WRITE,
    ) -> tuple[JsonObject, bool]:
        """Change parts of an object; `apply` makes it when it is absent.

        Args:
            patch: the parsed body.

        Returns:
            the object, and whether it was created (201 instead of 200).
        """
        _check_subresource(info, subresource)
        new, created = self._patcher.patch(
            info, namespace, name, patch_type, patch, subresource=subresource, options=options
        )
        return self._finish(info, new), created

    def delete(
        self,
        info: ResourceInfo,
        namespace: str,
        name: str,
        options: DeleteOptions = DELETE,
    ) -> JsonObject:
        """Delete an object or begin to; returns a Status, or the object if it is not gone yet."""
        obj, gone = self._deleter.delete(info, namespace, name, options)
        if gone and not self._core.strategy(info).returns_deleted:
            self._settle()
            return _deleted_status(info, obj)
        return self._finish(info, obj)

    def delete_collection(
        self,
        info: ResourceInfo,
        namespace: str | None,
        selected: ListOptions = ALL,
        options: DeleteOptions = DELETE,
    ) -> ListPage:
        """Delete all objects selected; returns the objects that were deleted or marked."""
        page = self.list(info, namespace, selected)
        for record in page.records:
            try:
                self._deleter.delete(info, record.key.namespace, record.key.name, options)
            except errors.StatusError as error:
                if error.code != 404:
                    raise
        self._settle()
        return page

    def watch(
        self,
        info: ResourceInfo,
        namespace: str | None = None,
        options: WatchOptions = FROM_NOW,
    ) -> Subscription:
        """Watch changes. A revision that is not kept any more gives one ERROR event (410) and the end of the watch."""
        return self._reader.watch(info, namespace, options)

    def statistics(self) -> JsonObject:
        """Return counts of objects, watchers and history, and the revision."""
        return {**self._core.store.statistics(), "watchers": self._watchers.count()}

    def close(self) -> None:
        """End all watches and close the storage."""
        self._watchers.close()
        self._core.store.close()

    def _finish(self, info: ResourceInfo, obj: JsonObject) -> JsonObject:
        """Run the controllers that a write triggers, and return its result in the requested version."""
        self._settle()
        strategy = self._core.strategies.get(info.storage_key)
        view = strategy.view(info) if strategy else None
        return view(obj) if view else obj

    def _settle(self) -> None:
        self._expiry.collect()
        self._collector.collect()
        while self._lifecycle.collect() or self._cleanup.collect():
            self._collector.collect()


def _check_subresource(info: ResourceInfo, subresource: str) -> None:
    if subresource and subresource not in info.subresources:
        raise errors.no_such_resource()


def _deleted_status(info: ResourceInfo, obj: JsonObject) -> JsonObject:
    meta = obj["metadata"]
    details = {"name": meta["name"], "group": info.group, "kind": info.plural, "uid": meta["uid"]}
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": {name: value for name, value in details.items() if value},
    }
