"""Content negotiation: the form of an object that a client accepts.

Pure: it parses Accept headers. Media types of request bodies are in `bodies`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Final

from kubechain_apiserver.wire.errors import StatusError
from kubechain_apiserver.wire.registry import ResourceInfo

SUPPORTED_OUTPUT: Final = "application/json"
"""The only encoding of responses."""

OPENAPI_V2_PROTOBUF: Final = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
OPENAPI_V2_PROTOBUF_DOTTED: Final = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
"""The same under a valid media type, which responses use."""

_JSON_RANGES: Final = frozenset({"application/json", "application/*", "*/*"})
PROTOBUF: Final = "application/vnd.kubernetes.protobuf"
"""Media type of bodies of client-go's typed clients, which accept JSON in return."""

_META_GROUP: Final = "meta.k8s.io"


class Form(Enum):
    """The form of objects in a response."""

    OBJECT = "object"
    TABLE = "table"
    PARTIAL = "partial"
    PARTIAL_LIST = "partial list"


_PARTIAL_FORMS: Final[Mapping[str, Form]] = {
    "PartialObjectMetadata": Form.PARTIAL,
    "PartialObjectMetadataList": Form.PARTIAL_LIST,
}


@dataclass(frozen=True, slots=True)
class MediaRange:
    """One entry of an Accept header.

    Attributes:
        media: `type/subtype`, lower case.
        parameters: Such as `as`, `g` and `v`.
        quality: 0 to 1; 0 means unacceptable.
    """

    media: str
    parameters: Mapping[str, str]
    quality: float


@lru_cache(maxsize=256)
def media_ranges(accept: str) -> tuple[MediaRange, ...]:
    """Parse an Accept header, best first: by quality, then in the order given."""
    ranges = [_media_range(part) for part in accept.split(",") if part.strip()]
    return tuple(sorted((r for r in ranges if r.quality > 0), key=lambda r: -r.quality))


def _media_range(text: str) -> MediaRange:
    media, *parts = (part.strip() for part in text.split(";"))
    parameters = dict(_parameters(parts))
    try:
        quality = float(parameters.pop("q", "1"))
    except ValueError:
        quality = 1.0
    return MediaRange(media.lower(), parameters, quality)


def _parameters(parts: list[str]) -> Iterator[tuple[str, str]]:
    for part in parts:
        key, _, value = part.partition("=")
        yield key.strip().lower(), value.strip().strip('"')


@lru_cache(maxsize=256)
def form(accept: str) -> Form:
    """Return the form of objects that an Accept header asks for.

    Raises:
        StatusError: 406, no supported form is acceptable.
    """
    if not accept:
        return Form.OBJECT
    for item in media_ranges(accept):
        found = _form_of(item)
        if found is not None:
            return found
    raise not_acceptable()


def _form_of(item: MediaRange) -> Form | None:
    if item.media not in _JSON_RANGES:
        return None
    wanted = item.parameters.get("as", "")
    if not wanted:
        return Form.OBJECT
    if item.parameters.get("g") != _META_GROUP or item.parameters.get("v") not in {"v1", "v1beta1"}:
        return None
    if wanted == "Table":
        return Form.TABLE
    return _PARTIAL_FORMS.get(wanted)


@lru_cache(maxsize=64)
def aggregated_discovery(accept: str) -> str | None:
    """Return the version of aggregated discovery that is preferred to plain discovery, or None."""
    for item in media_ranges(accept):
        if item.media not in _JSON_RANGES:
            continue
        if item.parameters.get("g") != "apidiscovery.k8s.io":
            return None
        if item.parameters.get("as") == "APIGroupDiscoveryList" and item.parameters.get("v") in {"v2", "v2beta1"}:
            return item.parameters["v"]
    return None


@lru_cache(maxsize=64)
def accepts_json(accept: str) -> bool:
    """Whether plain JSON is acceptable."""
    return not accept or any(item.media in _JSON_RANGES for item in media_ranges(accept))


@lru_cache(maxsize=64)
def prefers_openapi_protobuf(accept: str) -> bool:
    """Whether an Accept header prefers protobuf to JSON for the OpenAPI v2 document, as client-go's does."""
    for item in media_ranges(accept):
        if item.media in {OPENAPI_V2_PROTOBUF, OPENAPI_V2_PROTOBUF_DOTTED}:
            return True
        if item.media in _JSON_RANGES:
            return False
    return False


def not_acceptable() -> StatusError:
    """Return a 406 in kube-apiserver's words."""
    # In kube-apiserver's words, which writes all three; who asks for one of the others gets this refusal too.
    message = f"only the following media types are accepted: {SUPPORTED_OUTPUT}, application/yaml, {PROTOBUF}"
    return StatusError(406, "NotAcceptable", message=message)


def is_a_list(info: ResourceInfo) -> StatusError:
    """Return a 406 for a list that was requested in a form of single objects."""
    asked = "you requested PartialObjectMetadata, but the requested object is a list"
    go_type = "unstructured.UnstructuredList" if info.custom else f"{_go_package(info)}.{info.list_kind}"
    return StatusError(406, "NotAcceptable", message=f"{asked} (*{go_type})")


def not_a_list(info: ResourceInfo) -> StatusError:
    """Return a 406 for an object that was requested in a form of lists."""
    if info.custom:
        return StatusError(500, "", message="content is not a list")
    asked = "you requested PartialObjectMetadataList, but the requested object is not a list"
    return StatusError(406, "NotAcceptable", message=f"{asked} (*{_go_package(info)}.{info.kind})")


def _go_package(info: ResourceInfo) -> str:
    """Return the Go package of the internal types of a built-in group; Events have that of the core group."""
    group = info.group.partition(".")[0]
    return group if group not in {"", "events"} else "core"
