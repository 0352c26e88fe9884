"""Repairs the JSON schema of a tool, so that strict model servers and validators take it. Pure.

Model servers refuse a whole request for one schema of it: without `properties`, with `anyOf` at the top, with an array
that has no `items`, with `$schema` or `$ref`. Authors of tools write such schemas, and types that JSON has not.

The repaired schema allows what the first one allows, and sometimes more: whoever carries the call out validates again.
References are put in place of where they stand; one that leads to another document, to nothing or to itself allows any
value. Alternatives at the top become one object: the properties of all, and required is what all of them require.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from kubechain.net.schematree import LISTS_OF_SCHEMAS, MAPS_OF_SCHEMAS, SCHEMAS, items, mapping, target, words

Schema = dict[str, Any]

MAX_DEPTH = 32
"""Levels of a schema that are kept; what is nested deeper allows any value."""

MAX_NODES = 4096
"""Schemas in one; references that are used often multiply. What goes beyond allows any value."""

_TYPES = frozenset({"object", "array", "string", "number", "integer", "boolean", "null"})
_OTHER_TYPE_NAMES = {
    "str": "string",
    "text": "string",
    "int": "integer",
    "long": "integer",
    "float": "number",
    "double": "number",
    "decimal": "number",
    "bool": "boolean",
    "dict": "object",
    "map": "object",
    "struct": "object",
    "list": "array",
    "tuple": "array",
    "set": "array",
    "none": "null",
    "nonetype": "null",
}


_OF_DOCUMENTS = words(
    "$schema $id id $anchor $dynamicAnchor $recursiveAnchor $dynamicRef $recursiveRef $vocabulary $comment $defs "
    "definitions $ref"
)
_NUMBERS = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"})
_COUNTS = words("minLength maxLength minItems maxItems minProperties maxProperties minContains maxContains")
_TEXTS = frozenset({"description", "title", "format", "contentEncoding", "contentMediaType"})
_ONLY_INSIDE = words(
    "anyOf oneOf allOf not if then else enum const dependentSchemas dependentRequired dependencies "
    "unevaluatedProperties"
)
"""Keywords that strict servers refuse at the top."""


class UnusableSchema(ValueError):
    """The schema describes no object, so that no arguments satisfy it."""


def repaired(schema: Mapping[str, Any]) -> Schema:
    """Return a schema of an object, with `type` and `properties`, that means the same or allows more.

    Args:
        schema: As the tool's author wrote it; not changed.

    Raises:
        UnusableSchema: It describes something else than an object.
    """
    whole = _Repair(schema).schema(schema, MAX_DEPTH)
    flat = _flat(whole)
    if flat is None:
        raise UnusableSchema(f"must describe an object, not {_type_text(whole)}")
    return flat


@dataclass(slots=True)
class _Repair:
    """One schema under repair.

    Attributes:
        root: Where references lead to.
        open: References that are being put in place; one of them inside itself is endless.
    """

    root: Mapping[str, Any]
    open: list[str] = field(default_factory=list[str])
    nodes: int = 0

    def schema(self, given: object, depth: int) -> Schema:
        """Repair a schema inside; whatever is none allows any value."""
        self.nodes += 1
        if depth == 0 or self.nodes > MAX_NODES or not isinstance(given, Mapping):
            return {"not": {}} if given is False else {}
        fields = cast("Mapping[str, Any]", given)
        out: Schema = {}
        for name, value in fields.items():
            out |= self._keyword(name, value, depth)
        out = {**self._referred(fields.get("$ref"), depth), **out}
        _add_items(out)
        _take_required_from_properties(fields, out)
        return out

    def _keyword(self, name: str, value: object, depth: int) -> Schema:
        if name in _OF_DOCUMENTS and not (name == "id" and isinstance(value, Mapping)):
            return {}
        if name in MAPS_OF_SCHEMAS:
            if not isinstance(value, Mapping):
                return {}
            by_name = mapping(cast("object", value))
            return {name: {str(key): self.schema(one, depth - 1) for key, one in by_name.items()}}
        if name in LISTS_OF_SCHEMAS:
            listed = [self.schema(one, depth - 1) for one in items(cast("object", value))]
            return {name: listed} if listed else {}
        if name == "items" and isinstance(value, list):  # a tuple, as older drafts write it
            listed = [self.schema(one, depth - 1) for one in items(cast("object", value))]
            return {"items": _any_of(listed)}
        if name in SCHEMAS:
            if isinstance(value, bool) and name != "items":
                return {name: value}
            return {name: self.schema(cast("object", value), depth - 1)}
        return _plain_keyword(name, cast("object", value))

    def _referred(self, reference: object, depth: int) -> Schema:
        if not isinstance(reference, str) or reference in self.open:
            return {}
        referred = target(self.root, reference)
        if referred is None:
            return {}
        self.open.append(reference)
        found = self.schema(referred, depth - 1)
        self.open.pop()
        return found


def _plain_keyword(name: str, value: object) -> Schema:
    """A keyword without schemas, if its value is of the right sort."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if name == "type":
        types = _types(value)
        return {"type": types[0] if len(types) == 1 else types} if types else {}
    if name == "required":
        names = [one for one in items(value) if isinstance(one, str)]
        return {"required": list(dict.fromkeys(names))} if names else {}
    if name == "enum":
        return {"enum": value} if items(value) else {}
    if name == "pattern":
        return {"pattern": value} if isinstance(value, str) and _is_pattern(value) else {}
    if name == "multipleOf":
        return {name: value} if is_number and cast("float", value) > 0 else {}
    if name in _NUMBERS:
        return {name: value} if is_number else {}
    if name in _COUNTS:
        return {name: value} if is_number and cast("float", value) >= 0 else {}
    if name in _TEXTS:
        return {name: value} if isinstance(value, str) else {}
    return {name: value}


