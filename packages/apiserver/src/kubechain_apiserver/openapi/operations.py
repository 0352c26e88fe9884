"""The operations below each path, which both versions of OpenAPI describe.

Names and texts are those of kube-apiserver, from which client generators make methods.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final

import orjson

from kubechain_apiserver.openapi import unstored
from kubechain_apiserver.openapi.discovery import subresource_verbs, subresources
from kubechain_apiserver.wire.json_types import JsonObject
from kubechain_apiserver.wire.registry import ResourceInfo

MEDIA: Final = ("application/json", "application/yaml")
STATUS: Final = "io.k8s.apimachinery.pkg.apis.meta.v1.Status"
DELETE_OPTIONS: Final = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions"
PATCH: Final = "io.k8s.apimachinery.pkg.apis.meta.v1.Patch"
ANSWERS: Final[Mapping[str, str]] = {"200": "OK", "201": "Created", "202": "Accepted"}

_PATCHES: Final = ("application/json-patch+json", "application/merge-patch+json", "application/apply-patch+yaml")
_STRATEGIC: Final = "application/strategic-merge-patch+json"
_LIST_OPTIONS: Final = (
    *("allowWatchBookmarks", "continue", "fieldSelector", "labelSelector", "limit", "resourceVersion"),
    *("resourceVersionMatch", "sendInitialEvents", "shardSelector", "timeoutSeconds", "watch"),
)
_WRITE_OPTIONS: Final = ("dryRun", "fieldManager", "fieldValidation")
_DELETE_OPTIONS: Final = (
    *("dryRun", "gracePeriodSeconds", "ignoreStoreReadErrorWithClusterBreakingPotential", "orphanDependents"),
    "propagationPolicy",
)
_NOTES: Final[Mapping[str, str]] = {"namespace": "object name and auth scope, such as for teams and projects"}


@dataclass(frozen=True, slots=True)
class _Verb:
    """The form of a verb in OpenAPI.

    Attributes:
        word: Prefix of operation ids.
        text: The description; `{a}` is the kind with its article, `{of}` the subresource.
        body: "object" for an object of the kind.
    """

    method: str
    action: str
    word: str
    text: str
    options: tuple[str, ...]
    codes: tuple[str, ...] = ("200",)
    body: str = ""


_VERBS: Final[Mapping[str, _Verb]] = {
    "list": _Verb("get", "list", "list", "list objects of kind {kind}", _LIST_OPTIONS),
    "create": _Verb("post", "post", "create", "create{of} {a}", _WRITE_OPTIONS, ("200", "201", "202"), "object"),
    "deletecollection": _Verb("delete", "deletecollection", "delete", "delete collection of{of} {kind}", _LIST_OPTIONS),
    "get": _Verb("get", "get", "read", "read{of} the specified {kind}", ("resourceVersion",)),
    "update": _Verb(
        "put", "put", "replace", "replace{of} the specified {kind}", _WRITE_OPTIONS, ("200", "201"), "object"
    ),
    "delete": _Verb("delete", "delete", "delete", "delete {a}", _DELETE_OPTIONS, ("200", "202"), DELETE_OPTIONS),
    "patch": _Verb(
        "patch", "patch", "patch", "partially update{of} the specified {kind}", (*_WRITE_OPTIONS, "force"), body=PATCH
    ),
}


@dataclass(frozen=True, slots=True)
class Parameter:
    """A part of a path, or a parameter of a query."""

    name: str
    place: str
    type: str
    description: str


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path.

    Attributes:
        body: Schema of the request body; "" for none.
        answer: Schema of the response.
        codes: Status codes of success.
    """

    method: str
    action: str
    id: str
    tag: str
    description: str
    parameters: tuple[Parameter, ...]
    body: str
    consumes: tuple[str, ...]
    answer: str
    codes: tuple[str, ...]
    kind: JsonObject

    @property
    def body_is_required(self) -> bool:
        return self.body != DELETE_OPTIONS


@dataclass(frozen=True, slots=True)
class PathItem:
    """All methods of one path."""

    path: str
    operations: tuple[Operation, ...]

    @property
    def shared(self) -> tuple[Parameter, ...]:
        """The parameters that all operations share."""
        first, *others = self.operations
        return tuple(one for one in first.parameters if all(one in other.parameters for other in others))


