"""JSON patch (RFC 6902) and JSON merge patch (RFC 7386).

Strategic merge patches are in `strategic`, server-side apply in `apply`.
"""

from __future__ import annotations

from typing import Any, cast

import jsonpatch
import jsonpointer
import orjson

from kubechain_apiserver.wire import errors
from kubechain_apiserver.wire.json_types import JsonObject

OPERATIONS_LIMIT = 10_000
"""Maximum operations in one JSON patch: kube-apiserver's `maxJSONPatchOperations`."""


COPY_LIMIT_BYTES = 3 * 1024 * 1024
"""Maximum size of all that one JSON patch copies: kube-apiserver's `JSONPatchMaxCopyBytes`."""


def merge(target: Any, patch: Any) -> Any:
    """Apply a merge patch; `target` is changed in place where possible."""
    if not isinstance(patch, dict):
        return patch
    changes = cast("JsonObject", patch)
    result = cast("JsonObject", target) if isinstance(target, dict) else {}
    for name, value in changes.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merge(result.get(name), value)
    return result


def apply_json_patch(target: JsonObject, operations: Any) -> JsonObject:
    """Apply a JSON patch.

    Raises:
        StatusError: It is malformed (400), too long (413), or does not fit the object (422).
    """
    if not isinstance(operations, list):
        text = "json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp"
        raise errors.bad_request(f"error decoding patch: {text}")
    listed = cast("list[Any]", operations)
    if len(listed) > OPERATIONS_LIMIT:
        text = f"The allowed maximum operations in a JSON patch is {OPERATIONS_LIMIT}, got {len(listed)}"
        raise errors.StatusError(413, "RequestEntityTooLarge", message=text)
    result, copied_bytes = target, 0
    for operation in listed:
        copied_bytes += _copied_bytes(result, operation)
        if copied_bytes > COPY_LIMIT_BYTES:
            raise _unfit()
        result = _apply_one(result, operation)
    return result


def _copied_bytes(target: JsonObject, operation: Any) -> int:
    """Return the size of what an operation copies; 0 for any other operation, and for one that does not fit."""
    fields = cast("JsonObject", operation) if isinstance(operation, dict) else {}
    source = fields.get("from")
    if fields.get("op") != "copy" or not isinstance(source, str):
        return 0
    try:
        return len(orjson.dumps(jsonpointer.JsonPointer(source).resolve(target)))
    except (jsonpointer.JsonPointerException, TypeError, orjson.JSONEncodeError):
        return 0


def _apply_one(target: JsonObject, operation: Any) -> JsonObject:
    try:
        patch = jsonpatch.JsonPatch([_as_in_go(target, operation)])
        return cast("JsonObject", patch.apply(target, in_place=True))
    except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException, TypeError) as error:
        raise _unfit() from error


def _as_in_go(target: JsonObject, operation: Any) -> Any:
    """Turn `replace` of an absent field into `add`, as kube-apiserver's library does."""
    if not isinstance(operation, dict):
        return operation
    fields = cast("JsonObject", operation)
    if fields.get("op") != "replace":
        return fields
    parts = jsonpointer.JsonPointer(fields.get("path", "")).parts
    parent: Any = jsonpointer.JsonPointer.from_parts(parts[:-1]).resolve(target, None) if parts else None
    return {**fields, "op": "add"} if isinstance(parent, dict) else fields


def _unfit() -> errors.StatusError:
    message = "the server rejected our request due to an error in our request"
    return errors.StatusError(422, "Invalid", message=message, details={})
