"""The subset of Kubernetes' JSONPath that printer columns of a CustomResourceDefinition use.

`.spec.x`, `.a['b.c']`, `.a[0]`, `.a[-1]`, `.a[*].b`, `.a[?(@.type=="Ready")].status`; missing keys select nothing. A
path is compiled once per column and evaluated once per row.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol, cast

import orjson

_TOKEN: Final = re.compile(
    r"""
      (?P<all>\[\s*\*\s*\]|\.\*)
    | \.(?P<field>(?:[^.\[\]\\]|\\.)+)
    | \[\s*(?P<quote>['"])(?P<key>(?:(?!(?P=quote)).)*)(?P=quote)\s*\]
    | \[\s*(?P<index>-?\d+)\s*\]
    | \[\?\(\s*(?P<filter>.+?)\s*\)\]
    """,
    re.VERBOSE,
)
_FILTER: Final = re.compile(r"@(?P<path>[^=!<>\s]*)\s*(?:(?P<operator>==|!=|<=|>=|<|>)\s*(?P<operand>.+))?$")
_OPERATORS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class BadPath(ValueError):
    """Raised for a path outside of the subset."""


class Step(Protocol):
    """One part of a path."""

    def select(self, value: Any) -> Iterable[Any]:
        """Return what the step selects of `value`, in the order of the document."""
        ...


@dataclass(frozen=True, slots=True)
class _Field:
    name: str

    def select(self, value: Any) -> Iterable[Any]:
        if isinstance(value, dict) and self.name in value:
            return (cast("dict[str, Any]", value)[self.name],)
        return ()


@dataclass(frozen=True, slots=True)
class _Index:
    index: int

    def select(self, value: Any) -> Iterable[Any]:
        if not isinstance(value, list):
            return ()
        items = cast("list[Any]", value)
        return (items[self.index],) if -len(items) <= self.index < len(items) else ()


@dataclass(frozen=True, slots=True)
class _All:
    def select(self, value: Any) -> Iterable[Any]:
        match value:
            case list():
                return cast("list[Any]", value)
            case dict():
                return cast("dict[str, Any]", value).values()
            case _:
                return ()


@dataclass(frozen=True, slots=True)
class _Filter:
    path: JsonPath
    compare: Callable[[Any, Any], bool] | None
    operand: Any

    def select(self, value: Any) -> Iterable[Any]:
        return [item for item in cast("list[Any]", value) if self._keeps(item)] if isinstance(value, list) else ()

    def _keeps(self, item: Any) -> bool:
        for found in self.path.select(item):
            try:
                return self.compare is None or self.compare(found, self.operand)
            except TypeError:  # values of different types are in no order
                return False
        return False


@dataclass(frozen=True, slots=True)
class JsonPath:
    """A compiled path."""

    steps: tuple[Step, ...]

    def select(self, value: Any) -> Iterator[Any]:
        """Yield everything that the path selects, in the order of the document."""
        found: Iterable[Any] = (value,)
        for step in self.steps:
            found = [item for one in found for item in step.select(one)]
        return iter(found)

    def first(self, value: Any, default: Any = None) -> Any:
        """Return the first value selected, or `default`."""
        return next(self.select(value), default)


def compile_path(text: str) -> JsonPath:
    """Compile a column's `jsonPath`; the leading dot and braces are optional.

    Raises:
        BadPath: The path is not in the subset.
    """
    source = text.strip().removeprefix("{").removesuffix("}").removeprefix("$")
    if source and source[0] not in ".[":
        source = f".{source}"
    steps: list[Step] = []
    position = 0
    while position < len(source) and source != ".":
        token = _TOKEN.match(source, position)
        if token is None:
            raise BadPath(f'unrecognized column definition "{text}"')
        steps.append(_step(token))
        position = token.end()
    return JsonPath(tuple(steps))


def _step(token: re.Match[str]) -> Step:
    if token["all"] is not None:
        return _All()
    if token["field"] is not None:
        return _Field(token["field"].replace("\\", ""))
    if token["key"] is not None:
        return _Field(token["key"])
    if token["index"] is not None:
        return _Index(int(token["index"]))
    return _filter(token["filter"])


def _filter(text: str) -> _Filter:
    found = _FILTER.match(text)
    if found is None:
        raise BadPath(f'unrecognized filter "{text}"')
    path = compile_path(found["path"])
    if found["operator"] is None:
        return _Filter(path, None, None)
    return _Filter(path, _OPERATORS[found["operator"]], _literal(found["operand"].strip()))


def _literal(text: str) -> Any:
    if text[:1] in "'\"" and text[-1:] == text[:1] and len(text) > 1:
        return text[1:-1]
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        raise BadPath(f'unrecognized value "{text}" in a filter') from None