@dataclass(frozen=True, slots=True)
class Schemas:
    """Names of the schemas of a resource: of an object, of a list, and of subresources with a schema of their own."""

    object: str
    list: str
    other: Mapping[str, str]


def paths(info: ResourceInfo, names: Schemas) -> Iterator[PathItem]:
    """Yield the paths of a resource and their operations, sorted."""
    root = f"/apis/{info.group}/{info.version}" if info.group else f"/api/{info.version}"
    everywhere = f"{root}/{info.plural}"
    collection = f"{root}/namespaces/{{namespace}}/{info.plural}" if info.namespaced else everywhere
    verbs = set(info.verbs)
    make = _Maker(info, names)
    if info.namespaced and "list" in verbs:
        yield PathItem(everywhere, (make.operation("list", everywhere),))
    for path, of in ((collection, ("list", "create", "deletecollection")), (f"{collection}/{{name}}", _OF_OBJECTS)):
        if made := tuple(make.operation(verb, path) for verb in of if verb in verbs):
            yield PathItem(path, made)
    for name in subresources(info):
        path = f"{collection}/{{name}}/{name}"
        yield PathItem(path, tuple(make.operation(verb, path, name) for verb in subresource_verbs(info, name)))


_OF_OBJECTS: Final = ("get", "update", "delete", "patch")


class _Maker:
    """Builds the operations of one resource."""

    def __init__(self, info: ResourceInfo, names: Schemas) -> None:
        self._info = info
        self._names = names
        group = (info.group or "core").removesuffix(".k8s.io")
        camel = "".join(part[:1].upper() + part[1:] for part in group.replace("-", ".").split("."))
        self._prefix = f"{camel}{info.version.title()}"
        self._tag = f"{camel[:1].lower()}{camel[1:]}_{info.version}"

    def operation(self, verb: str, path: str, subresource: str = "") -> Operation:
        how, info = _VERBS[verb], self._info
        kind = unstored.subresource_kind(info, subresource)
        object_ = self._names.other.get(subresource, self._names.object)
        return Operation(
            how.method,
            how.action,
            self._id(how, verb, path, subresource),
            self._tag,
            how.text.format(kind=info.kind, a=_with_article(info.kind), of=f" {subresource} of" if subresource else ""),
            tuple(_parameters(how, path, info.kind)),
            object_ if how.body == "object" else how.body,
            self._consumes(verb),
            STATUS if how.method == "delete" else self._names.list if verb == "list" else object_,
            how.codes,
            {"group": info.group, "version": info.version, **kind},
        )

    def _id(self, how: _Verb, verb: str, path: str, subresource: str) -> str:
        scope = "Namespaced" if "{namespace}" in path else ""
        collection = "Collection" if verb == "deletecollection" else ""
        everywhere = "ForAllNamespaces" if verb == "list" and self._info.namespaced and not scope else ""
        return f"{how.word}{self._prefix}{collection}{scope}{self._info.kind}{subresource.title()}{everywhere}"

    def _consumes(self, verb: str) -> tuple[str, ...]:
        if verb != "patch":
            return MEDIA
        return _PATCHES if self._info.custom else (*_PATCHES, _STRATEGIC)


def _with_article(kind: str) -> str:
    if kind.endswith("s") and not kind.endswith("ss"):
        return kind
    return f"{'an' if kind[:1].lower() in 'aeiou' else 'a'} {kind}"


def _parameters(how: _Verb, path: str, kind: str) -> Iterator[Parameter]:
    """Return the parameters of an operation, by name."""
    of_path = [name for name in ("name", "namespace") if f"{{{name}}}" in path]
    for name in sorted([*of_path, *how.options, "pretty"]):
        if name in of_path:
            yield Parameter(name, "path", "string", _NOTES.get(name, f"name of the {kind}"))
        else:
            known = _texts()
            said = known.get(f"{name} of a {how.action}", known[name])
            yield Parameter(name, "query", said["type"], said["description"])


@cache
def _texts() -> Mapping[str, Mapping[str, str]]:
    """Return Kubernetes' descriptions of query parameters."""
    return orjson.loads(resources.files("kubechain_apiserver.openapi").joinpath("parameters.json").read_bytes())
