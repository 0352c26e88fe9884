"""Patches that are computed from the object alone: JSON patch (RFC 6902) and JSON merge patch (RFC 7386).

Strategic merge patches are in `strategic`, server-side apply in `apply`. All of them end in `writes.Writer.replace`.
"""

from __future__ import annotations

from typing import Any, cast

import jsonpatch
import jsonpointer

from kubechain.embedded import errors

JsonObject = dict[str, Any]

OPERATIONS_LIMIT = 10_000
"""Most operations in one JSON patch: kube-apiserver's `maxJSONPatchOperations`."""


def merge(target: Any, patch: Any) -> Any:
    """Apply a merge patch; `target` is changed in place where it can be."""
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
        StatusError: it is not one (400), or it does not fit the object (422).
    """
    if not isinstance(operations, list):
        text = "json: cannot unmarshal object into Go value of type jsonpatch.Patch"
        raise errors.bad_request(f"error decoding patch: {text}")
    listed = cast("list[Any]", operations)
    if len(listed) > OPERATIONS_LIMIT:
        text = f"The allowed maximum operations in a JSON patch is {OPERATIONS_LIMIT}, got {len(listed)}"
        raise errors.StatusError(413, "RequestEntityTooLarge", message=text)
    try:
        return cast("JsonObject", jsonpatch.JsonPatch(listed).apply(target, in_place=True))
    except jsonpatch.JsonPatchTestFailed as error:
        path = str(getattr(error, "path", "") or _tested(listed))
        raise _unfit(f"testing value {path} failed: test failed") from error
    except jsonpatch.InvalidJsonPatch as error:
        raise errors.bad_request(f"error decoding patch: {error}") from error
    except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException) as error:
        raise _unfit(f"{error}") from error


def _tested(operations: list[Any]) -> str:
    tests = [operation.get("path", "") for operation in operations if operation.get("op") == "test"]
    return str(tests[0]) if tests else ""


def _unfit(why: str) -> errors.StatusError:
    return errors.StatusError(
        422, "Invalid", message=f"the server rejected our request due to an error in our request: {why}", details={}
    )
