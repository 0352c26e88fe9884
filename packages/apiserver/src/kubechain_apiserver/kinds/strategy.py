"""The strategy of a kind: what it decides within the steps of a write that are the same for all kinds.

`custom` has the strategy of custom kinds, `builtin` those of built-in kinds. A strategy sees objects only, no storage
and no requests.
"""

from __future__ import annotations

from functools import cached_property
from typing import ClassVar

from kubechain_apiserver.schema import typecheck
from kubechain_apiserver.schema.normalize import drop_nulls, prune, set_defaults
from kubechain_apiserver.schema.structural import Node, compile_schema
from kubechain_apiserver.store.selectors import read_path
from kubechain_apiserver.store.watch import View
from kubechain_apiserver.wire import names
from kubechain_apiserver.wire.field_errors import FieldError
from kubechain_apiserver.wire.json_types import JsonObject
from kubechain_apiserver.wire.registry import GroupResource, ResourceInfo


class Strategy:
    """The default strategy of built-in kinds, which others override.

    Attributes:
        name_rule: Validates names.
        unconditional_update: PUT without a resourceVersion is allowed.
        returns_deleted: DELETE is answered with the object instead of a Status.
        strategic: Strategic merge patches are supported.
        create_on_update: PUT creates an object that does not exist.
        blank: Fields that every new object has, which nobody manages.
        untracked: Fields that the server sets, which nobody manages.
    """

    name_rule: names.NameRule = staticmethod(names.subdomain_name)
    unconditional_update = True
    returns_deleted = False
    strategic = True
    create_on_update = False
    blank: ClassVar[JsonObject] = {"metadata": {}}
    untracked: ClassVar[tuple[str, ...]] = ()

    def __init__(self, info: ResourceInfo) -> None:
        self.info = info

    @property
    def resource(self) -> GroupResource:
        """The resource in which objects are stored."""
        return self.info.storage_key

    @cached_property
    def _node(self) -> Node:
        return compile_schema(self.info.schema or {})

    def node(self, info: ResourceInfo) -> Node:
        """Return the schema of a version."""
        return self._node

    def decode(self, obj: JsonObject, info: ResourceInfo) -> list[str]:
        """Decode an object of a version, in place; returns its unknown fields."""
        node = self.node(info)
        if not info.custom:
            typecheck.check(obj, node, info)
        unknown = prune(obj, node)
        if not info.custom:
            drop_nulls(obj, node)
            _drop_empty(obj)
        set_defaults(obj, node)
        return sorted(unknown) if info.custom else unknown

    def drop_nulls(self, obj: JsonObject, info: ResourceInfo) -> None:
        """Remove nulls without meaning, in place; decoded objects of built-in kinds have none."""

    def before_apply(self, config: JsonObject) -> JsonObject:
        """Convert an applied configuration, which has no defaults, to the form that is stored."""
        return config

    def to_storage(self, obj: JsonObject, info: ResourceInfo) -> JsonObject:
        """Convert from a version to the storage version."""
        return obj

    def view(self, info: ResourceInfo) -> View | None:
        """Return the conversion from the storage version to a version; None if they are equal."""
        return None

    def read_field(self, obj: JsonObject, path: str) -> str:
        """Return the value of a field selector's path."""
        return read_path(obj, path)

    def prepare_create(self, new: JsonObject) -> None:
        """Set or clear fields of a new object that the client does not decide, in place."""

    def prepare_update(self, new: JsonObject, old: JsonObject, subresource: str) -> None:
        """Reset fields that this endpoint may not change, in place."""

    def validate_create(self, new: JsonObject, found: list[FieldError], info: ResourceInfo) -> list[FieldError]:
        """Return errors besides those of metadata, which are in `found`. `info` is the requested version."""
        return self.validate(new)

    def validate_update(
        self, new: JsonObject, old: JsonObject, found: list[FieldError], info: ResourceInfo
    ) -> list[FieldError]:
        """Return errors besides those of metadata, which are in `found`. `info` is the requested version."""
        return self.validate(new)

    def validate(self, new: JsonObject) -> list[FieldError]:
        """Return the errors of a state, of new and changed objects alike."""
        return []

    def rule_errors(self, obj: JsonObject) -> list[FieldError]:
        """Return the errors of CEL rules on an object of another kind, as it was sent."""
        return []

    def warnings(self, new: JsonObject, old: JsonObject | None) -> list[str]:
        """Return texts for `Warning` headers."""
        return []

    def begin_deletion(self, obj: JsonObject, now: str) -> JsonObject | None:
        """Return the object at the beginning of its deletion, for kinds that differ from all others; else None."""
        return None

    def holds_deletion(self, obj: JsonObject) -> bool:
        """Whether something besides `metadata.finalizers` prevents the deletion."""
        return False

    def mark_deleting(self, new: JsonObject) -> None:
        """Change the status when the deletion begins, in place."""


_OMITTED_WHEN_EMPTY = ("data", "binaryData", "secrets", "imagePullSecrets")


def _drop_empty(obj: JsonObject) -> None:
    """Remove, in place, fields that Go's `omitempty` leaves out."""
    for name in _OMITTED_WHEN_EMPTY:
        if obj.get(name) in ({}, []):
            del obj[name]


def keep_only(new: JsonObject, old: JsonObject, *fields: str) -> None:
    """Reset everything but `fields`, managedFields and the resourceVersion to the old state, in place."""
    kept = {name: new[name] for name in fields if name in new}
    managed = new["metadata"].get("managedFields")
    version = new["metadata"].get("resourceVersion")
    new.clear()
    new.update({name: value for name, value in old.items() if name not in fields})
    new.update(kept)
    new["metadata"] = dict(old["metadata"])
    if managed is not None:
        new["metadata"]["managedFields"] = managed
    if version is not None:
        new["metadata"]["resourceVersion"] = version