def _types(value: object) -> list[str]:
    said = [value] if isinstance(value, str) else [one for one in items(value) if isinstance(one, str)]
    known = [_OTHER_TYPE_NAMES.get(one.lower(), one.lower()) for one in said]
    if any(one not in _TYPES for one in known):
        return []  # `any`, `date`, `file`: whatever it means, it must not be refused
    return list(dict.fromkeys(known))


def _is_pattern(text: str) -> bool:
    try:
        re.compile(text)
    except re.error:
        return False
    return True


def _add_items(schema: Schema) -> None:
    if "array" in _types(schema.get("type")) and "items" not in schema:
        schema["items"] = {}


def _take_required_from_properties(given: Mapping[str, Any], schema: Schema) -> None:
    """Older drafts write `required: true` into the property."""
    own = [name for name, one in mapping(given.get("properties")).items() if mapping(one).get("required") is True]
    if own:
        schema["required"] = list(dict.fromkeys([*schema.get("required", ()), *own]))


def _flat(schema: Schema) -> Schema | None:
    """One object in place of alternatives; None where it is no object."""
    types = _types(schema.get("type"))
    if types and "object" not in types:
        return None
    base = {name: value for name, value in schema.items() if name not in _ONLY_INSIDE}
    parts = [_flat(part) for part in schema.get("allOf", ())]
    parts += [_alternative(schema[name]) for name in ("anyOf", "oneOf") if schema.get(name)]
    if any(part is None for part in parts):
        return None
    conditional = [part for name in ("then", "else") if (part := _flat(_mapping_copy(schema.get(name))))]
    parts += [_alternative([*conditional, {}])] if conditional else []
    known = [part for part in parts if part is not None]
    if known:
        base.pop("additionalProperties", None)
    return _both([{**base, "type": "object", "properties": base.get("properties", {})}, *known])


def _alternative(branches: Iterable[Schema]) -> Schema | None:
    """What all branches have in common, with the properties of each."""
    flat = [one for one in (_flat(branch) for branch in branches) if one is not None]
    if not flat:
        return None
    names = dict.fromkeys(name for one in flat for name in one["properties"])
    properties = {
        name: _any_of([one["properties"][name] for one in flat if name in one["properties"]]) for name in names
    }
    required = [name for name in flat[0].get("required", ()) if all(name in one.get("required", ()) for one in flat)]
    return {"type": "object", "properties": properties, **({"required": required} if required else {})}


def _both(parts: list[Schema]) -> Schema:
    """An object that satisfies every part; the first one's description is kept."""
    out = dict(parts[0])
    properties: Schema = {}
    for part in parts:
        for name, one in part["properties"].items():
            properties[name] = _and(properties[name], one) if name in properties else one
    required = list(dict.fromkeys(name for part in parts for name in part.get("required", ())))
    return {**out, "properties": properties, **({"required": required} if required else {})}


def _and(first: Schema, second: Schema) -> Schema:
    if first == second:
        return first
    return {"allOf": [first, second]} if first.keys() & second.keys() else {**first, **second}


def _any_of(schemas: list[Schema]) -> Schema:
    different = [one for index, one in enumerate(schemas) if one not in schemas[:index]]
    return different[0] if len(different) == 1 else {"anyOf": different} if different else {}


def _type_text(schema: Schema) -> str:
    return " or ".join(_types(schema.get("type"))) or "something else"


def _mapping_copy(value: object) -> Schema:
    return dict(cast("Mapping[str, Any]", value)) if isinstance(value, Mapping) else {"type": "null"}
