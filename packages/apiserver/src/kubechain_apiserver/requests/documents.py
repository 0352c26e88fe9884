"""Discovery and OpenAPI documents as bytes, cached until the registry changes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import orjson

from kubechain_apiserver.openapi.discovery import Discovery
from kubechain_apiserver.requests import negotiation
from kubechain_apiserver.wire.http_types import JSON
from kubechain_apiserver.wire.json_types import JsonObject
from kubechain_apiserver.wire.registry import Registry

_AGGREGATED: Final = "application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList"

_INDEX_MEDIA: Final = "text/plain; charset=utf-8"
"""Media type of the OpenAPI v3 index in kube-apiserver, although its content is JSON."""


@dataclass(frozen=True, slots=True)
class Document:
    """An encoded document."""

    body: bytes
    media: str = JSON

    @property
    def etag(self) -> str:
        """A hash of the bytes."""
        return hashlib.sha256(self.body).hexdigest().upper()


class Documents:
    """Encodes each document on first use, and drops all when the registry changes."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._generation = -1
        self._discovery = Discovery(registry)
        self._cache: dict[tuple[str, str], Document | None] = {}

    def find(self, path: str, accept: str) -> Document | None:
        """Return the document of a path, or None.

        Raises:
            StatusError: 406, the document has no acceptable form.
        """
        self._refresh()
        match path.strip("/").split("/"):
            case ["api" | "apis" as root]:
                return self._root(root, accept)
            case ["api", version]:
                return self._plain(path, lambda: self._discovery.resource_list("", version), accept)
            case ["apis", group]:
                return self._plain(path, lambda: self._discovery.group(group), accept)
            case ["apis", group, version]:
                return self._plain(path, lambda: self._discovery.resource_list(group, version), accept)
            case ["openapi", "v2"]:
                return self._openapi_v2(accept)
            case ["openapi", "v3"]:
                return self._plain(path, self._openapi_index, accept, media=_INDEX_MEDIA)
            case ["openapi", "v3", "api", version]:
                return self._openapi_v3(path, "", version, accept)
            case ["openapi", "v3", "apis", group, version]:
                return self._openapi_v3(path, group, version, accept)
            case _:
                return None

    def _refresh(self) -> None:
        if self._generation != self._registry.generation:
            self._generation = self._registry.generation
            self._discovery = Discovery(self._registry)
            self._cache.clear()

    def _cached(self, key: tuple[str, str], make: Callable[[], Document | None]) -> Document | None:
        if key not in self._cache:
            self._cache[key] = make()
        return self._cache[key]

    def _plain(
        self, path: str, make: Callable[[], JsonObject | None], accept: str, *, media: str = JSON
    ) -> Document | None:
        if not negotiation.accepts_json(accept):
            raise negotiation.not_acceptable()

        def encoded() -> Document | None:
            made = make()
            return Document(orjson.dumps(made), media) if made is not None else None

        return self._cached((path, ""), encoded)

    def _root(self, root: str, accept: str) -> Document | None:
        version = negotiation.aggregated_discovery(accept)
        core = root == "api"
        if version is None:
            return self._plain(root, self._discovery.core_versions if core else self._discovery.group_list, accept)

        def aggregated() -> Document:
            made = self._discovery.aggregated(version, core=core)
            return Document(orjson.dumps(made), _AGGREGATED.format(version=version))

        return self._cached((root, version), aggregated)

    def _openapi_v3(self, path: str, group: str, version: str, accept: str) -> Document | None:
        from kubechain_apiserver.openapi import v3 as openapi  # not before somebody asks: a server starts without it

        return self._plain(path, lambda: openapi.document(self._discovery, group, version), accept)

    def _openapi_v2(self, accept: str) -> Document | None:
        from kubechain_apiserver.openapi import protobuf as openapi_protobuf
        from kubechain_apiserver.openapi import v2 as openapi_v2

        if not negotiation.prefers_openapi_protobuf(accept):
            return self._plain("openapi/v2", lambda: openapi_v2.document(self._discovery), accept)

        def protobuf() -> Document:
            encoded = openapi_protobuf.encode(openapi_v2.without_paths(self._discovery))
            return Document(encoded, negotiation.OPENAPI_V2_PROTOBUF_DOTTED)

        return self._cached(("openapi/v2", "protobuf"), protobuf)

    def _openapi_index(self) -> JsonObject:
        return {
            "paths": dict(self._openapi_entry(group, version) for group, version in self._discovery.group_versions())
        }

    def _openapi_entry(self, group: str, version: str) -> tuple[str, JsonObject]:
        path = f"apis/{group}/{version}" if group else f"api/{version}"
        found = self.find(f"/openapi/v3/{path}", JSON)
        assert found is not None, "a served version has a document"
        return path, {"serverRelativeURL": f"/openapi/v3/{path}?hash={found.etag}"}
