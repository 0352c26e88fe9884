"""Pruning of unknown fields, defaulting, and removal of nulls. Objects are changed in place."""

from __future__ import annotations

import copy
from typing import Any, cast

from kubechain_apiserver.schema.structural import META_FIELDS, MISSING, Node


def prune(value: Any, node: Node) -> list[str]:
    """Remove fields that the schema does not name; returns their paths, in the order of the object."""
    found: list[str] = []
    _prune(value, node, "", found)
    return found


def _prune(value: Any, node: Node | None, path: str, found: list[str]) -> None:
    if isinstance(value, dict):
        _prune_object(cast("dict[str, Any]", value), node, path, found)
    elif isinstance(value, list):
        below = node.items if node else None
        if below is None and node is not None and node.preserve:
            return
        for index, item in enumerate(cast("list[Any]", value)):
            if isinstance(item, dict | list):
                _prune(item, below, f"{path}[{index}]", found)


def _prune_object(value: dict[str, Any], node: Node | None, path: str, found: list[str]) -> None:
    for name in list(value):
        if node is not None and node.embedded and name in META_FIELDS:
            continue
        below = _child(node, name)
        here = f"{path}.{name}" if path else name
        if isinstance(below, Node):
            if isinstance(value[name], dict | list):
                _prune(value[name], below, here, found)
        elif below is True or (node is not None and node.preserve):
            if below is True and isinstance(value[name], dict | list) and not (node and node.preserve):
                _prune(value[name], None, here, found)
        else:
            found.append(here)
            del value[name]


def _child(node: Node | None, name: str) -> Node | bool | None:
    if node is None:
        return None
    return node.properties.get(name, node.additional)


def drop_nulls(value: Any, node: Node) -> None:
    """Remove nulls of fields that are neither nullable nor have a default."""
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        for name in list(fields):
            below = _child(node, name)
            if not isinstance(below, Node):
                continue
            if fields[name] is None:
                if not below.nullable and below.default is MISSING:
                    del fields[name]
            elif isinstance(fields[name], dict | list):
                drop_nulls(fields[name], below)
    elif isinstance(value, list) and node.items is not None:
        for item in value:  # pyright: ignore[reportUnknownVariableType]
            drop_nulls(item, node.items)


def set_defaults(value: Any, node: Node) -> None:
    """Fill in what is absent, or null where null is not allowed."""
    if not node.has_defaults:
        return
    if isinstance(value, dict):
        _default_fields(value, node)  # pyright: ignore[reportUnknownArgumentType]
    elif isinstance(value, list) and node.items is not None:
        items = cast("list[Any]", value)
        for index, item in enumerate(items):
            if item is None and not node.items.nullable and node.items.default is not MISSING:
                items[index] = copy.deepcopy(node.items.default)
            set_defaults(items[index], node.items)


def _default_fields(value: dict[str, Any], node: Node) -> None:
    for name, below in node.properties.items():
        if below.default is not MISSING and (name not in value or (value[name] is None and not below.nullable)):
            value[name] = copy.deepcopy(below.default)
        if below.has_defaults and name in value:
            set_defaults(value[name], below)
    if isinstance(node.additional, Node) and node.additional.has_defaults:
        for name in value.keys() - node.properties.keys():
            if value[name] is None and not node.additional.nullable and node.additional.default is not MISSING:
                value[name] = copy.deepcopy(node.additional.default)
            set_defaults(value[name], node.additional)
