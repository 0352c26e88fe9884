"""Rules of `metadata` for all kinds: validation, permitted changes, and fields that the server sets."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast

from kubechain_apiserver.schema import fieldsets, typecheck
from kubechain_apiserver.wire import gotext, names
from kubechain_apiserver.wire.errors import cannot_be_handled
from kubechain_apiserver.wire.field_errors import FieldError, Verbatim, forbidden, invalid, required, too_long
from kubechain_apiserver.wire.gojson import json_type
from kubechain_apiserver.wire.json_types import JsonObject
from kubechain_apiserver.wire.registry import ResourceInfo

ORPHAN = "orphan"
FOREGROUND = "foregroundDeletion"
"""Finalizers that the garbage collector removes."""
STANDARD_FINALIZERS = frozenset({ORPHAN, FOREGROUND, "kubernetes"})

ANNOTATIONS_LIMIT_BYTES = 256 * 1024
GENERATED_SUFFIX_LENGTH = 5
GENERATED_PREFIX_LIMIT = 63 - GENERATED_SUFFIX_LENGTH

IMMUTABLE = "field is immutable"
_IMMUTABLE_FIELDS = ("name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds")
_SYSTEM_FIELDS = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink")
_KNOWN = frozenset(fieldsets.METADATA.properties)


def timestamp(seconds: float) -> str:
    """metav1.Time: RFC 3339 in whole seconds."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def of(obj: JsonObject) -> JsonObject:
    """Return the object's metadata; it is created if absent."""
    metadata = obj.get("metadata")
    if not isinstance(metadata, dict):
        metadata = obj["metadata"] = {}
    return metadata  # pyright: ignore[reportUnknownVariableType]


def decode(obj: JsonObject, info: ResourceInfo) -> list[str]:
    """Bring metadata into storage form: known fields only, without nulls and empty collections.

    Returns:
        The unknown fields, which are dropped.

    Raises:
        StatusError: A value has a wrong type.
    """
    _check_object(obj.get("metadata"), info)
    metadata = of(obj)
    typecheck.check_metadata(metadata, info)
    unknown = [f"metadata.{name}" for name in metadata if name not in _KNOWN]
    for name in list(metadata):
        value = metadata[name]
        if name not in _KNOWN or value is None or value in ("", {}, []):
            del metadata[name]
        elif isinstance(value, dict | list):
            metadata[name] = _without_nulls(name, value)
    return unknown


def _without_nulls(name: str, value: Any) -> Any:
    """Replace nulls in a map or list by the zero value, as Go does."""
    if isinstance(value, dict):
        fields = cast("JsonObject", value)
        if None in fields.values():
            return {key: "" if item is None else item for key, item in fields.items()}
        return fields
    items = cast("list[Any]", value)
    zero: Any = {} if name in {"managedFields", "ownerReferences"} else ""
    return [zero if item is None else item for item in items] if None in items else items


def _check_object(given: Any, info: ResourceInfo) -> None:
    if given is not None and not isinstance(given, dict):
        place = "value" if info.custom else f"struct field {info.kind}.metadata"
        text = f"json: cannot unmarshal {json_type(given)} into Go {place} of type v1.ObjectMeta"
        raise cannot_be_handled(info, text)


def wipe_system_fields(metadata: JsonObject) -> None:
    """Remove the fields that only the server may set on a new object."""
    for name in _SYSTEM_FIELDS:
        metadata.pop(name, None)


def check_create(metadata: JsonObject, *, namespaced: bool, rule: names.NameRule) -> list[FieldError]:
    """Return the errors of the metadata of a new object."""
    found: list[FieldError] = []
    prefix, name = metadata.get("generateName", ""), metadata.get("name", "")
    if prefix:
        found += [invalid("metadata.generateName", prefix, text) for text in rule(prefix, True)]
    if not name:
        found.append(required("metadata.name", "name or generateName is required"))
    else:
        found += [invalid("metadata.name", name, text) for text in rule(name, False)]
    if namespaced:
        found += _check_namespace(metadata.get("namespace", ""))
    elif metadata.get("namespace"):
        found.append(forbidden("metadata.namespace", "not allowed on this type"))
    found += _check_common(metadata)
    return found + _check_finalizers(metadata.get("finalizers", []))


def _check_namespace(namespace: str) -> list[FieldError]:
    if not namespace:
        return [required("metadata.namespace")]
    return [invalid("metadata.namespace", namespace, text) for text in names.dns_label(namespace)]


def _check_common(metadata: JsonObject) -> list[FieldError]:
    found = check_labels(metadata.get("labels", {}), "metadata.labels")
    found += _check_annotations(metadata.get("annotations", {}))
    return found + _check_owners(metadata.get("ownerReferences", []))


