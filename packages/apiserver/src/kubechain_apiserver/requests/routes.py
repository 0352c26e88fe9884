"""Parses a URL path into resource, namespace, name and subresource, and finds the verb.

Whether the resource exists is not checked here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Verb = Literal["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"]

HEALTH_PATHS: Final = frozenset({"/healthz", "/livez", "/readyz"})
"""Health endpoints; each has its checks below it."""

_NAMESPACE_SUBRESOURCES: Final = frozenset({"status", "finalize"})
"""Subresources of a Namespace; any other path element there is a resource in the namespace."""

_NAMED: Final[dict[str, Verb]] = {
    "GET": "get",
    "HEAD": "get",
    "PUT": "update",
    "PATCH": "patch",
    "DELETE": "delete",
}
_COLLECTION: Final[dict[str, Verb]] = {"GET": "list", "HEAD": "list", "POST": "create", "DELETE": "deletecollection"}


@dataclass(frozen=True, slots=True)
class ResourcePath:
    """A path below `/api/v1` or `/apis/<group>/<version>`.

    Attributes:
        namespace: "" for a cluster-wide resource and for all namespaces.
        name: "" for the collection.
        subresource: "" for the object itself.
    """

    group: str
    version: str
    plural: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""


def parse(path: str) -> ResourcePath | None:
    """Return the resource path of a URL, or None if it is none."""
    parts = path.strip("/").split("/")
    match parts:
        case ["api", version, _, *_]:
            return _below("", version, parts[2:])
        case ["apis", group, version, _, *_]:
            return _below(group, version, parts[3:])
        case _:
            return None


def _below(group: str, version: str, parts: list[str]) -> ResourcePath | None:
    namespace = ""
    if parts[0] == "namespaces" and len(parts) > 2 and not _is_of_namespace(parts):
        namespace, parts = parts[1], parts[2:]
    if len(parts) > 3 or not all(parts):
        return None
    plural, name, subresource = (*parts, "", "")[:3]
    return ResourcePath(group, version, plural, namespace, name, subresource)


def _is_of_namespace(parts: list[str]) -> bool:
    return len(parts) == 3 and parts[2] in _NAMESPACE_SUBRESOURCES


def verb(method: str, path: ResourcePath, *, watch: bool) -> Verb | None:
    """Return the verb of a request, or None for a method that the path does not have."""
    found = (_NAMED if path.name else _COLLECTION).get(method)
    return "watch" if watch and found == "list" else found
