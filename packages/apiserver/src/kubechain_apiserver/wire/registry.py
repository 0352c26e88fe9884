"""The resources of the server: built-in ones, and those of CustomResourceDefinitions.

Discovery, OpenAPI, tables and routing read it; the engine updates it. Rules of a kind are in its strategy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from kubechain_apiserver.wire.json_types import JsonObject

OBJECT_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
"""Verbs of every stored resource."""


class GroupResource(NamedTuple):
    """Name of a resource in storage, which all versions share."""

    group: str
    plural: str

    def __str__(self) -> str:
        return f"{self.plural}.{self.group}" if self.group else self.plural


_ITSELF = GroupResource("", "")


@dataclass(frozen=True, slots=True)
class PrinterColumn:
    """One entry of `additionalPrinterColumns`."""

    name: str
    type: str
    json_path: str
    description: str = ""
    format: str = ""
    priority: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class ResourceInfo:
    """One version of one resource.

    Attributes:
        subresources: names below an object, such as `status` or `finalize`.
        schema: the OpenAPI v3 schema of the version, as its CRD gives it; None for built-in kinds.
        selectable_fields: field selectors besides `metadata.name` and `metadata.namespace`, as dotted paths.
        stored_as: the resource that keeps the objects; differs from the own one where two APIs share a store (Events).
        storage_version: the version in which objects are kept, where it is another one; "" where it is this.
        custom: a CRD defines it.
        terminating: that CRD is being deleted: objects are read and deleted, and no new ones are made.
        deprecation_warning: sent with each reply of a deprecated version; "" for none.
    """

    group: str
    version: str
    kind: str
    list_kind: str
    plural: str
    singular: str
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    namespaced: bool = True
    has_status: bool = False
    subresources: tuple[str, ...] = ()
    columns: tuple[PrinterColumn, ...] = ()
    schema: JsonObject | None = None
    verbs: tuple[str, ...] = OBJECT_VERBS
    selectable_fields: tuple[str, ...] = ()
    stored_as: GroupResource = _ITSELF
    storage_version: str = ""
    custom: bool = False
    terminating: bool = False
    deprecation_warning: str = ""

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def resource(self) -> GroupResource:
        return GroupResource(self.group, self.plural)

    @property
    def storage_key(self) -> GroupResource:
        return self.stored_as if self.stored_as.plural else self.resource


class Registry:
    """All served resources.

    `generation` grows with each change, so that documents can be cached; `subscribe` calls back on each change.
    """

    def __init__(self, builtin: Iterable[ResourceInfo] = ()) -> None:
        self._infos: dict[tuple[str, str, str], ResourceInfo] = {}
        self._listeners: list[Callable[[], None]] = []
        self.generation = 0
        for info in builtin:
            self._infos[info.group, info.version, info.plural] = info

    def find(self, group: str, version: str, plural: str) -> ResourceInfo | None:
        """Return the resource below `/apis/{group}/{version}/{plural}` (or `/api/{version}/{plural}`)."""
        return self._infos.get((group, version, plural))

    def all(self) -> tuple[ResourceInfo, ...]:
        """Return every resource, built-in ones first, in the order of registration."""
        return tuple(self._infos.values())

    def __iter__(self) -> Iterator[ResourceInfo]:
        return iter(self.all())

    def for_kind(self, api_version: str, kind: str) -> ResourceInfo | None:
        """Return the resource of a kind."""
        return next((i for i in self._infos.values() if i.kind == kind and i.api_version == api_version), None)

    def versions_of(self, resource: GroupResource) -> list[ResourceInfo]:
        """Return all served versions of a resource."""
        return [info for info in self._infos.values() if info.resource == resource]

    def replace(self, resource: GroupResource, infos: Iterable[ResourceInfo]) -> None:
        """Replace all versions of a custom resource by `infos`; none removes it."""
        kept = {key: info for key, info in self._infos.items() if info.resource != resource}
        kept.update({(info.group, info.version, info.plural): info for info in infos})
        self._infos = kept
        self.generation += 1
        for listener in self._listeners:
            listener()

    def subscribe(self, listener: Callable[[], None]) -> None:
        """Call `listener` after each change."""
        self._listeners.append(listener)
