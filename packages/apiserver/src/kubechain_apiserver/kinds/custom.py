"""The strategy of kinds that CRDs define."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

from kubechain_apiserver.kinds.metadata import STANDARD_FINALIZERS
from kubechain_apiserver.kinds.strategy import Strategy, keep_only
from kubechain_apiserver.rules import rules
from kubechain_apiserver.schema import listtypes
from kubechain_apiserver.schema.normalize import drop_nulls, set_defaults
from kubechain_apiserver.schema.structural import Node, compile_schema
from kubechain_apiserver.schema.validation import NO_FIELD, validate
from kubechain_apiserver.schema.verdict import is_valid_for
from kubechain_apiserver.store.watch import View
from kubechain_apiserver.wire.field_errors import FieldError, invalid
from kubechain_apiserver.wire.json_types import JsonObject
from kubechain_apiserver.wire.registry import ResourceInfo

_RULES_SKIPPED = (
    "some validation rules were not checked because the object was invalid; "
    "correct the existing errors to complete validation"
)


class Version:
    """One version of a custom kind, with its compiled schema."""

    def __init__(self, info: ResourceInfo) -> None:
        self.info = info
        schema = info.schema or {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        self.node = compile_schema(schema)
        self._schema = schema
        self._is_valid: Callable[[Any], bool] | None = None
        self._rules: rules.Rules | None = None

    def is_valid(self, obj: JsonObject) -> bool:
        if self._is_valid is None:
            self._is_valid = is_valid_for(self._schema)
        return self._is_valid(obj)

    @property
    def rules(self) -> rules.Rules:
        """CEL rules, compiled on first use: start-up does not compile rules of kinds that are never written."""
        if self._rules is None:
            self._rules = rules.Rules(self.node)
        return self._rules


class CustomStrategy(Strategy):
    """Rules of a custom kind, for all its versions.

    Args:
        infos: the served versions; `storage` is the one in which objects are kept.
    """

    unconditional_update = False
    strategic = False

    def __init__(self, infos: Sequence[ResourceInfo], storage: ResourceInfo) -> None:
        super().__init__(storage)
        self._versions = {info.version: Version(info) for info in {*infos, storage}}
        self._storage = self._versions[storage.version]

    def node(self, info: ResourceInfo) -> Node:
        return self._versions[info.version].node

    def to_storage(self, obj: JsonObject, info: ResourceInfo) -> JsonObject:
        obj["apiVersion"] = self.info.api_version
        return obj

    def view(self, info: ResourceInfo) -> View | None:
        if info.version == self.info.version:
            return None
        return lambda obj: {**obj, "apiVersion": info.api_version}

    def prepare_create(self, new: JsonObject) -> None:
        if self.info.has_status:
            new.pop("status", None)
            set_defaults(new, self._storage.node)  # kube-apiserver defaults what it reads back: a status may have one
        new["metadata"]["generation"] = 1

    def prepare_update(self, new: JsonObject, old: JsonObject, subresource: str) -> None:
        if subresource == "status":
            keep_only(new, old, "status")
            return
        if self.info.has_status:
            new.pop("status", None)
            if "status" in old:
                new["status"] = old["status"]
        if _without_metadata(new) != _without_metadata(old):
            new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1

    def validate_create(self, new: JsonObject, found: list[FieldError], info: ResourceInfo) -> list[FieldError]:
        more = self._schema_errors(new) + listtypes.check(new, self._storage.node)
        return more + self._rule_errors(new, None, found + more)

    def validate_update(
        self, new: JsonObject, old: JsonObject, found: list[FieldError], info: ResourceInfo
    ) -> list[FieldError]:
        about_metadata = found
        found = self._schema_errors(new)
        if found:
            # What was wrong before and was not touched does not stop an update (ratcheting).
            tolerated = set(map(_identity, self._schema_errors(old)))
            found = [e for e in found if not (_identity(e) in tolerated and _unchanged(e.field, new, old))]
        if not listtypes.check(old, self._storage.node):
            found += listtypes.check(new, self._storage.node)
        return found + self._rule_errors(new, old, about_metadata + found)

    def drop_nulls(self, obj: JsonObject, info: ResourceInfo) -> None:
        drop_nulls(obj, self.node(info))

    def rule_errors(self, obj: JsonObject) -> list[FieldError]:
        return listtypes.check(obj, self._storage.node) + self._rule_errors(obj, None, [])

    def warnings(self, new: JsonObject, old: JsonObject | None) -> list[str]:
        before: list[str] = old["metadata"].get("finalizers", []) if old else []
        added = sorted(set(new["metadata"].get("finalizers", [])) - set(before))
        return [text for name in added if (text := _finalizer_warning(name))]

    def _schema_errors(self, obj: JsonObject) -> list[FieldError]:
        return [] if self._storage.is_valid(obj) else validate(obj, self._storage.node)

    def _rule_errors(self, new: JsonObject, old: JsonObject | None, found: list[FieldError]) -> list[FieldError]:
        if not self._storage.node.has_rules:
            return []
        if any(error.blocks_rules for error in found):
            return [invalid(NO_FIELD, None, _RULES_SKIPPED)]
        return self._storage.rules.check(new, old)


def _finalizer_warning(name: str) -> str:
    if name in STANDARD_FINALIZERS or "/" in name:
        return ""
    how = "including a path (/) " if "." in name else ""
    advice = "prefer a domain-qualified finalizer name"
    why = "to avoid accidental conflicts with other finalizer writers"
    return f'metadata.finalizers: "{name}": {advice} {how}{why}'


def _without_metadata(obj: JsonObject) -> JsonObject:
    return {name: value for name, value in obj.items() if name != "metadata"}


def _identity(error: FieldError) -> tuple[str, str]:
    return error.field, error.message


def _unchanged(path: str, new: JsonObject, old: JsonObject) -> bool:
    return path != NO_FIELD and _parent(new, path) == _parent(old, path)


def _parent(obj: Any, path: str) -> Any:
    value = obj
    for part in path.replace("]", "").replace("[", ".").split(".")[:-1]:
        match value:
            case dict():
                value = cast("JsonObject", value).get(part)
            case list() if part.isdigit():
                items = cast("list[Any]", value)
                value = items[int(part)] if int(part) < len(items) else None
            case _:
                return None
    return value
