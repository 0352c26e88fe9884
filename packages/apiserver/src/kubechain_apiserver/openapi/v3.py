"""OpenAPI v3: an index, and a document for each group and version, generated from the registry.

`kubectl explain` reads descriptions from it. kubectl also finds out here whether the server validates fields. The older
version is in `v2`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Any, Final, cast

import orjson

from kubechain_apiserver.openapi import operations, unstored
from kubechain_apiserver.openapi.discovery import Discovery, subresources
from kubechain_apiserver.openapi.operations import ANSWERS, DELETE_OPTIONS, MEDIA, PATCH, STATUS, Operation, Parameter
from kubechain_apiserver.openapi.versions import GIT_VERSION
from kubechain_apiserver.wire.json_types import JsonObject
from kubechain_apiserver.wire.registry import ResourceInfo

META: Final = "io.k8s.apimachinery.pkg.apis.meta.v1."
REFERENCE: Final = "#/components/schemas/"
TYPE_META: Final[JsonObject] = {
    "apiVersion": {
        "description": "APIVersion defines the versioned schema of this representation of an object. Servers should "
        "convert recognized schemas to the latest internal value, and may reject unrecognized values. More info: "
        "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#resources",
        "type": "string",
    },
    "kind": {
        "description": "Kind is a string value representing the REST resource this object represents. Servers may "
        "infer this from the endpoint the client submits requests to. Cannot be updated. In CamelCase. More info: "
        "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds",
        "type": "string",
    },
}
_CONVENTIONS: Final = "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md"
_METADATA: Final[JsonObject] = {
    "allOf": [{"$ref": f"{REFERENCE}{META}ObjectMeta"}],
    "description": f"Standard object's metadata. More info: {_CONVENTIONS}#metadata",
}
_LIST_METADATA: Final[JsonObject] = {
    "allOf": [{"$ref": f"{REFERENCE}{META}ListMeta"}],
    "description": f"Standard list metadata. More info: {_CONVENTIONS}#types-kinds",
}
_EMBEDDED_TYPE_META: Final[JsonObject] = {
    "apiVersion": {
        "description": "apiVersion defines the versioned schema of this representation of an object. More info: "
        f"{_CONVENTIONS}#resources",
        "type": "string",
    },
    "kind": {
        "description": "kind is a string value representing the type of this object. In CamelCase. More info: "
        f"{_CONVENTIONS}#types-kinds",
        "type": "string",
    },
}
META_KINDS: Final = (DELETE_OPTIONS, STATUS, PATCH)
"""Schemas in every document besides those of its own kinds."""


@cache
def builtin_schemas() -> JsonObject:
    """Return the schemas of built-in kinds, by name. They are shared and must not be changed."""
    text = resources.files("kubechain_apiserver.openapi").joinpath("builtin.json").read_bytes()
    found: JsonObject = orjson.loads(text)
    found[STATUS]["x-kubernetes-group-version-kind"] = [{"group": "", "kind": "Status", "version": "v1"}]
    return found


@cache
def _builtin_names() -> dict[tuple[str, str, str], str]:
    return {
        (kind["group"], kind["version"], kind["kind"]): name
        for name, schema in builtin_schemas().items()
        for kind in schema.get("x-kubernetes-group-version-kind", ())
    }


def schema_name(info: ResourceInfo, *, kind: str = "") -> str:
    """Return the name of the schema of a resource: that of the Go type, or the group backwards for a custom one."""
    kind = kind or info.kind
    found = _builtin_names().get((info.group, info.version, kind))
    if found is not None:
        return found
    return ".".join([*reversed((info.group or "core.api.k8s.io").split(".")), info.version, kind])


def builtin_name(kind: Mapping[str, str]) -> str:
    """Return the name of the schema of a built-in kind by its group, version and kind."""
    return _builtin_names()[kind["group"], kind["version"], kind["kind"]]


def document(discovery: Discovery, group: str, version: str) -> JsonObject | None:
    """Return the document of a group and version, or None for one that is not served."""
    infos = discovery.resources(group, version)
    if not infos:
        return None
    own: JsonObject = {}
    for info in infos:
        own |= schemas(info)
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": GIT_VERSION},
        "paths": {path.path: _path_item(path) for info in infos for path in paths(info)},
        "components": {"schemas": with_references(own, [*META_KINDS, *answers(infos)])},
    }


def answers(infos: Iterable[ResourceInfo]) -> Iterator[str]:
    """Return the schema names of subresources whose kind differs from that of the object."""
    return (name for info in infos for name in _of_subresources(info).values())


def _of_subresources(info: ResourceInfo) -> dict[str, str]:
    """Return the schemas of subresources whose kind differs from that of the object."""
    kinds = {name: unstored.subresource_kind(info, name) for name in subresources(info)}
    return {name: builtin_name(kind) for name, kind in kinds.items() if "group" in kind}


def schemas(info: ResourceInfo) -> JsonObject:
    """Return the schemas of a resource and of its list, by name."""
    name = schema_name(info)
    if name in builtin_schemas():
        wanted = [name, schema_name(info, kind=info.list_kind)]
        return {one: builtin_schemas()[one] for one in wanted if one in builtin_schemas()}
    return {name: _custom_schema(info), schema_name(info, kind=info.list_kind): _list_schema(info, name)}


def with_references(own: JsonObject, more: Iterable[str]) -> JsonObject:
    """Return schemas together with the built-in ones that they refer to, sorted by name."""
    found = dict(own)
    todo = [*more, *(name for schema in own.values() for name in _references(schema))]
    while todo:
        name = todo.pop()
        if name not in found:
            found[name] = builtin_schemas()[name]
            todo += _references(found[name])
    return dict(sorted(found.items()))


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, one in cast("JsonObject", value).items():
            if key == "$ref" and isinstance(one, str):
                yield one.removeprefix(REFERENCE)
            else:
                yield from _references(one)
    elif isinstance(value, list):
        for one in cast("list[Any]", value):
            yield from _references(one)


def _custom_schema(info: ResourceInfo) -> JsonObject:
    schema = _published({"type": "object", **(info.schema or {"x-kubernetes-preserve-unknown-fields": True})})
    schema["properties"] = {**schema.get("properties", {}), **TYPE_META, "metadata": _METADATA}
    return {**schema, **_extensions(info, info.kind)}


def _published(schema: JsonObject) -> JsonObject:
    """Return a schema as it is published: Kubernetes' extensions are translated to standard keywords too."""
    made = {name: _published_part(name, value) for name, value in schema.items()}
    if schema.get("x-kubernetes-int-or-string") and not _names_its_types(schema):
        of_types: list[JsonObject] = [{"type": "integer"}, {"type": "string"}]
        made |= {"allOf": [{"anyOf": of_types}, *schema.get("allOf", ())]} if "anyOf" in schema else {"anyOf": of_types}
    if schema.get("x-kubernetes-embedded-resource"):
        fields = {**TYPE_META, **_EMBEDDED_TYPE_META, "metadata": _METADATA}
        made["properties"] = {**made.get("properties", {}), **fields}
        made["required"] = list(dict.fromkeys([*made.get("required", ()), "kind", "apiVersion"]))
    return made


