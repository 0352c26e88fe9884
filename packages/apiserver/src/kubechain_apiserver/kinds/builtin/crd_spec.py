"""Validation of the spec of a definition, in kube-apiserver's words.

Names, versions, printer columns, subresources and conversion; schemas are in `crd_schema`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from kubechain_apiserver.kinds.builtin import crd_conversion, crd_schema
from kubechain_apiserver.kinds.builtin.crd_internal import hoisted, shown_versions
from kubechain_apiserver.schema.field_paths import BadFieldPath, find
from kubechain_apiserver.wire import names
from kubechain_apiserver.wire.field_errors import (
    FieldError,
    duplicate,
    invalid,
    not_supported,
    required,
    too_many,
)
from kubechain_apiserver.wire.json_types import JsonObject

_SCOPES: Final = ("Cluster", "Namespaced")
_COLUMN_TYPES: Final = ("boolean", "date", "integer", "number", "string")
_COLUMN_FORMATS: Final = ("byte", "date", "date-time", "double", "float", "int32", "int64", "password")
_SELECTABLE_TYPES: Final = frozenset({"string", "boolean", "integer"})
_MAX_SELECTABLE_FIELDS: Final = 8
_WARNING_LIMIT: Final = 256
"""Maximum length of a `deprecationWarning`."""

_APPROVED: Final = "api-approved.kubernetes.io"
_APPROVAL: Final = f'protected groups must have approval annotation "{_APPROVED}"'
_APPROVAL_TEXT: Final = "see https://github.com/kubernetes/enhancements/pull/1111"
_SELECTABLE: Final = (
    "must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed."
)
_OTHERWISE_MIXED: Final = "may have mixed case, but should otherwise match: "
_IMMUTABLE: Final = (("scope",), ("names", "kind"), ("group",), ("names", "plural"))


def check(crd: JsonObject) -> list[FieldError]:
    """Return the errors of a definition, new or changed."""
    spec = hoisted(crd["spec"])
    versions: list[JsonObject] = spec["versions"]
    found = [*_group_and_scope(spec), *_no_schema(spec)]
    for index, version in enumerate(versions):
        found += _version(version, f"spec.versions[{index}]", spec)
    found += [
        *_versions(spec, unsaid=crd["spec"].get("versions") is None),
        *_names(spec.get("names") or {}, "spec.names"),
    ]
    found += _shared(spec)
    found += crd_conversion.check(spec.get("conversion") or {}, "spec.conversion")
    found += _stored_versions(crd.get("status", {}).get("storedVersions"), versions)
    found += _approval(crd)
    if spec.get("preserveUnknownFields"):
        text = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead"
        found.append(invalid("spec.preserveUnknownFields", True, text))
    return found


def check_immutable(new: JsonObject, old: JsonObject) -> Iterator[FieldError]:
    """Return the errors of changes of immutable fields."""
    for path in _IMMUTABLE:
        before, after = _at(old["spec"], path), _at(new["spec"], path)
        if before != after:
            yield invalid(f"spec.{'.'.join(path)}", after, "field is immutable")


def _at(value: JsonObject, path: tuple[str, ...]) -> Any:
    for name in path:
        value = value.get(name) or {}
    return value or ""


def _group_and_scope(spec: JsonObject) -> Iterator[FieldError]:
    group: str = spec.get("group") or ""
    if not group:
        yield required("spec.group")
    elif wrong := names.dns_subdomain(group):
        yield invalid("spec.group", group, ",".join(wrong))
    elif "." not in group:
        yield invalid("spec.group", group, "should be a domain with at least one dot")
    if not spec.get("scope"):
        yield required("spec.scope")
    elif spec["scope"] not in _SCOPES:
        yield not_supported("spec.scope", spec["scope"], _SCOPES)


def _schema_of(part: JsonObject, name: str) -> JsonObject | None:
    found: JsonObject = part.get(name) or {}
    return found.get("openAPIV3Schema")


def _subresource(part: JsonObject, name: str) -> JsonObject | None:
    found: JsonObject = part.get("subresources") or {}
    return found.get(name)


def _no_schema(spec: JsonObject) -> Iterator[FieldError]:
    if _schema_of(spec, "validation") is None:
        for index, version in enumerate(spec["versions"]):
            if _schema_of(version, "schema") is None:
                yield required(f"spec.versions[{index}].schema.openAPIV3Schema")


def _version(version: JsonObject, path: str, spec: JsonObject) -> Iterator[FieldError]:
    """Yield the errors of a version, and of the fields that it does not share with others."""
    name: str = version.get("name") or ""
    if wrong := names.resource_label(name):
        yield invalid(f"{path}.name", name, ",".join(wrong))
    yield from _deprecation_warning(version, path)
    schema = _schema_of(version, "schema")
    if schema is not None:
        own = version if any("subresources" in one for one in spec["versions"]) else spec
        has_status = _subresource(own, "status") is not None
        yield from crd_schema.check(schema, f"{path}.schema.openAPIV3Schema", has_status=has_status)
    yield from _parts(
        version, path, schema, unset="may only be set when `version.schema.openAPIV3Schema` is not included"
    )


def _shared(spec: JsonObject) -> Iterator[FieldError]:
    """Yield the errors of fields that all versions share."""
    schema = _schema_of(spec, "validation")
    if schema is not None:
        owners = [spec, *spec["versions"]]
        has_status = any(_subresource(one, "status") is not None for one in owners)
        yield from crd_schema.check(schema, "spec.validation.openAPIV3Schema", has_status=has_status)
    yield from _parts(spec, "spec", schema, unset="may only be set when validations.schema is included")


def _parts(owner: JsonObject, path: str, schema: JsonObject | None, *, unset: str) -> Iterator[FieldError]:
    yield from _scale(_subresource(owner, "scale"), f"{path}.subresources.scale")
    for index, column in enumerate(owner.get("additionalPrinterColumns") or ()):
        yield from _column(column, f"{path}.additionalPrinterColumns[{index}]")
    if owner.get("selectableFields"):
        if schema is None:
            yield invalid(f"{path}.selectableFields", "", unset)
        else:
            yield from _selectable_fields(owner["selectableFields"], schema, f"{path}.selectableFields")


def _deprecation_warning(version: JsonObject, path: str) -> Iterator[FieldError]:
    text: str | None = version.get("deprecationWarning")
    if text is None:
        return
    wrong: list[str] = []
    if not version.get("deprecated"):
        wrong = ["can only be set for deprecated versions"]
    elif len(text.encode()) > _WARNING_LIMIT:
        wrong = [f"must be <= {_WARNING_LIMIT} characters long"]
    elif not text:
        wrong = ["must not be an empty string"]
    bad = next((index for index, character in enumerate(text) if not character.isprintable()), None)
    if version.get("deprecated") and bad is not None:
        why = f"non-printable character found at index {len(text[:bad].encode())}"
        wrong.append(f"must only contain printable UTF-8 characters; {why}")
    for why in wrong:
        yield invalid(f"{path}.deprecationWarning", text, why)


def _versions(spec: JsonObject, *, unsaid: bool) -> Iterator[FieldError]:
    versions: list[JsonObject] = spec["versions"]
    given = [version.get("name") for version in versions]
    if len(set(given)) < len(given):
        yield invalid("spec.versions", shown_versions(versions), "must contain unique version names")
    if sum(1 for version in versions if version.get("storage")) != 1:
        text = "must have exactly one version marked as storage version"
        yield invalid("spec.versions", None if unsaid else shown_versions(versions), text)
    if spec.get("version") and (wrong := names.resource_label(spec["version"])):
        yield invalid("spec.version", spec["version"], ",".join(wrong))


def _names(given: JsonObject, path: str) -> Iterator[FieldError]:
    for name in ("plural", "singular", "kind", "listKind"):
        if not given.get(name):
            yield required(f"{path}.{name}")
    for name, mixed in (("plural", False), ("singular", False), ("kind", True), ("listKind", True)):
        value: str = given.get(name) or ""
        wrong = names.resource_label(value.lower() if mixed else value)
        if value and wrong:
            yield invalid(f"{path}.{name}", value, (_OTHERWISE_MIXED if mixed else "") + ",".join(wrong))
    yield from _labels(given.get("shortNames") or (), f"{path}.shortNames")
    if given.get("kind") and given["kind"] == given.get("listKind"):
        yield invalid(f"{path}.listKind", given["kind"], "kind and listKind may not be the same")
    yield from _labels(given.get("categories") or (), f"{path}.categories")


def _labels(values: Sequence[str], path: str) -> Iterator[FieldError]:
    for index, value in enumerate(values):
        if wrong := names.resource_label(value):
            yield invalid(f"{path}[{index}]", value, ",".join(wrong))


def _column(column: JsonObject, path: str) -> Iterator[FieldError]:
    types, formats = (f"must be one of {','.join(known)}" for known in (_COLUMN_TYPES, _COLUMN_FORMATS))
    if not column.get("name"):
        yield required(f"{path}.name")
    if not column.get("type"):
        yield required(f"{path}.type", types)
    elif column["type"] not in _COLUMN_TYPES:
        yield invalid(f"{path}.type", column["type"], types)
    if column.get("format") and column["format"] not in _COLUMN_FORMATS:
        yield invalid(f"{path}.format", column["format"], formats)
    if not column.get("jsonPath"):
        yield required(f"{path}.JSONPath")
    else:
        yield from _simple_path(column["jsonPath"], f"{path}.JSONPath")


def _simple_path(value: str, path: str) -> Iterator[FieldError]:
    if not value.startswith("."):
        yield invalid(path, value, "must be a simple json path starting with .")


def _scale(scale: JsonObject | None, path: str) -> Iterator[FieldError]:
    if scale is None:
        return
    for name, above in (("specReplicasPath", ".spec"), ("statusReplicasPath", ".status")):
        value: str = scale.get(name) or ""
        if not value:
            yield required(f"{path}.{name}")
        elif wrong := list(_simple_path(value, f"{path}.{name}")):
            yield from wrong
        elif not value.startswith(f"{above}."):
            yield invalid(f"{path}.{name}", value, f"should be a json path under {above}")
    selector: str = scale.get("labelSelectorPath") or ""
    if wrong := list(_simple_path(selector or ".", f"{path}.labelSelectorPath")):
        yield from wrong
    elif selector and not selector.startswith((".spec.", ".status.")):
        yield invalid(f"{path}.labelSelectorPath", selector, "should be a json path under either .spec or .status")


def _selectable_fields(fields: Sequence[JsonObject], schema: JsonObject, path: str) -> Iterator[FieldError]:
    seen: set[str] = set()
    for index, one in enumerate(fields):
        place, value = f"{path}[{index}].jsonPath", one.get("jsonPath") or ""
        if not value:
            yield required(place)
            continue
        try:
            found = find(value, schema, brackets=False)
        except BadFieldPath as error:
            yield invalid(place, value, f"is an invalid path: {error}")
            continue
        if value.split(".")[1] == "metadata":
            yield invalid(place, value, "must not point to fields in metadata")
        if found.get("type") not in _SELECTABLE_TYPES:
            yield invalid(place, value, _SELECTABLE)
        if value in seen:
            yield duplicate(place, value)
        seen.add(value)
    if len(seen) > _MAX_SELECTABLE_FIELDS:
        yield too_many(path, len(seen), _MAX_SELECTABLE_FIELDS)


def _stored_versions(stored: list[str] | None, versions: Sequence[JsonObject]) -> Iterator[FieldError]:
    """Yield an error for each stored version that would be removed."""
    path = "status.storedVersions"
    if not stored:
        yield invalid(path, None, "must have at least one stored version")
        return
    for version in versions:
        if version.get("storage") and version.get("name", "") not in stored:
            yield invalid(path, stored, f"must have the storage version {version.get('name', '')}")
    known = {version.get("name", "") for version in versions}
    for index, name in enumerate(stored):
        if name not in known:
            text = (
                f"missing from spec.versions; {name} was previously a storage version, and must remain in "
                "spec.versions until a storage migration ensures no data remains persisted in "
                f"{name} and removes {name} from status.storedVersions"
            )
            yield invalid(f"{path}[{index}]", name, text)


def _approval(crd: JsonObject) -> Iterator[FieldError]:
    """Yield an error if a group of the Kubernetes project lacks the annotation of its approval."""
    group: str = crd["spec"].get("group") or ""
    if not f".{group}".endswith((".k8s.io", ".kubernetes.io")):
        return
    path = f"metadata.annotations[{_APPROVED}]"
    annotations: dict[str, str] = crd["metadata"].get("annotations") or {}
    given = annotations.get(_APPROVED, "")
    parts = urlsplit(given)
    if not given:
        yield required(path, f"{_APPROVAL}, {_APPROVAL_TEXT}")
    elif not given.startswith("unapproved") and not (parts.scheme and parts.netloc):
        text = f'{_APPROVAL} with either a URL or a reason starting with "unapproved", {_APPROVAL_TEXT}'
        yield invalid(path, given, text)
