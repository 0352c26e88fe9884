"""Content negotiation: which form of an object a client asks for, and how a request body is encoded.

Called by `server` and `verbs`. Pure: takes header texts and bodies,
gives values. How a Table or a document looks must not go here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Any, Final, cast

import orjson
import yaml

from kubechain.embedded import errors, gojson, goyaml, protobuf
from kubechain.embedded.engine import PatchType
from kubechain.embedded.errors import StatusError
from kubechain.embedded.registry import JsonObject, ResourceInfo

SUPPORTED_OUTPUT: Final = "application/json"
"""The only encoding that we write."""

OPENAPI_V2_PROTOBUF: Final = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
OPENAPI_V2_PROTOBUF_DOTTED: Final = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
"""The same under the name that is a valid media type; servers answer with it."""

_JSON_RANGES: Final = frozenset({"application/json", "application/*", "*/*"})
PROTOBUF: Final = "application/vnd.kubernetes.protobuf"
"""What client-go's typed clients send; they take JSON in return."""

YAML_BODIES: Final = frozenset({"application/yaml", "application/x-yaml", "text/yaml"})
"""What people and tools call YAML."""

_META_GROUP: Final = "meta.k8s.io"


class Form(Enum):
    """In which form objects are sent."""

    OBJECT = "object"
    TABLE = "table"
    PARTIAL = "partial"
    PARTIAL_LIST = "partial list"


_PARTIAL_FORMS: Final[Mapping[str, Form]] = {
    "PartialObjectMetadata": Form.PARTIAL,
    "PartialObjectMetadataList": Form.PARTIAL_LIST,
}

PATCH_TYPES: Final[Mapping[str, PatchType]] = {
    "application/json-patch+json": "json",
    "application/merge-patch+json": "merge",
    "application/strategic-merge-patch+json": "strategic",
    "application/apply-patch+yaml": "apply",
}
"""The encodings of patches, by media type."""


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
        StatusError: 406, neither JSON nor a form that we know is among what is accepted.
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
    """Return the version of aggregated discovery that is asked for before plain discovery, or None."""
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
    """Whether a request for the OpenAPI v2 document wants protobuf before JSON, as client-go does."""
    for item in media_ranges(accept):
        if item.media in {OPENAPI_V2_PROTOBUF, OPENAPI_V2_PROTOBUF_DOTTED}:
            return True
        if item.media in _JSON_RANGES:
            return False
    return False


def not_acceptable() -> StatusError:
    """406, in kube-apiserver's words."""
    # In kube-apiserver's words, which writes all three; who asks for one of the others gets this refusal too.
    message = f"only the following media types are accepted: {SUPPORTED_OUTPUT}, application/yaml, {PROTOBUF}"
    return StatusError(406, "NotAcceptable", message=message)


def is_a_list(info: ResourceInfo) -> StatusError:
    """406, for a list that was asked for in a form of one object."""
    asked = "you requested PartialObjectMetadata, but the requested object is a list"
    go_type = "unstructured.UnstructuredList" if info.custom else f"{_go_package(info)}.{info.list_kind}"
    return StatusError(406, "NotAcceptable", message=f"{asked} (*{go_type})")


def not_a_list(info: ResourceInfo) -> StatusError:
    """406, for an object that was asked for in a form of lists; of a custom kind kube-apiserver is late to see."""
    if info.custom:
        return StatusError(500, "", message="content is not a list")
    asked = "you requested PartialObjectMetadataList, but the requested object is not a list"
    return StatusError(406, "NotAcceptable", message=f"{asked} (*{_go_package(info)}.{info.kind})")


def _go_package(info: ResourceInfo) -> str:
    """The package of the internal types of a built-in group: events are stored as those of the core group."""
    group = info.group.partition(".")[0]
    return group if group not in {"", "events"} else "core"


def body_media(content_type: str) -> str:
    """Return the media type of a body without parameters; an absent header means JSON."""
    return content_type.partition(";")[0].strip().lower() or SUPPORTED_OUTPUT


def patch_type(content_type: str, *, custom: bool = False) -> PatchType:
    """Return which kind of patch a body is.

    Args:
        custom: The object is of a kind that a CRD defines; those have no strategic merge.

    Raises:
        StatusError: 415, it is not a patch media type.
    """
    found = PATCH_TYPES.get(body_media(content_type))
    accepted = [media for media, kind in PATCH_TYPES.items() if not (custom and kind == "strategic")]
    if found is None and not custom:
        raise StatusError(415, "UnsupportedMediaType", message="415: Unsupported Media Type", details={})
    if found is None or (custom and found == "strategic"):
        raise errors.unsupported_media_type(accepted)
    return found


def decode_object(body: bytes, content_type: str, *, expected: str) -> JsonObject:
    """Return the object that a request body holds.

    Args:
        expected: The kind of object, for the message of a refusal.

    Raises:
        StatusError: 415 for an encoding that is none of JSON, YAML and protobuf, 400 for a body that is no object.
    """
    try:
        document = _decoder(content_type)(body)
    except (ValueError, yaml.YAMLError) as error:
        raise errors.bad_request(_unrecognized(expected, _reading_failed(error, body), body)) from error
    if not isinstance(document, dict):
        raise errors.bad_request(_unrecognized(expected, _no_object(document), body))
    return cast("JsonObject", document)


