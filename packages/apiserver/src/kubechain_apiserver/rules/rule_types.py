"""Type check of CEL rules against a schema: unknown fields and incompatible comparisons.

Google's runtime cannot do this, because `self` has type dyn there. Only certain errors are reported; what is unknown
has type dyn.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Final

from kubechain_apiserver.rules import cel_tree
from kubechain_apiserver.rules.cel_names import unescape_name
from kubechain_apiserver.schema.structural_rules import below, properties
from kubechain_apiserver.wire.json_types import JsonObject

_NAMES: Final[JsonObject] = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "generateName": {"type": "string"}},
}
_OF_RESOURCES: Final[JsonObject] = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": _NAMES}


@dataclass(frozen=True, slots=True)
class Type:
    """A CEL type: a simple one, `list` or `map` with their element type, or `object` with a schema."""

    name: str
    element: Type | None = None
    fields: JsonObject | None = None

    def __str__(self) -> str:
        match self.name, self.element:
            case "list", Type():
                return f"list({self.element})"
            case "map", Type():
                return f"map(string, {self.element})"
            case _:
                return self.name.removesuffix("_type")


DYN: Final = Type("dyn")
BOOL: Final = Type("bool")
INT: Final = Type("int")
STRING: Final = Type("string")
_SCALARS: Final[Mapping[str, Type]] = {"boolean": BOOL, "number": Type("double"), "integer": INT}
_FORMATS: Final[Mapping[str, Type]] = {
    "byte": Type("bytes"),
    "duration": Type("duration"),
    "date": Type("timestamp"),
    "date-time": Type("timestamp"),
}
_TEXT_METHODS: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(("startsWith", "endsWith", "contains", "matches"), ("string",)),
    **dict.fromkeys(("lowerAscii", "upperAscii", "trim"), ()),
}
"""Methods that only strings have, and their argument types."""

_OPTIONAL_SELECT: Final = "_?._"
_NUMBERS: Final = frozenset({"int", "uint", "double"})
_ORDERED: Final = frozenset({"_<_", "_<=_", "_>_", "_>=_"})
_EQUAL: Final = frozenset({"_==_", "_!=_"})
_OF_ELEMENTS: Final = frozenset({"sum", "min", "max"})
_ARITHMETIC: Final = frozenset({"_+_", "_-_", "_*_", "_/_", "_%_"})
_LOGICAL: Final = frozenset({"_&&_", "_||_", "!_"})
_RESULTS: Final[Mapping[str, Type]] = {
    **dict.fromkeys((*_ORDERED, *_EQUAL, *_LOGICAL, "@in", "_in_", "@not_strictly_false"), BOOL),
    **dict.fromkeys(("startsWith", "endsWith", "contains", "matches", "isSorted", "bool"), BOOL),
    **dict.fromkeys(("size", "indexOf", "lastIndexOf", "int", "getHours", "getMinutes"), INT),
    **dict.fromkeys(("string", "lowerAscii", "upperAscii", "trim", "replace", "substring", "join", "find"), STRING),
    "double": Type("double"),
    "duration": Type("duration"),
    "timestamp": Type("timestamp"),
    "split": Type("list", STRING),
    "findAll": Type("list", STRING),
}


def type_of(schema: JsonObject, *, resource: bool) -> Type | None:
    """Return the type of a place; None if rules cannot access it.

    Args:
        resource: The place is the root of a resource, whose metadata has names only.
    """
    if schema.get("x-kubernetes-int-or-string"):
        return DYN
    match schema.get("type"):
        case "array":
            element = _below(schema, "items")
            return Type("list", element) if element else None
        case "object" if isinstance(schema.get("additionalProperties"), dict):
            element = _below(schema, "additionalProperties")
            return Type("map", element) if element else None
        case "object":
            fields = {**properties(schema), **_OF_RESOURCES} if resource else dict(properties(schema))
            return Type("object", fields=fields)
        case "string":
            return _FORMATS.get(schema.get("format", ""), STRING)
        case other:
            return _SCALARS.get(other or "")


def _below(schema: JsonObject, name: str) -> Type | None:
    found = below(schema, name)
    return type_of(found, resource=bool(found.get("x-kubernetes-embedded-resource"))) if found is not None else None


class Checker:
    """Infers the type of an expression and collects `mistakes`: the node and the message."""

    def __init__(self, variables: Mapping[str, Type]) -> None:
        self._variables = dict(variables)
        self.mistakes: list[tuple[int, str]] = []

    def type_of(self, expression: cel_tree.Expression) -> Type:
        """Return the type of an expression."""
        match expression:
            case cel_tree.Constant():
                return Type(expression.type)
            case cel_tree.Identifier():
                return self._variables.get(expression.name, DYN)
            case cel_tree.Select():
                found = self._selected(self.type_of(expression.operand), expression)
                return BOOL if expression.asks else found
            case cel_tree.Call():
                return self._call(expression)
            case cel_tree.Comprehension():
                return self._comprehension(expression)
            case cel_tree.Listing():
                types = [self.type_of(element) for element in expression.elements]
                return Type("list", types[0] if types and all(one == types[0] for one in types) else DYN)
            case cel_tree.Other():
                for part in expression.parts:
                    self.type_of(part)
                return DYN

    def _selected(self, operand: Type, expression: cel_tree.Select) -> Type:
        if operand.name == "map":
            return operand.element or DYN
        if operand.name == "object":
            return self._field(operand, expression)
        if operand.name != "dyn":
            self.mistakes.append((expression.node, f"type '{operand}' does not support field selection"))
        return DYN

    def _field(self, operand: Type, expression: cel_tree.Select) -> Type:
        schema = (operand.fields or {}).get(unescape_name(expression.field))
        embedded = bool(schema and schema.get("x-kubernetes-embedded-resource"))
        found = type_of(schema, resource=embedded) if schema is not None else None
        if found is None:
            self.mistakes.append((expression.node, f"undefined field '{expression.field}'"))
        return found or DYN

    def _comprehension(self, expression: cel_tree.Comprehension) -> Type:
        range_ = self.type_of(expression.range)
        element = (range_.element or DYN) if range_.name == "list" else STRING if range_.name == "map" else DYN
        outer = dict(self._variables)
        if len(expression.variables) == 2:
            key = STRING if range_.name == "map" else INT if range_.name == "list" else DYN
            self._variables |= zip(expression.variables, (key, range_.element or DYN), strict=True)
        else:
            self._variables[expression.variables[0]] = element
        initial = self.type_of(expression.initial)
        self._variables[expression.accumulator] = initial
        for part in expression.parts:
            self.type_of(part)
        step = self.type_of(expression.step)
        self._variables[expression.accumulator] = step if initial.name == "list" else initial
        result = self.type_of(expression.result)
        self._variables = outer
        return result

    def _call(self, expression: cel_tree.Call) -> Type:
        types = [self.type_of(argument) for argument in expression.arguments]
        function = expression.function
        if function == _OPTIONAL_SELECT:
            return self._optional(expression, types[0])
        if not _fits(function, types, is_method=expression.is_method):
            receiver = f"{types.pop(0)}." if expression.is_method else ""
            mistake = (
                f"found no matching overload for '{function}' applied to '{receiver}({', '.join(map(str, types))})'"
            )
            self.mistakes.append((expression.node, mistake))
            return _RESULTS.get(function, DYN)
        return _result(function, types)

    def _optional(self, expression: cel_tree.Call, operand: Type) -> Type:
        """`operand.?field`, of which only the field is checked."""
        field = expression.arguments[1]
        if operand.name == "object" and isinstance(field, cel_tree.Constant):
            self._field(operand, cel_tree.Select(expression.arguments[0], field.text, False, expression.node))
        return DYN


def _fits(function: str, types: Sequence[Type], *, is_method: bool) -> bool:
    """Whether an operator, or a method of texts, takes values of these types."""
    if any(one.name == "dyn" for one in types):
        return True
    if is_method:
        wanted = _TEXT_METHODS.get(function)
        return wanted is None or [one.name for one in types] == ["string", *wanted]
    if function == "-_":
        return types[0].name in _NUMBERS
    if function in _LOGICAL:
        return all(one == BOOL for one in types)
    if function == "_?_:_":
        return types[0] == BOOL and (_comparable(types[1], types[2]))
    if len(types) != 2:
        return True
    left, right = types
    if function in _EQUAL:
        return _comparable(left, right)
    if function in _ORDERED:
        return {left.name, right.name} <= _NUMBERS or (left == right and left.name not in {"object", "list", "map"})
    if function in {"@in", "_in_"}:
        return right.name in {"list", "map"} and _comparable(
            left, (right.element or DYN) if right.name == "list" else STRING
        )
    if function == "_[_]":
        return left.name not in {"list", "map"} or right.name in ({"string"} if left.name == "map" else _NUMBERS)
    if function in _ARITHMETIC:
        return left.name == right.name or {left.name, right.name} == {"timestamp", "duration"}
    return True


def _comparable(left: Type, right: Type) -> bool:
    if "dyn" in {left.name, right.name} or (left.name == right.name == "object"):
        return True
    if "null_type" in {left.name, right.name}:
        return left == right or bool({left.name, right.name} & {"object", "duration", "timestamp"})
    if left.name == right.name and left.element and right.element:
        return _comparable(left.element, right.element)
    return left.name == right.name


def _result(function: str, types: Sequence[Type]) -> Type:
    if function in _RESULTS:
        return _RESULTS[function]
    match function, types:
        case "_[_]", [Type("list" | "map", Type() as element), _]:
            return element
        case "_?_:_", [_, yes, no]:
            return _narrower(yes, no)
        case _, [Type("list", Type() as element)] if function in _OF_ELEMENTS:
            return element
        case "_+_", [left, right] if left.name == right.name:
            return _narrower(left, right)
        case "_+_" | "_-_" | "_*_" | "_/_" | "_%_" | "-_", [left, *_] if left.name in _NUMBERS:
            return left
        case _:
            return DYN


def _narrower(one: Type, other: Type) -> Type:
    """Return the more specific of two list types: lists begin empty in a loop."""
    if one.name == other.name == "list":
        return other if one.element == DYN else one
    return one if one == other else DYN


def undeclared(said: str, source: str, tree: cel_tree.Tree, known: Set[str]) -> list[tuple[int, str]]:
    """Return the compiler's errors about undeclared names, as mistakes; for `a.b` the name is `a`.

    Args:
        known: Declared variables.
    """
    lines = source.split("\n")
    found: list[tuple[int, str]] = []
    for line, column, text in re.findall(r"^ERROR: <input>:(\d+):(\d+): (.*)$", said, re.MULTILINE):
        at = sum(len(one) + 1 for one in lines[: int(line) - 1]) + int(column) - 1
        dotted = re.fullmatch(r"undeclared reference to '([^'.]+)\.[^']*' (.*)", text)
        if dotted and dotted[1] not in known:
            at, text = _place_of(tree, dotted[1], at), f"undeclared reference to '{dotted[1]}' {dotted[2]}"
        found.append((at, text))
    return found


def _place_of(tree: cel_tree.Tree, name: str, otherwise: int) -> int:
    """Return the first offset of a variable."""
    named = (one for one in cel_tree.walk(tree.root) if isinstance(one, cel_tree.Identifier) and one.name == name)
    return min((tree.offset(one.node) for one in named), default=otherwise)


def display(source: str, mistakes: Sequence[tuple[int, str]]) -> str:
    """Return mistakes as CEL's compiler prints them, each with its line."""
    return "\n".join(_display(source, at, text) for at, text in sorted(dict.fromkeys(mistakes)))


def _display(source: str, at: int, text: str) -> str:
    before = source[:at]
    line, column = before.count("\n"), at - (before.rfind("\n") + 1)
    return f"ERROR: <input>:{line + 1}:{column + 1}: {text}\n | {source.splitlines()[line]}\n | {'.' * column}^"