def check_labels(labels: dict[str, str], path: str) -> list[FieldError]:
    """Return the errors of labels."""
    found: list[FieldError] = []
    for key, value in labels.items():
        found += [invalid(path, key, text) for text in names.label_key(key)]
        found += [invalid(path, value, text) for text in names.label_value(value)]
    return found


def _check_annotations(annotations: dict[str, str]) -> list[FieldError]:
    path = "metadata.annotations"
    found = [invalid(path, key, text) for key in annotations for text in names.label_key(key.lower())]
    size = sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items())
    if size > ANNOTATIONS_LIMIT_BYTES:
        found.append(too_long(path, ANNOTATIONS_LIMIT_BYTES))
    return found


def _check_finalizers(finalizers: list[str]) -> list[FieldError]:
    path = "metadata.finalizers"
    found = [invalid(path, name, text) for name in finalizers for text in names.label_key(name)]
    if ORPHAN in finalizers and FOREGROUND in finalizers:
        found.append(invalid(path, finalizers, f"finalizer {ORPHAN} and {FOREGROUND} cannot be both set"))
    return found


def _check_owners(owners: list[JsonObject]) -> list[FieldError]:
    found: list[FieldError] = []
    controller = ""
    for index, owner in enumerate(owners):
        found += _check_owner(owner, f"metadata.ownerReferences[{index}]")
        if owner.get("controller") is True:
            current = f"{owner.get('kind')}/{owner.get('name')}"
            if controller:
                text = (
                    "Only one reference can have Controller set to true. "
                    f'Found "true" in references for {controller} and {current}'
                )
                found.append(invalid("metadata.ownerReferences", Verbatim(gotext.owners(owners)), text))
            controller = controller or current
    return found


def _check_owner(owner: JsonObject, path: str) -> list[FieldError]:
    version = owner.get("apiVersion", "")
    found: list[FieldError] = []
    if version and version.count("/") > 1:
        found.append(invalid(f"{path}.apiVersion", version, "must be <group>/<version> or <version>"))
    for name in ("apiVersion", "kind", "name", "uid"):
        if not owner.get(name):
            found.append(required(f"{path}.{name}", "must not be empty"))
    if version == "v1" and owner.get("kind") == "Event":
        found.append(invalid(path, owner, "/v1, Kind=Event is disallowed from being an owner"))
    return found


def check_update(new: JsonObject, old: JsonObject, *, declarative: bool) -> list[FieldError]:
    """Return the errors of changes of metadata.

    Args:
        declarative: The kind has declarative validation, as built-in kinds have: each error is reported once. For other
            kinds kube-apiserver validates the state once and the change twice.
    """
    state = _check_common(new)
    change = _check_change(new, old) + state
    once = [*_check_finalizers(new.get("finalizers", [])), *change]
    return once if declarative else [*state, *once, *change]


def check_core_finalizers(metadata: JsonObject) -> list[FieldError]:
    """Return the errors of finalizers of core kinds, which must be well known or have a domain."""
    text = "name is neither a standard finalizer name nor is it fully qualified"
    return [
        invalid(f"metadata.finalizers[{index}]", name, text)
        for index, name in enumerate(metadata.get("finalizers", ()))
        if "/" not in name and name not in STANDARD_FINALIZERS
    ]


def _check_change(new: JsonObject, old: JsonObject) -> list[FieldError]:
    found: list[FieldError] = []
    if "deletionTimestamp" in old:
        added = sorted(set(new.get("finalizers", [])) - set(old.get("finalizers", [])))
        if added:
            listed = ", ".join(f'"{name}"' for name in added)
            text = (
                "no new finalizers can be added if the object is being deleted, "
                f"found new finalizers []string{{{listed}}}"
            )
            found.append(forbidden("metadata.finalizers", text))
    for name in _IMMUTABLE_FIELDS:
        if new.get(name) != old.get(name):
            found.append(invalid(f"metadata.{name}", new.get(name), IMMUTABLE))
    return found


def inherit(new: JsonObject, old: JsonObject) -> None:
    """Copy the fields that a client cannot change or need not repeat."""
    if "generation" in old:
        new["generation"] = old["generation"]
    else:
        new.pop("generation", None)
    new.pop("selfLink", None)
    new.setdefault("uid", old["uid"])
    new["creationTimestamp"] = old["creationTimestamp"]
    if "deletionTimestamp" in old:
        new["deletionTimestamp"] = old["deletionTimestamp"]
    if "deletionGracePeriodSeconds" in old:
        new.setdefault("deletionGracePeriodSeconds", old["deletionGracePeriodSeconds"])


def generated_name(prefix: str, suffix: str) -> str:
    """Return the name for a `generateName` and a suffix."""
    return f"{prefix[:GENERATED_PREFIX_LIMIT]}{suffix}"
