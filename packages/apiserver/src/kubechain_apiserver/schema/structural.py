"""Structural schemas compiled to a tree of `Node`s, which the other modules walk."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from kubechain_apiserver.wire import goregexp
from kubechain_apiserver.wire.json_types import JsonObject

META_FIELDS = ("apiVersion", "kind", "metadata")
"""Fields of every resource, which a schema need not name."""


class Missing:
    """The type of `MISSING`."""


MISSING = Missing()
"""No default."""


@dataclass(slots=True, eq=False)
class Node:
    """The schema of one place in an object.

    Attributes:
        type: The JSON type; "" if any is allowed.
        additional: The schema of values whose key is not in `properties`; True allows anything, None says nothing.
        raw: The schema as the CRD has it, for rare keywords.
        has_defaults: A default is set here or below.
    """

    type: str
    raw: JsonObject
    properties: dict[str, Node] = field(default_factory=dict[str, "Node"])
    additional: Node | bool | None = None
    items: Node | None = None
    default: Any = MISSING
    nullable: bool = False
    preserve: bool = False
    embedded: bool = False
    int_or_string: bool = False
    list_type: str = "atomic"
    map_keys: tuple[str, ...] = ()
    map_type: str = "granular"
    pattern: goregexp.Pattern | None = None
    has_defaults: bool = False
    has_rules: bool = False
    has_sets: bool = False

    def children(self) -> list[Node]:
        """Return all nodes directly below."""
        found = list(self.properties.values())
        if isinstance(self.additional, Node):
            found.append(self.additional)
        if self.items is not None:
            found.append(self.items)
        return found


def compile_schema(raw: JsonObject, *, root: bool = True) -> Node:
    """Compile a schema.

    Args:
        root: It is the schema of a resource, which has `apiVersion`, `kind` and `metadata` implicitly.
    """
    node = _compile(raw)
    node.embedded = node.embedded or root
    return node


def _compile(raw: JsonObject) -> Node:
    additional = raw.get("additionalProperties")
    items = raw.get("items")
    node = Node(
        type=raw.get("type", ""),
        raw=raw,
        properties={name: _compile(schema) for name, schema in raw.get("properties", {}).items()},
        additional=_compile(additional) if isinstance(additional, dict) else additional,  # pyright: ignore[reportUnknownArgumentType]
        items=_compile(items) if isinstance(items, dict) else None,  # pyright: ignore[reportUnknownArgumentType]
        default=raw.get("default", MISSING),
        nullable=raw.get("nullable", False),
        preserve=raw.get("x-kubernetes-preserve-unknown-fields", False),
        embedded=raw.get("x-kubernetes-embedded-resource", False),
        int_or_string=raw.get("x-kubernetes-int-or-string", False),
        list_type=raw.get("x-kubernetes-list-type", "atomic"),
        map_keys=tuple(raw.get("x-kubernetes-list-map-keys", ())),
        map_type=raw.get("x-kubernetes-map-type", "granular"),
        pattern=goregexp.compiled(raw["pattern"]) if raw.get("pattern") else None,
    )
    below = node.children()
    node.has_defaults = node.default is not MISSING or any(child.has_defaults for child in below)
    node.has_rules = bool(raw.get("x-kubernetes-validations")) or any(child.has_rules for child in below)
    node.has_sets = node.list_type != "atomic" or any(child.has_sets for child in below)
    return node