def _decoder(content_type: str) -> Callable[[bytes], Any]:
    decode = _DECODERS.get(body_media(content_type))
    if decode is None:
        raise errors.unsupported_media_type((SUPPORTED_OUTPUT, "application/yaml", PROTOBUF))
    return decode


def _reading_failed(error: Exception, body: bytes) -> str:
    if isinstance(error, yaml.YAMLError):
        return goyaml.problem(error)
    return gojson.syntax_error(body) or str(error)


def decode_options(body: bytes, content_type: str) -> JsonObject:
    """Return the options that the body of a delete holds.

    Raises:
        StatusError: 415 for an encoding that is none, 400 for what are no DeleteOptions.
    """
    try:
        options = _decoder(content_type)(body)
    except (ValueError, yaml.YAMLError) as error:
        why = f"couldn't get version/kind; json parse error: {_reading_failed(error, body)}"
        raise errors.bad_request(why) from error
    if not isinstance(options, dict):
        raise errors.bad_request(f"couldn't get version/kind; json parse error: {_no_object(options)}")
    found = cast("JsonObject", options)
    version, kind = found.get("apiVersion") or "v1", found.get("kind") or _OPTIONS
    if kind != _OPTIONS:
        where = 'in scheme "pkg/runtime/scheme.go:111"'
        raise errors.bad_request(f'no kind "{kind}" is registered for version "{version}" {where}')
    return found


_OPTIONS: Final = "DeleteOptions"


def complaints(body: bytes, content_type: str, obj: JsonObject) -> list[str]:
    """Return what strict reading finds in a body that was read as `obj`: the fields that stand twice."""
    decode = _decoder(content_type)
    if decode is goyaml.load:
        return [text] if (text := goyaml.doubled_keys(body)) else []
    return _duplicates(body, obj) if decode is orjson.loads else []


def _duplicates(body: bytes, document: Any) -> list[str]:
    if orjson.dumps(document) == body.strip():
        # As clients in Go write it; nothing of it was lost.
        return []
    return [f'duplicate field "{path}"' for path in gojson.duplicates(body)]


def decode_doubled(body: bytes, content_type: str) -> JsonObject:
    """Return an object of a built-in kind with fields that stand twice: in Go, maps and structs are merged then."""
    decode = _decoder(content_type)
    return gojson.merged(body) if decode is orjson.loads else cast("JsonObject", decode(body))


def patch_complaints(body: bytes, kind: PatchType, patch: Any) -> list[str]:
    """Return what strict reading finds in a patch that can be read, and was read as `patch`."""
    if kind == "json":
        return [f"json patch {text}" for text in (*_duplicates(body, patch), *_unknown_of_operations(patch))]
    if kind != "apply":
        return _duplicates(body, patch)
    if body.lstrip().startswith(b"{") and not _duplicates(body, patch):
        return []
    doubled = goyaml.doubled_keys(body)
    return [f"error converting YAML to JSON: {doubled}"] if doubled else []


_OPERATION: Final = frozenset({"op", "path", "from", "value"})


def _unknown_of_operations(operations: list[Any]) -> list[str]:
    fields = (
        (i, name) for i, each in enumerate(operations) if isinstance(each, dict) for name in cast("JsonObject", each)
    )
    return [f'unknown field "[{i}].{name}"' for i, name in fields if name not in _OPERATION]


_TYPE_META: Final = (
    r'struct { APIVersion string "json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" }'
)
"""What kube-apiserver decodes a body into at first, to see what it is."""


def _no_object(document: Any) -> str:
    return f"json: cannot unmarshal {gojson.json_type(document)} into Go value of type {_TYPE_META}"


def _unrecognized(expected: str, why: str, body: bytes) -> str:
    about = f"couldn't get version/kind; json parse error: {why} ({_start(body)})"
    return f"the object provided is unrecognized (must be of type {expected}): {about}"


def _start(body: bytes) -> str:
    """The start of a body, as kube-apiserver quotes it: what does not look like JSON or YAML in hexadecimal."""
    if not body:
        return "<empty>"
    start = body[:30]
    shown = start.decode(errors="replace") if body.startswith(b"{") else start.hex()
    return f"{shown} ..." if len(body) > len(start) else shown


def decode_patch(body: bytes, kind: PatchType) -> Any:
    """Return the document of a patch: a list for a JSON patch, else an object.

    Raises:
        StatusError: 400 for text that is none.
    """
    decode = goyaml.load if kind == "apply" and not body.lstrip().startswith(b"{") else orjson.loads
    try:
        document = decode(body)
    except yaml.YAMLError as error:
        raise errors.bad_request(f"error encoding patch: {goyaml.problem(error)}") from error
    except ValueError as error:
        raise errors.bad_request("invalid JSON patch") from error
    if not isinstance(document, list if kind == "json" else dict):
        wanted = "[]handlers.jsonPatchOp" if kind == "json" else "map[string]interface {}"
        text = f"json: cannot unmarshal {gojson.json_type(document)} into Go value of type {wanted}"
        if kind == "apply":
            text = f"error unmarshaling JSON: while decoding JSON: {text}"
        raise errors.bad_request(f"error decoding patch: {text}")
    return cast("Any", document)


_DECODERS: Final[Mapping[str, Callable[[bytes], Any]]] = {
    "application/json": orjson.loads,
    "*/*": orjson.loads,
    PROTOBUF: protobuf.decode,
    **dict.fromkeys(YAML_BODIES, goyaml.load),
}
"""How bodies are read, by media type."""
