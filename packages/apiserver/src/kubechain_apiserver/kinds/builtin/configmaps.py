"""ConfigMap."""

from __future__ import annotations

from kubechain_apiserver.kinds.builtin import shapes
from kubechain_apiserver.kinds.strategy import Strategy
from kubechain_apiserver.wire import names
from kubechain_apiserver.wire.field_errors import FieldError, forbidden, invalid, too_long
from kubechain_apiserver.wire.json_types import JsonObject
from kubechain_apiserver.wire.registry import ResourceInfo

SIZE_LIMIT_BYTES = 1024 * 1024

INFO = ResourceInfo(
    group="",
    version="v1",
    kind="ConfigMap",
    list_kind="ConfigMapList",
    plural="configmaps",
    singular="configmap",
    short_names=("cm",),
    schema=shapes.resource(
        "ConfigMap holds configuration data for pods to consume.",
        binaryData=shapes.mapping({"type": "string", "format": "byte"}, "BinaryData contains the binary data."),
        data=shapes.mapping(shapes.text(), "Data contains the configuration data."),
        immutable=shapes.boolean("Immutable, if set to true, ensures that data cannot be updated."),
    ),
)


class ConfigMapStrategy(Strategy):
    """Checks keys, and refuses changes of an immutable ConfigMap."""

    def validate(self, new: JsonObject) -> list[FieldError]:
        found = check_keys(new, "data") + check_keys(new, "binaryData")
        for key in new.get("data", {}).keys() & new.get("binaryData", {}).keys():
            found.append(invalid(f"data[{key}]", key, "duplicate of key present in binaryData"))
        size = sum(len(value.encode()) for value in new.get("data", {}).values())
        size += sum(len(value) * 3 // 4 for value in new.get("binaryData", {}).values())
        if size > SIZE_LIMIT_BYTES:
            found.append(too_long("[]", SIZE_LIMIT_BYTES))
        return found

    def validate_update(
        self, new: JsonObject, old: JsonObject, found: list[FieldError], info: ResourceInfo
    ) -> list[FieldError]:
        return check_immutable(new, old, "data", "binaryData") + self.validate(new)


def check_keys(new: JsonObject, name: str) -> list[FieldError]:
    """Return the errors of the keys of `data` and `binaryData`."""
    keys: list[str] = sorted(new.get(name, {}))
    return [invalid(f"{name}[{key}]", key, text) for key in keys for text in names.config_key(key)]


def check_immutable(new: JsonObject, old: JsonObject, *fields: str) -> list[FieldError]:
    """Return the errors of changes that `immutable` forbids."""
    if not old.get("immutable"):
        return []
    found: list[FieldError] = []
    text = "field is immutable when `immutable` is set"
    if not new.get("immutable"):
        found.append(forbidden("immutable", text))
    return found + [forbidden(name, text) for name in fields if new.get(name, {}) != old.get(name, {})]