def _published_part(name: str, value: Any) -> Any:
    match name, value:
        case "properties", dict():
            return {key: _published(one) for key, one in cast("dict[str, JsonObject]", value).items()}
        case (("items" | "additionalProperties"), dict()):
            return _published(cast("JsonObject", value))
        case _:
            return value


def _names_its_types(schema: JsonObject) -> bool:
    of_types = [{"type": "integer"}, {"type": "string"}]
    all_of: list[JsonObject] = schema.get("allOf") or []
    return schema.get("anyOf") == of_types or any(one.get("anyOf") == of_types for one in all_of[:1])


def _list_schema(info: ResourceInfo, item: str) -> JsonObject:
    items = {
        "description": f"List of {info.plural}. More info: {_CONVENTIONS}",
        "type": "array",
        "items": {"$ref": REFERENCE + item},
    }
    return {
        "description": f"{info.list_kind} is a list of {info.kind}",
        "type": "object",
        "required": ["items"],
        "properties": {**TYPE_META, "metadata": _LIST_METADATA, "items": items},
        **_extensions(info, info.list_kind),
    }


def _extensions(info: ResourceInfo, kind: str) -> JsonObject:
    made: JsonObject = {
        "x-kubernetes-group-version-kind": [{"group": info.group, "version": info.version, "kind": kind}]
    }
    if info.selectable_fields:
        made["x-kubernetes-selectable-fields"] = [{"fieldPath": path} for path in info.selectable_fields]
    return made


def paths(info: ResourceInfo) -> Iterator[operations.PathItem]:
    """Yield the paths of a resource."""
    list_name = schema_name(info, kind=info.list_kind)
    names = operations.Schemas(schema_name(info), list_name, _of_subresources(info))
    return operations.paths(info, names)


def _path_item(path: operations.PathItem) -> JsonObject:
    shared = path.shared
    item: JsonObject = {one.method: _operation(one, shared) for one in path.operations}
    return {**item, "parameters": [_parameter(one) for one in shared]}


def _operation(operation: Operation, shared: tuple[Parameter, ...]) -> JsonObject:
    own = [_parameter(one) for one in operation.parameters if one not in shared]
    answer = _content(operation.answer, MEDIA)
    made: JsonObject = {
        "tags": [operation.tag],
        "description": operation.description,
        "operationId": operation.id,
        "responses": {
            **{code: {"description": ANSWERS[code], "content": answer} for code in operation.codes},
            "401": {"description": "Unauthorized"},
        },
        "x-kubernetes-action": operation.action,
        "x-kubernetes-group-version-kind": operation.kind,
    }
    if own:
        made["parameters"] = own
    if operation.body:
        required = {"required": True} if operation.body_is_required else {}
        made["requestBody"] = {"content": _content(operation.body, operation.consumes), **required}
    return made


def _content(schema: str, media: Iterable[str]) -> JsonObject:
    return {one: {"schema": {"$ref": REFERENCE + schema}} for one in media}


def _parameter(parameter: Parameter) -> JsonObject:
    made: JsonObject = {
        "name": parameter.name,
        "in": parameter.place,
        "description": parameter.description,
        "schema": {"type": parameter.type, "uniqueItems": True},
    }
    return {**made, "required": True} if parameter.place == "path" else made
