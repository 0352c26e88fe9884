"""Discovery: groups, versions and resources, in the plain and in the aggregated form.

Pure: it maps a registry to documents, which `requests.documents` caches.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from typing import Any, Final

from kubechain_apiserver.openapi import unstored
from kubechain_apiserver.openapi.versions import by_priority
from kubechain_apiserver.wire.json_types import JsonObject
from kubechain_apiserver.wire.registry import Registry, ResourceInfo

_STATUS_VERBS: Final = ("get", "patch", "update")
_CUSTOM_VERBS: Final = ("delete", "deletecollection", "get", "list", "patch", "create", "update", "watch")
_TERMINATING_VERBS: Final = ("delete", "deletecollection", "get", "list", "watch")
_ADDRESSES: Final = [{"clientCIDR": "0.0.0.0/0", "serverAddress": "127.0.0.1"}]
_SUBRESOURCE_VERBS: Final = {"finalize": ("update",)}

GroupVersion = tuple[str, str]


class Discovery:
    """The discovery documents of one state of the registry."""

    def __init__(self, registry: Registry) -> None:
        infos = [*registry.all(), *unstored.RESOURCES]
        self._groups: dict[str, dict[str, list[ResourceInfo]]] = {}
        for info in infos:
            self._groups.setdefault(info.group, {}).setdefault(info.version, []).append(info)

    def core_versions(self) -> JsonObject:
        """Return the body of `/api`."""
        versions = self._versions("")
        return {"kind": "APIVersions", "versions": versions, "serverAddressByClientCIDRs": _ADDRESSES}

    def group_list(self) -> JsonObject:
        """Return the body of `/apis`."""
        return {
            "kind": "APIGroupList",
            "apiVersion": "v1",
            "groups": [self._group(name) for name in self._named_groups()],
        }

    def group(self, name: str) -> JsonObject | None:
        """Return the body of `/apis/<group>`, or None for one that is not served."""
        if not name or name not in self._groups:
            return None
        return {"kind": "APIGroup", "apiVersion": "v1", **self._group(name)}

    def resource_list(self, group: str, version: str) -> JsonObject | None:
        """Return the body of `/apis/<group>/<version>`, or None for one that is not served."""
        infos = self._groups.get(group, {}).get(version)
        if infos is None:
            return None
        return {
            "kind": "APIResourceList",
            "apiVersion": "v1",
            "groupVersion": infos[0].api_version,
            "resources": [entry for info in infos for entry in _plain(info)],
        }

    def aggregated(self, version: str, *, core: bool) -> JsonObject:
        """Return the whole of `/api` or `/apis` in one document.

        Args:
            version: Of the document: `v2` or `v2beta1`, which look the same.
            core: Whether the core group is meant, or all others.
        """
        names = [""] if core else self._named_groups()
        return {
            "kind": "APIGroupDiscoveryList",
            "apiVersion": f"apidiscovery.k8s.io/{version}",
            "metadata": {},
            "items": [self._aggregated_group(name) for name in names],
        }

    def group_versions(self) -> list[GroupVersion]:
        """Return every group and version that is served, in order of discovery."""
        return [(name, version) for name in ["", *self._named_groups()] for version in self._versions(name)]

    def resources(self, group: str, version: str) -> list[ResourceInfo]:
        """Return the resources of a group and version."""
        return self._groups.get(group, {}).get(version, [])

    def _named_groups(self) -> list[str]:
        return [name for name in self._groups if name]

    def _versions(self, group: str) -> list[str]:
        return by_priority(self._groups.get(group, {}))

    def _group(self, name: str) -> JsonObject:
        versions = [{"groupVersion": f"{name}/{version}", "version": version} for version in self._versions(name)]
        return {"name": name, "versions": versions, "preferredVersion": versions[0]}

    def _aggregated_group(self, name: str) -> JsonObject:
        metadata: JsonObject = {"name": name} if name else {}
        return {
            "metadata": metadata,
            "versions": [
                {
                    "version": version,
                    "resources": [_aggregated(info) for info in sorted(self._groups[name][version], key=_plural)],
                    "freshness": "Current",
                }
                for version in self._versions(name)
            ],
        }


def _plural(info: ResourceInfo) -> str:
    return info.plural


def _plain(info: ResourceInfo) -> Iterable[JsonObject]:
    entry: JsonObject = {
        "name": info.plural,
        "singularName": info.singular,
        "namespaced": info.namespaced,
        "kind": info.kind,
        "verbs": _verbs(info),
    }
    if info.short_names:
        entry["shortNames"] = list(info.short_names)
    if info.categories:
        entry["categories"] = list(info.categories)
    if "create" in info.verbs and "list" in info.verbs:
        entry["storageVersionHash"] = _storage_hash(info)
    yield entry
    for name in subresources(info):
        yield {
            "name": f"{info.plural}/{name}",
            "singularName": "",
            "namespaced": info.namespaced,
            **unstored.subresource_kind(info, name),
            "verbs": list(subresource_verbs(info, name)),
        }


def _aggregated(info: ResourceInfo) -> JsonObject:
    entry: JsonObject = {
        "resource": info.plural,
        "responseKind": _response_kind(info, info.kind),
        "scope": "Namespaced" if info.namespaced else "Cluster",
        "singularResource": info.singular,
        "verbs": _verbs(info),
    }
    if info.short_names:
        entry["shortNames"] = list(info.short_names)
    if info.categories:
        entry["categories"] = list(info.categories)
    nested = [_aggregated_subresource(info, name) for name in subresources(info)]
    return {**entry, "subresources": nested} if nested else entry


def _aggregated_subresource(info: ResourceInfo, name: str) -> JsonObject:
    kind = unstored.subresource_kind(info, name)
    answer: dict[str, Any] = _response_kind(info, kind["kind"])
    if "group" in kind:
        answer = {"group": kind["group"], "version": kind["version"], "kind": kind["kind"]}
    return {"subresource": name, "responseKind": answer, "verbs": list(subresource_verbs(info, name))}


def _response_kind(info: ResourceInfo, kind: str) -> JsonObject:
    """Return version and kind of a reply; kube-apiserver leaves out the version of built-in kinds."""
    group, version = (info.group, info.version) if info.custom else ("", "")
    return {"group": group, "version": version, "kind": kind}


def _verbs(info: ResourceInfo) -> list[str]:
    """Return the verbs of a resource; those of custom kinds are in kube-apiserver's order."""
    if not info.custom:
        return list(info.verbs)
    if info.terminating:
        return list(_TERMINATING_VERBS)
    return sorted(info.verbs, key=_CUSTOM_VERBS.index)


def _storage_hash(info: ResourceInfo) -> str:
    """Return a hash of the storage version, by which migration tools see that it has changed."""
    group = "" if info.plural == "events" else info.group
    stored = f"{group}/{info.storage_version or info.version}/{info.kind}"
    return base64.b64encode(hashlib.sha256(stored.encode()).digest()[:8]).decode()


def subresources(info: ResourceInfo) -> list[str]:
    """Return the names of the subresources of a resource, sorted."""
    names = {*info.subresources, *unstored.subresources(info)}
    if info.has_status:
        names.add("status")
    return sorted(names)


def subresource_verbs(info: ResourceInfo, name: str) -> tuple[str, ...]:
    """Return the verbs of a subresource."""
    return unstored.subresource_verbs(info, name) or _SUBRESOURCE_VERBS.get(name, _STATUS_VERBS)
