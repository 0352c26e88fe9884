"""OpenAPI v3: an index, and a document for each group and version, made from the registry.

Called by `documents`, which caches. `kubectl explain` reads descriptions from it, and kubectl looks up here whether the
server validates fields, so that it need not do so itself. The older form is in `openapi_v2`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from importlib import resources
from typing import Any, Final, cast

import orjson

from kubechain.embedded.discovery import Discovery, subresource_verbs, subresources
from kubechain.embedded.registry import JsonObject, ResourceInfo
from kubechain.embedded.versions import GIT_VERSION

META: Final = "io.k8s.apimachinery.pkg.apis.meta.v1."
REFERENCE: Final = "#/components/schemas/"
_PATCH_TYPES: Final = ("application/json-patch+json", "application/merge-patch+json", "application/apply-patch+yaml")
_METHODS: Final = {
    "get": "get",
    "list": "get",
    "create": "post",
    "update": "put",
    "patch": "patch",
    "delete": "delete",
    "deletecollection": "delete",
}
_ACTIONS: Final = {"create": "post", "update": "put"}
_WRITE_OPTIONS: Final = ("dryRun", "fieldManager", "fieldValidation")
_LIST_OPTIONS: Final = ("labelSelector", "fieldSelector", "continue", "limit", "resourceVersion", "watch")
_OPTIONS: Final = {
    "create": _WRITE_OPTIONS,
    "update": _WRITE_OPTIONS,
    "patch": (*_WRITE_OPTIONS, "force"),
    "delete": ("dryRun", "gracePeriodSeconds", "propagationPolicy"),
    "list": _LIST_OPTIONS,
    "deletecollection": _LIST_OPTIONS,
}
_OPTION_TYPES: Final = {"limit": "integer", "gracePeriodSeconds": "integer", "watch": "boolean", "force": "boolean"}

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
_METADATA_DESCRIPTION: Final = (
    "Standard object's metadata. More info: "
    "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata"
)


@cache
def builtin_schemas() -> JsonObject:
    """Return the schemas of built-in kinds, by name; shared, so not to be changed."""
    text = resources.files("kubechain.embedded").joinpath("openapi_builtin.json").read_bytes()
    return orjson.loads(text)


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
        "paths": {path: item for info in infos for path, item in _paths(info)},
        "components": {"schemas": with_references(own, [META + "DeleteOptions", META + "Status", META + "Patch"])},
    }


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
    schema: JsonObject = {"type": "object", **(info.schema or {"x-kubernetes-preserve-unknown-fields": True})}
    metadata: JsonObject = {"allOf": [{"$ref": f"{REFERENCE}{META}ObjectMeta"}], "description": _METADATA_DESCRIPTION}
    schema["properties"] = {**schema.get("properties", {}), **TYPE_META, "metadata": metadata}
    schema["x-kubernetes-group-version-kind"] = [_kind(info, info.kind)]
    return schema


def _list_schema(info: ResourceInfo, item: str) -> JsonObject:
    metadata = {"allOf": [{"$ref": f"{REFERENCE}{META}ListMeta"}], "description": _METADATA_DESCRIPTION}
    items = {
        "description": f"List of {info.plural}.",
        "type": "array",
        "items": {"allOf": [{"$ref": REFERENCE + item}]},
    }
    return {
        "description": f"{info.list_kind} is a list of {info.kind}",
        "type": "object",
        "required": ["items"],
        "properties": {**TYPE_META, "metadata": metadata, "items": items},
        "x-kubernetes-group-version-kind": [_kind(info, info.list_kind)],
    }


def _kind(info: ResourceInfo, kind: str) -> JsonObject:
    return {"group": info.group, "version": info.version, "kind": kind}


def _paths(info: ResourceInfo) -> Iterator[tuple[str, JsonObject]]:
    root = f"/apis/{info.group}/{info.version}" if info.group else f"/api/{info.version}"
    collection = f"{root}/namespaces/{{namespace}}/{info.plural}" if info.namespaced else f"{root}/{info.plural}"
    verbs = set(info.verbs)
    yield collection, _path_item(info, sorted(verbs & {"list", "create", "deletecollection"}), collection)
    if info.namespaced and "list" in verbs:
        yield f"{root}/{info.plural}", _path_item(info, ["list"], "")
    item = collection + "/{name}"
    if verbs & {"get", "update", "patch", "delete"}:
        yield item, _path_item(info, sorted(verbs & {"get", "update", "patch", "delete"}), item)
    for name in subresources(info):
        yield f"{item}/{name}", _path_item(info, sorted(subresource_verbs(info, name)), item)


def _path_item(info: ResourceInfo, verbs: list[str], path: str) -> JsonObject:
    names = [name for name in ("namespace", "name") if f"{{{name}}}" in path]
    item: JsonObject = {_METHODS[verb]: _operation(info, verb) for verb in verbs}
    if names:
        item["parameters"] = [_parameter(name, where="path", required=True) for name in names]
    return item


def _operation(info: ResourceInfo, verb: str) -> JsonObject:
    answer = {"$ref": REFERENCE + schema_name(info, kind=info.list_kind if verb == "list" else "")}
    operation: JsonObject = {
        "tags": [f"{info.group or 'core'}_{info.version}"],
        "operationId": f"{verb}{info.group.title().replace('.', '')}{info.version.title()}{info.kind}",
        "parameters": [_parameter(name) for name in _OPTIONS.get(verb, ())],
        "responses": {"200": {"description": "OK", "content": {"application/json": {"schema": answer}}}},
        "x-kubernetes-action": _ACTIONS.get(verb, verb),
        "x-kubernetes-group-version-kind": _kind(info, info.kind),
    }
    body = _request_body(info, verb)
    return {**operation, "requestBody": body} if body else operation


def _request_body(info: ResourceInfo, verb: str) -> JsonObject | None:
    match verb:
        case "create" | "update":
            media, name = ("application/json",), schema_name(info)
        case "patch":
            media, name = _PATCH_TYPES, META + "Patch"
        case "delete" | "deletecollection":
            media, name = ("application/json",), META + "DeleteOptions"
        case _:
            return None
    return {"content": {one: {"schema": {"$ref": REFERENCE + name}} for one in media}}


def _parameter(name: str, *, where: str = "query", required: bool = False) -> JsonObject:
    parameter: JsonObject = {"name": name, "in": where, "schema": {"type": _OPTION_TYPES.get(name, "string")}}
    return {**parameter, "required": True} if required else parameter
