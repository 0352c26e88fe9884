"""Bounds of YAML documents: aliases that multiply a small text, and nesting that no stack holds.

The rules for aliases, with their constants and words, are those of Go's library; a bound of the expanded text is added,
because here, unlike there, the repetitions of one long scalar are written out.
"""

from __future__ import annotations

from typing import Any, Final

import yaml

DEPTH_LIMIT: Final = 100
"""Collections inside of one another. Go allows 10,000, which the parser's C stack here does not hold."""

TEXT_LIMIT: Final = 30 * 1024 * 1024
"""Characters of all scalars with every alias written out: ten times the largest request."""

_FREE_ALIASES: Final = 100
_FREE_NODES: Final = 1_000
_RATIO_START: Final = 400_000
_RATIO_END: Final = 4_000_000
_RATIO_SMALL: Final = 0.99
_RATIO_LARGE: Final = 0.10

EXCESSIVE: Final = "document contains excessive aliasing"


def check_depth(body: bytes) -> None:
    """Refuse a text whose collections are nested too deeply, before it is parsed into a tree.

    Raises:
        yaml.YAMLError: It is, or it is invalid.
    """
    depth = 0
    for event in yaml.parse(body, Loader=yaml.CSafeLoader):  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > DEPTH_LIMIT:
                raise yaml.YAMLError(f"exceeded max depth of {DEPTH_LIMIT}")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def check_aliases(document: yaml.Node) -> None:
    """Refuse a document that its aliases make too large.

    Raises:
        yaml.YAMLError: It is too large, or an anchor contains itself.
    """
    _Count().add(document, in_alias=False)


class _Count:
    """Counts the nodes of a document as often as they are visited, through aliases again."""

    def __init__(self) -> None:
        self._seen: set[int] = set()
        self._open: set[int] = set()
        self._nodes = self._aliased = self._characters = 0

    def add(self, node: yaml.Node, *, in_alias: bool) -> None:
        in_alias = in_alias or id(node) in self._seen
        self._seen.add(id(node))
        self._nodes += 1
        self._aliased += in_alias
        if self._is_excessive():
            raise yaml.YAMLError(EXCESSIVE)
        if isinstance(node, yaml.ScalarNode):
            self._characters += len(node.value)
            return
        if id(node) in self._open:
            raise yaml.YAMLError("anchor value contains itself")
        self._open.add(id(node))
        for child in _children(node):
            self.add(child, in_alias=in_alias)
        self._open.remove(id(node))

    def _is_excessive(self) -> bool:
        if self._characters > TEXT_LIMIT:
            return True
        has_many = self._aliased > _FREE_ALIASES and self._nodes > _FREE_NODES
        return has_many and self._aliased / self._nodes > _allowed_ratio(self._nodes)


def _allowed_ratio(nodes: int) -> float:
    """Return which part of the visited nodes may come from aliases: the less, the larger the document is."""
    part = (nodes - _RATIO_START) / (_RATIO_END - _RATIO_START)
    return _RATIO_SMALL - (_RATIO_SMALL - _RATIO_LARGE) * min(1.0, max(0.0, part))


def _children(node: yaml.Node) -> list[yaml.Node]:
    value: Any = node.value
    if isinstance(node, yaml.MappingNode):
        return [each for pair in value for each in pair]
    return value
