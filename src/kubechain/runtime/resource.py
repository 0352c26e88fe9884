"""Describes a kind to the runtime: its API path, and how its objects are decoded and encoded. No models here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, Protocol, TypeVar
from urllib.parse import quote

from kubechain.runtime.metadata import PartialObject, decode_partial


class OwnerReferenceLike(Protocol):
    """The fields of an owner reference that the runtime reads."""

    @property
    def api_version(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def uid(self) -> str: ...
    @property
    def controller(self) -> bool | None: ...


class ObjectMetadata(Protocol):
    """The metadata fields that the runtime reads; pydantic models and `Metadata` satisfy it."""

    @property
    def name(self) -> str | None: ...
    @property
    def namespace(self) -> str | None: ...
    @property
    def uid(self) -> str | None: ...
    @property
    def resource_version(self) -> str | None: ...
    @property
    def generation(self) -> int | None: ...
    @property
    def labels(self) -> Mapping[str, str] | None: ...
    @property
    def owner_references(self) -> Sequence[OwnerReferenceLike] | None: ...


class KubernetesObject(Protocol):
    """A typed object: `apiVersion`, `kind` and `metadata` under Python names."""

    @property
    def api_version(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def metadata(self) -> ObjectMetadata: ...


T = TypeVar("T", bound=KubernetesObject)


def _no_encoder(obj: Any) -> bytes:
    raise TypeError(f"objects of this resource are read-only: {type(obj).__name__}")


@dataclass(frozen=True, slots=True)
class Resource(Generic[T]):
    """One kind at one version: its API path, and the codec between bytes and models.

    Attributes:
        label_selector: What its cache holds, as kubectl's `-l`; empty for all objects. A kind has one cache.
        is_frozen: Decoded objects are immutable, and nobody changes the values inside them: readers may share one.
        is_optional: Its cache is filled only where the API server permits to list and watch it; `Informer.follows`
            tells where. Elsewhere its readers get single objects by name.
    """

    group: str
    version: str
    kind: str
    plural: str
    decode: Callable[[bytes], T]
    encode: Callable[[T], bytes] = _no_encoder
    namespaced: bool = True
    metadata_only: bool = False
    is_frozen: bool = False
    label_selector: str = ""
    is_optional: bool = False

    @property
    def api_version(self) -> str:
        """Return the wire's `apiVersion`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def identity(self) -> tuple[str, str, str, bool]:
        """Return the key of the cache of this resource; resources that differ in their codec only share a cache."""
        return (self.group, self.version, self.plural, self.metadata_only)

    def path(self, namespace: str | None = None, name: str = "", subresource: str = "") -> str:
        """Return the URL path of the collection, or of one object or subresource in it.

        Args:
            namespace: None addresses all namespaces; ignored for cluster-scoped kinds.
            name: empty addresses the collection.
            subresource: such as `status`.
        """
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        scope = f"/namespaces/{quote(namespace, safe='')}" if namespace and self.namespaced else ""
        tail = f"/{quote(name, safe='')}" if name else ""
        return f"{root}{scope}/{self.plural}{tail}" + (f"/{subresource}" if subresource else "")


def metadata_only(resource: Resource[Any]) -> Resource[PartialObject]:
    """Return the resource that reads only the metadata of this kind; for Secrets, whose data must not be cached."""
    if resource.metadata_only:
        return resource
    return replace(resource, decode=decode_partial, encode=_no_encoder, metadata_only=True, is_frozen=True)
