"""The syntax tree of an expression, read from what Google's runtime hands out (`cel.expr.ParsedExpr`).

Called by `rules` for `rule_types`, which finds what that runtime cannot, to which `self` is of any type: fields that
are not there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from kubechain.embedded.protobuf import read_fields

_CONSTANTS: Final = {
    1: "null_type",
    2: "bool",
    3: "int",
    4: "uint",
    5: "double",
    6: "string",
    7: "bytes",
    8: "duration",
    9: "timestamp",
}
_TEXT: Final = 6
"""The number of the field that holds a text."""


@dataclass(frozen=True, slots=True)
class Constant:
    """A literal, of which only texts are kept."""

    type: str
    text: str


@dataclass(frozen=True, slots=True)
class Identifier:
    """The name of a variable or type; `at` is its offset."""

    name: str
    at: int


@dataclass(frozen=True, slots=True)
class Select:
    """`operand.field`, or `has(operand.field)` where `asks`; `at` is the offset of the dot."""

    operand: Expression
    field: str
    asks: bool
    at: int


@dataclass(frozen=True, slots=True)
class Call:
    """A function, an operator or a method; the object of a method is the first argument."""

    function: str
    arguments: tuple[Expression, ...]
    is_method: bool
    at: int


@dataclass(frozen=True, slots=True)
class Listing:
    """`[a, b]`."""

    elements: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Other:
    """Something else, of any type, and what is inside of it."""

    parts: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Comprehension:
    """What macros such as `all` and `map` become: a loop over a range with an accumulator."""

    variables: tuple[str, ...]
    range: Expression
    accumulator: str
    initial: Expression
    parts: tuple[Expression, ...]
    step: Expression
    result: Expression


Expression = Constant | Identifier | Select | Call | Listing | Other | Comprehension


def read(serialized: bytes) -> Expression:
    """Return the tree of a serialized expression."""
    parsed = dict(_pairs(_only(dict(_pairs(serialized)), 2)))
    offsets = dict(_offset(raw) for number, raw in _pairs(_only(parsed, 3)) if number == 4)
    return _expression(_only(parsed, 2), offsets)


def walk(tree: Expression) -> Iterator[Expression]:
    """Yield an expression and all that is in it."""
    yield tree
    for part in _parts(tree):
        yield from walk(part)


def _parts(tree: Expression) -> tuple[Expression, ...]:
    match tree:
        case Select():
            return (tree.operand,)
        case Call():
            return tree.arguments
        case Listing():
            return tree.elements
        case Other():
            return tree.parts
        case Comprehension():
            return (tree.range, tree.initial, *tree.parts, tree.step, tree.result)
        case _:
            return ()


def _pairs(data: bytes) -> Iterator[tuple[int, Any]]:
    return ((number, value) for number, _, value in read_fields(data))


def _only(fields: Mapping[int, Any], number: int) -> bytes:
    return fields.get(number, b"")


def _offset(entry: bytes) -> tuple[int, int]:
    fields = dict(_pairs(entry))
    return fields.get(1, 0), fields.get(2, 0)


def _expression(data: bytes, offsets: Mapping[int, int]) -> Expression:
    fields = dict(_pairs(data))
    at = offsets.get(fields.pop(2, 0), 0)
    if not fields:
        return Other(())
    kind, raw = fields.popitem()
    inner = list(_pairs(raw))
    one = dict(inner)

    def below(number: int) -> Expression:
        return _expression(_only(one, number), offsets)

    def all_below(number: int) -> tuple[Expression, ...]:
        return tuple(_expression(value, offsets) for found, value in inner if found == number)

    match kind:
        case 3:
            number = next(iter(one), 0)
            return Constant(_CONSTANTS.get(number, "dyn"), one[number].decode() if number == _TEXT else "")
        case 4:
            return Identifier(_only(one, 1).decode(), at)
        case 5:
            return Select(below(1), _only(one, 2).decode(), bool(one.get(3)), at)
        case 6:
            target = (below(1),) if 1 in one else ()
            return Call(_only(one, 2).decode(), (*target, *all_below(3)), bool(target), at)
        case 7:
            return Listing(all_below(1))
        case 9:
            variables = tuple(_only(one, number).decode() for number in (1, 8) if number in one)
            return Comprehension(variables, below(2), _only(one, 3).decode(), below(4), (below(5),), below(6), below(7))
        case _:
            return Other(tuple(_entry(value, offsets) for found, value in inner if found == 2))


def _entry(data: bytes, offsets: Mapping[int, int]) -> Expression:
    """A key and a value of a map, or a field and its value."""
    return Other(tuple(_expression(value, offsets) for number, value in _pairs(data) if number in {3, 4}))
