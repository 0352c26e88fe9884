"""Secret."""

from __future__ import annotations

import base64

from kubechain_apiserver.kinds.builtin import shapes
from kubechain_apiserver.kinds.builtin.configmaps import check_immutable, check_keys
from kubechain_apiserver.kinds.metadata import IMMUTABLE
from kubechain_apiserver.kinds.strategy import Strategy
from kubechain_apiserver.schema.formats import holds
from kubechain_apiserver.wire import gojson
from kubechain_apiserver.wire.errors import cannot_be_handled
from kubechain_apiserver.wire.field_errors import FieldError, invalid, required, too_long
from kubechain_apiserver.wire.json_types import JsonObject
from kubechain_apiserver.wire.registry import ResourceInfo

SIZE_LIMIT_BYTES = 1024 * 1024
_BASIC = "kubernetes.io/basic-auth"
_SSH = "kubernetes.io/ssh-auth"
_JSON_KEYS = {".dockercfg", ".dockerconfigjson"}
_REQUIRED_KEYS = {
    _BASIC: ("username", "password"),
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    _SSH: ("ssh-privatekey",),
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
}

INFO = ResourceInfo(
    group="",
    version="v1",
    kind="Secret",
    list_kind="SecretList",
    plural="secrets",
    singular="secret",
    selectable_fields=("type",),
    schema=shapes.resource(
        "Secret holds secret data of a certain type. The total bytes of the values in the Data field must be less "
        "than MaxSecretSize bytes.",
        data=shapes.mapping({"type": "string", "format": "byte"}, "Data contains the secret data, base64 encoded."),
        immutable=shapes.boolean("Immutable, if set to true, ensures that data cannot be updated."),
        stringData=shapes.mapping(shapes.text(), "StringData allows specifying non-binary secret data in string form."),
        type=shapes.text("Used to facilitate programmatic handling of secret data."),
    ),
)


class SecretStrategy(Strategy):
    """Merges `stringData` into `data`, and refuses changes of the type and of an immutable Secret."""

    def decode(self, obj: JsonObject, info: ResourceInfo) -> list[str]:
        unknown = super().decode(obj, info)
        given_data: JsonObject = obj.get("data") or {}
        for key, value in given_data.items():
            if value is None:
                obj["data"][key] = ""
            elif not isinstance(value, str) or not holds("byte", value):
                # The value itself is not shown: it is a secret.
                raise cannot_be_handled(info, "illegal base64 data at input byte 0")
        given = obj.pop("stringData", None)
        if given:
            data: JsonObject = obj.setdefault("data", {})
            data.update({key: base64.b64encode(value.encode()).decode() for key, value in given.items()})
        if not obj.get("data"):
            obj.pop("data", None)
        obj["type"] = obj.get("type") or "Opaque"
        return unknown

    def validate(self, new: JsonObject) -> list[FieldError]:
        data: dict[str, str] = new.get("data", {})
        found = check_keys(new, "data")
        if sum(len(value) * 3 // 4 for value in data.values()) > SIZE_LIMIT_BYTES:
            found.append(too_long("data", SIZE_LIMIT_BYTES))
        return found + _check_type(new["type"], data)

    def validate_update(
        self, new: JsonObject, old: JsonObject, found: list[FieldError], info: ResourceInfo
    ) -> list[FieldError]:
        changed = new["type"] != old["type"]
        about_type = [invalid("type", new["type"], IMMUTABLE)] if changed else []
        return about_type + check_immutable(new, old, "data") + self.validate(new)

    def prepare_update(self, new: JsonObject, old: JsonObject, subresource: str) -> None:
        new["type"] = new.get("type") or old["type"]


def _check_type(type_: str, data: dict[str, str]) -> list[FieldError]:
    """Return the errors of data that a Secret of this type requires."""
    wanted = _REQUIRED_KEYS.get(type_, ())
    absent = [key for key in wanted if key not in data or (type_ == _SSH and not data[key])]
    if type_ == _BASIC and len(absent) < len(wanted):
        return []
    found = [required(f"data[{key}]") for key in absent]
    for key in data.keys() & _JSON_KEYS.intersection(wanted):
        if why := gojson.object_error(base64.b64decode(data[key])):
            # The value itself is not shown: it is a secret.
            found.append(invalid(f"data[{key}]", "<secret contents redacted>", why))
    return found
