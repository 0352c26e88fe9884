"""A schema for the answer as Anthropic's API takes it: objects are closed, and other keywords are told in words. Pure.

The API refuses a schema with a keyword that its grammar does not know. What is left out here is validated by the
caller, and stands in the description, where the model reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from kubechain.net.schematree import mapping
from kubechain.net.toolschemas import Schema

_FORMATS = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"},
)
_KEPT = frozenset({"type", "enum", "const", "description", "title", "required"})
_NAMES_OF_ALTERNATIVES = {"anyOf": "anyOf", "oneOf": "anyOf", "allOf": "allOf"}


def closed(schema: Mapping[str, Any]) -> Schema | None:
    """Return the schema in the API's form; None where that would forbid what it allows, such as fields of any name."""
    out: Schema = {}
    told: Schema = {}
    for name, value in schema.items():
        if name in _KEPT:
            out[name] = value
        elif name == "properties":
            out[name] = {key: closed(mapping(one)) for key, one in mapping(value).items()}
        elif name == "items":
            out[name] = closed(mapping(value))
        elif name in _NAMES_OF_ALTERNATIVES:
            out[_NAMES_OF_ALTERNATIVES[name]] = [closed(mapping(one)) for one in value]
        elif (name == "format" and value in _FORMATS) or (name == "minItems" and value in (0, 1)):
            out[name] = value
        elif name not in ("additionalProperties", "default", "examples"):
            told[name] = value
    if not _is_expressible(schema, out):
        return None
    if "properties" in out:
        out["additionalProperties"] = False
    if not out.keys().isdisjoint({"enum", "const"}):
        out.pop("type", None)
    if told:
        out["description"] = "\n\n".join([*filter(None, [out.get("description")]), orjson.dumps(told).decode()])
    return out


def _is_expressible(schema: Mapping[str, Any], out: Schema) -> bool:
    """Whether what is inside has the API's form, and the schema says what it is."""
    inside = [*mapping(out.get("properties")).values(), *out.get("anyOf", ()), *out.get("allOf", ())]
    if None in inside or ("items" in out and out["items"] is None):
        return False
    if schema.get("type") == "object" or "properties" in schema:
        return bool(schema.get("properties")) and schema.get("additionalProperties", False) is False
    return not out.keys().isdisjoint({"type", "enum", "const", "anyOf", "allOf"})
