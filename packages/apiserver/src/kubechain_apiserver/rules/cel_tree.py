"""The syntax tree of a CEL expression, decoded from the runtime's protobuf.

The message is a `cel.expr.CheckedExpr`, or a `ParsedExpr` if the runtime did not check it. Only needed fields are
decoded, and positions only for errors: definitions are compiled at start-up.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from kubechain_apiserver.wire.protowire import read_fields

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
"""Field number of a string constant."""

_POSITIONS: Final = 4
"""Field number of the map from nodes to offsets."""


@dataclass(frozen=True, slots=True)
class Constant:
    """A literal; only the value of strings is kept."""

    type: str
    text: str


@dataclass(frozen=True, slots=True)
class Identifier:
    """The name of a variable or type."""

    name: str
    node: int


@dataclass(frozen=True, slots=True)
class Select:
    """`operand.field`, or `has(operand.field)` if `asks` is set."""

    operand: Expression
    field: str
    asks: bool
    node: int


@dataclass(frozen=True, slots=True)
class Call:
    """A function, an operator or a method; the object of a method is the first argument."""

    function: str
    arguments: tuple[Expression, ...]
    is_method: bool
    node: int


@dataclass(frozen=True, slots=True)
class Listing:
    """`[a, b]`."""

    elements: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Other:
    """Another expression, of any type, with its parts."""

    parts: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Comprehension:
    """The expansion of macros such as `all` and `map`: a loop over a range with an accumulator."""

    variables: tuple[str, ...]
    range: Expression
    accumulator: str
    initial: Expression
    parts: tuple[Expression, ...]
    step: Expression
    result: Expression


Expression = Constant | Identifier | Select | Call | Listing | Other | Comprehension


@dataclass(frozen=True, slots=True)
class Tree:
    """A whole expression."""

    root: Expression
    source: bytes

    def offset(self, node: int) -> int:
        """Return the offset of a node in the text."""
        entries = (dict(_fields(entry)) for number, entry in _fields(self.source) if number == _POSITIONS)
        return next((entry.get(2, 0) for entry in entries if entry.get(1, 0) == node), 0)


def read(serialized: bytes) -> Tree:
    """Return the tree of a serialized expression."""
    envelope = dict(_fields(serialized))
    expression, source = (4, 5) if envelope[1].endswith(b"CheckedExpr") else (2, 3)
    parts = dict(_fields(envelope[2]))
    return Tree(_expression(parts[expression]), parts.get(source, b""))


def walk(tree: Expression) -> Iterator[Expression]:
    """Yield an expression and all its parts."""
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


def _fields(data: bytes) -> list[tuple[int, Any]]:
    """The fields of a message: their numbers, and numbers or bytes."""
    return [(number, value) for number, _, value in read_fields(data)]


def _expression(data: bytes) -> Expression:
    fields = dict(_fields(data))
    node: int = fields.pop(2, 0)
    if not fields:
        return Other(())
    kind, raw = fields.popitem()
    inner = _fields(raw)
    one = dict(inner)

    def below(number: int) -> Expression:
        return _expression(one.get(number, b""))

    def all_below(number: int) -> tuple[Expression, ...]:
        return tuple(_expression(value) for found, value in inner if found == number)

    match kind:
        case 3:
            number = next(iter(one), 0)
            return Constant(_CONSTANTS.get(number, "dyn"), one[number].decode() if number == _TEXT else "")
        case 4:
            return Identifier(one[1].decode(), node)
        case 5:
            return Select(below(1), one[2].decode(), bool(one.get(3)), node)
        case 6:
            target = (below(1),) if 1 in one else ()
            return Call(one[2].decode(), (*target, *all_below(3)), bool(target), node)
        case 7:
            return Listing(all_below(1))
        case 9:
            variables = tuple(one[number].decode() for number in (1, 8) if number in one)
            return Comprehension(variables, below(2), one[3].decode(), below(4), (below(5),), below(6), below(7))
        case _:
            return Other(tuple(_entry(value) for found, value in inner if found == 2))


def _entry(data: bytes) -> Expression:
    """Return key and value of a map entry, or the value of a message field."""
    return Other(tuple(_expression(value) for number, value in _fields(data) if number in {3, 4}))
