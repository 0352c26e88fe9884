"""What a kind decides about its objects, while the steps of a write are the same for all.

A `Strategy` belongs to one resource; `custom` has the one for CRDs' kinds, `builtin` those of built-in kinds.
Strategies see objects only: no storage, no requests.
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
    """The rules of a built-in kind without peculiarities; others override what is special to them.

    Attributes:
        name_rule: what names are valid.
        unconditional_update: PUT without a resourceVersion is allowed.
        returns_deleted: the reply to DELETE is the object instead of a Status.
        strategic: patches may be strategic merge patches.
        create_on_update: PUT of what does not exist creates it.
        blank: what every object has from the start, which nobody manages therefore.
        untracked: fields that the server itself sets, which nobody manages either.
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
        return self.info.storage_key

    @cached_property
    def _node(self) -> Node:
        return compile_schema(self.info.schema or {})

    def node(self, info: ResourceInfo) -> Node:
        """The schema of a version."""
        return self._node

    def decode(self, obj: JsonObject, info: ResourceInfo) -> list[str]:
        """Bring an object of a version into that version's proper form, in place; returns its unknown fields."""
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
        """Remove, in place, nulls that mean nothing; built-in kinds never have any, once decoded."""

    def before_apply(self, config: JsonObject) -> JsonObject:
        """Bring an applied configuration, which has no defaults, into the form that is kept."""
        return config

    def to_storage(self, obj: JsonObject, info: ResourceInfo) -> JsonObject:
        """Convert from a version to the stored one."""
        return obj

    def view(self, info: ResourceInfo) -> View | None:
        """How stored objects become those of a version; None when they are alike."""
        return None

    def read_field(self, obj: JsonObject, path: str) -> str:
        """The value of a field label."""
        return read_path(obj, path)

    def prepare_create(self, new: JsonObject) -> None:
        """Fill in and clear what a creator does not decide."""

    def prepare_update(self, new: JsonObject, old: JsonObject, subresource: str) -> None:
        """Reset what this endpoint may not change, in place."""

    def validate_create(self, new: JsonObject, found: list[FieldError], info: ResourceInfo) -> list[FieldError]:
        """Complaints besides those about metadata, which are `found` already. `info` is the version asked for."""
        return self.validate(new)

    def validate_update(
        self, new: JsonObject, old: JsonObject, found: list[FieldError], info: ResourceInfo
    ) -> list[FieldError]:
        """Complaints besides those about metadata, which are `found` already. `info` is the version asked for."""
        return self.validate(new)

    def validate(self, new: JsonObject) -> list[FieldError]:
        """Complaints about a state, however it came about."""
        return []

    def rule_errors(self, obj: JsonObject) -> list[FieldError]:
        """Complaints about an object that is none of the kind, as it came."""
        return []

    def warnings(self, new: JsonObject, old: JsonObject | None) -> list[str]:
        """Texts for `Warning` headers."""
        return []

    def begin_deletion(self, obj: JsonObject, now: str) -> JsonObject | None:
        """The object at the beginning of its deletion, where a kind has a beginning of its own; None for all others."""
        return None

    def holds_deletion(self, obj: JsonObject) -> bool:
        """Whether something besides `metadata.finalizers` keeps the object from going."""
        return False

    def mark_deleting(self, new: JsonObject) -> None:
        """Show in the object that its deletion has begun, in place."""


_OMITTED_WHEN_EMPTY = ("data", "binaryData", "secrets", "imagePullSecrets")


def _drop_empty(obj: JsonObject) -> None:
    """Leave out, in place, what Go's `omitempty` leaves out."""
    for name in _OMITTED_WHEN_EMPTY:
        if obj.get(name) in ({}, []):
            del obj[name]


def keep_only(new: JsonObject, old: JsonObject, *fields: str) -> None:
    """Reset everything but `fields` (and what the server tracks of who manages what) to the old state, in place."""
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
