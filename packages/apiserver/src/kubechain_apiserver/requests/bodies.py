"""Request bodies: media types, decoding, and the errors of strict decoding.

Pure: it maps bytes and a Content-Type to values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, cast

import orjson
import yaml

from kubechain_apiserver.engine.engine import PatchType
from kubechain_apiserver.requests.negotiation import PROTOBUF, SUPPORTED_OUTPUT
from kubechain_apiserver.schema import typecheck
from kubechain_apiserver.schema.structural import compile_schema
from kubechain_apiserver.wire import errors, gojson, goyaml, protobuf
from kubechain_apiserver.wire.errors import StatusError
from kubechain_apiserver.wire.json_types import JsonObject

YAML_BODIES: Final = frozenset({"application/yaml", "application/x-yaml", "text/yaml"})
"""Media types of YAML."""

PATCH_TYPES: Final[Mapping[str, PatchType]] = {
    "application/json-patch+json": "json",
    "application/merge-patch+json": "merge",
    "application/strategic-merge-patch+json": "strategic",
    "application/apply-patch+yaml": "apply",
}
"""Patch types, by media type."""

_DECODERS: Final[Mapping[str, Callable[[bytes], Any]]] = {
    "application/json": orjson.loads,
    "*/*": orjson.loads,
    PROTOBUF: protobuf.decode,
    **dict.fromkeys(YAML_BODIES, goyaml.load),
}
"""Decoders, by media type."""

_OPTIONS: Final = "DeleteOptions"
_TEXT: Final = {"type": "string"}
_OPTIONS_FIELDS: Final = compile_schema(
    {
        "type": "object",
        "properties": {
            "dryRun": {"type": "array", "items": _TEXT},
            "gracePeriodSeconds": {"type": "integer"},
            "orphanDependents": {"type": "boolean"},
            "preconditions": {"type": "object", "properties": {"resourceVersion": _TEXT, "uid": _TEXT}},
            "propagationPolicy": _TEXT,
        },
    },
    root=False,
)

_OPERATION: Final = frozenset({"op", "path", "from", "value"})
"""Fields of an operation of a JSON patch."""

_TYPE_META: Final = (
    r'struct { APIVersion string "json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" }'
)
"""The struct into which kube-apiserver first decodes a body, to find its kind."""

_NO_TYPE: Final = "couldn't get version/kind; json parse error: "


def body_media(content_type: str) -> str:
    """Return the media type of a body without parameters; an absent header means JSON."""
    return content_type.partition(";")[0].strip().lower() or SUPPORTED_OUTPUT


def patch_type(content_type: str, *, custom: bool = False) -> PatchType:
    """Return the type of a patch.

    Args:
        custom: The object is of a custom kind; those have no strategic merge patch.

    Raises:
        StatusError: 415 for another media type.
    """
    found = PATCH_TYPES.get(body_media(content_type))
    accepted = [media for media, kind in PATCH_TYPES.items() if not (custom and kind == "strategic")]
    if found is None and not custom:
        raise StatusError(415, "UnsupportedMediaType", message="415: Unsupported Media Type", details={})
    if found is None or (custom and found == "strategic"):
        raise errors.unsupported_media_type(accepted)
    return found


def decode_object(body: bytes, content_type: str, *, expected: str, named: bool = False) -> JsonObject:
    """Return the object in a request body.

    Args:
        expected: The expected kind, for error messages.
        named: The object must contain its kind.

    Raises:
        StatusError: 415 for a media type other than JSON, YAML and protobuf, 400 for a body that is no object.
    """
    try:
        document = _decoder(content_type)(body)
    except (ValueError, yaml.YAMLError) as error:
        why = f"{_NO_TYPE}{_reading_failed(error, body)}"
        raise errors.bad_request(_unrecognized(expected, why, body)) from error
    if not isinstance(document, dict):
        raise errors.bad_request(_unrecognized(expected, f"{_NO_TYPE}{_no_object(document)}", body))
    obj = cast("JsonObject", document)
    if why := gojson.wrong_type_meta(obj):
        raise errors.bad_request(_unrecognized(expected, why, body))
    if named and not obj.get("kind"):
        text = body if body.startswith(b"{") else orjson.dumps(obj)
        raise errors.bad_request(_unrecognized(expected, gojson.kind_missing(text.decode()), text))
    return obj


def _decoder(content_type: str) -> Callable[[bytes], Any]:
    decode = _DECODERS.get(body_media(content_type))
    if decode is None:
        raise errors.unsupported_media_type((SUPPORTED_OUTPUT, "application/yaml", PROTOBUF))
    return decode


def _reading_failed(error: Exception, body: bytes) -> str:
    if isinstance(error, yaml.YAMLError):
        return goyaml.problem(error)
    if isinstance(error, orjson.JSONDecodeError):
        return gojson.syntax_error(body) or str(error)
    return str(error)


def decode_options(body: bytes, content_type: str) -> JsonObject:
    """Return the DeleteOptions in the body of a delete.

    Raises:
        StatusError: 415 for an unknown media type, 400 for a body that is no DeleteOptions.
    """
    try:
        options = _decoder(content_type)(body)
    except (ValueError, yaml.YAMLError) as error:
        raise errors.bad_request(f"{_NO_TYPE}{_reading_failed(error, body)}") from error
    if not isinstance(options, dict):
        raise errors.bad_request(f"{_NO_TYPE}{_no_object(options)}")
    found = cast("JsonObject", options)
    if why := gojson.wrong_type_meta(found):
        raise errors.bad_request(why)
    version, kind = found.get("apiVersion") or "v1", found.get("kind") or _OPTIONS
    if kind != _OPTIONS:
        where = 'in scheme "pkg/runtime/scheme.go:111"'
        raise errors.bad_request(f'no kind "{kind}" is registered for version "{version}" {where}')
    if why := typecheck.mismatch(found, _OPTIONS_FIELDS, _OPTIONS):
        raise errors.bad_request(why)
    return found


def strict_errors(body: bytes, content_type: str, obj: JsonObject) -> list[str]:
    """Return the errors of strict decoding of a body that was decoded to `obj`: duplicate fields."""
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
    """Return an object of a built-in kind with duplicate fields, whose maps and structs Go merges."""
    decode = _decoder(content_type)
    return gojson.merged(body) if decode is orjson.loads else cast("JsonObject", decode(body))


def strict_errors_of_patch(body: bytes, kind: PatchType, patch: Any) -> list[str]:
    """Return the errors of strict decoding of a patch that was decoded to `patch`."""
    if kind == "json":
        return [f"json patch {text}" for text in (*_duplicates(body, patch), *_unknown_of_operations(patch))]
    if kind != "apply":
        return _duplicates(body, patch)
    if body.lstrip().startswith(b"{") and not _duplicates(body, patch):
        return []
    doubled = goyaml.doubled_keys(body)
    return [f"error converting YAML to JSON: {doubled}"] if doubled else []


def _unknown_of_operations(operations: list[Any]) -> list[str]:
    fields = (
        (i, name) for i, each in enumerate(operations) if isinstance(each, dict) for name in cast("JsonObject", each)
    )
    return [f'unknown field "[{i}].{name}"' for i, name in fields if name not in _OPERATION]


def _no_object(document: Any) -> str:
    return f"json: cannot unmarshal {gojson.json_type(document)} into Go value of type {_TYPE_META}"


def _unrecognized(expected: str, why: str, body: bytes) -> str:
    return f"the object provided is unrecognized (must be of type {expected}): {why} ({_start(body)})"


def _start(body: bytes) -> str:
    """Return the start of a body as kube-apiserver quotes it: in hexadecimal unless it looks like JSON or YAML."""
    if not body:
        return "<empty>"
    start = body[:30]
    shown = start.decode(errors="replace") if body.startswith(b"{") else start.hex()
    return f"{shown} ..." if len(body) > len(start) else shown


def decode_patch(body: bytes, kind: PatchType) -> Any:
    """Return the document of a patch: a list for a JSON patch, else an object.

    Raises:
        StatusError: 400 for invalid text.
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
