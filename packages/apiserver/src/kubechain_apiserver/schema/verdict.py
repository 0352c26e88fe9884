"""Fast check whether an object is valid, by a JSON schema library; `validation` makes the errors if it is not.

The library knows plain JSON Schema; Kubernetes' extensions (nullable, int-or-string, formats) are translated.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import jsonschema_rs

from kubechain_apiserver.wire import goregexp
from kubechain_apiserver.wire.json_types import JsonObject

_SAME = (
    "required",
    "enum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "uniqueItems",
    "minProperties",
    "maxProperties",
    "multipleOf",
)
Formats = dict[str, Callable[[str], bool]]

_BOUNDS = {"int32": (-(2**31), 2**31 - 1), "int64": (-(2**63), 2**63 - 1)}
_FORMATS = {"date-time", "uuid", "ipv4", "ipv6", "email", "uri", "date", "hostname", "duration", "byte"}


def is_valid_for(schema: JsonObject) -> Callable[[Any], bool]:
    """Return a function that tells whether an object is valid. It may return false wrongly, never true."""
    formats: Formats = {}
    translated = translate(schema, formats)
    try:
        validator = cast("Any", jsonschema_rs.validator_for(translated, formats=formats, validate_formats=True))
    except ValueError:
        # What CRDs may say and JSON Schema may not, such as a length below zero, is left to the slow path alone.
        return lambda obj: False
    return cast("Callable[[Any], bool]", validator.is_valid)


def translate(schema: JsonObject, formats: Formats) -> JsonObject:
    """Return a CRD's schema as JSON Schema 2020-12; patterns become formats, which are added to `formats`."""
    found: JsonObject = {name: schema[name] for name in _SAME if name in schema}
    _translate_pattern(schema, found, formats)
    _translate_type(schema, found)
    _translate_bounds(schema, found)
    if schema.get("format") in _FORMATS:
        # Checked by the slow path, which knows Go's idea of the format: refuse here, so that it looks.
        found["not"] = {"type": "string"}
    for name in ("allOf", "anyOf", "oneOf"):
        if name in schema:
            found[name] = [translate(branch, formats) for branch in schema[name]]
    if "not" in schema:
        found.setdefault("allOf", []).append({"not": translate(schema["not"], formats)})
    if "properties" in schema:
        found["properties"] = {name: translate(below, formats) for name, below in schema["properties"].items()}
    for name in ("additionalProperties", "items"):
        if name in schema:
            found[name] = translate(schema[name], formats) if isinstance(schema[name], dict) else schema[name]
    return {"anyOf": [{"type": "null"}, found]} if schema.get("nullable") else found


def _translate_pattern(schema: JsonObject, found: JsonObject, formats: Formats) -> None:
    r"""Translate `pattern` to a custom format: the library's own regular expressions differ from Go's.

    Its `\s` and `\b` cover Unicode.
    """
    pattern = schema.get("pattern")
    if pattern:
        search = goregexp.compiled(pattern).search
        found["format"] = f"matches {pattern}"
        formats[found["format"]] = lambda text: search(text) is not None


def _translate_type(schema: JsonObject, found: JsonObject) -> None:
    if schema.get("x-kubernetes-int-or-string"):
        found["type"] = ["integer", "string"]
    elif schema.get("type"):
        found["type"] = schema["type"]


def _translate_bounds(schema: JsonObject, found: JsonObject) -> None:
    for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if bound in schema:
            found[exclusive if schema.get(exclusive) else bound] = schema[bound]
    if schema.get("type") == "integer":
        low, high = _BOUNDS.get(schema.get("format", ""), _BOUNDS["int64"])
        found["allOf"] = [{"minimum": low, "maximum": high}]
