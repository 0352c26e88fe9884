"""CEL validation rules (`x-kubernetes-validations`): compiled once per schema, evaluated on each write.

A rule is given only the fields that it names, so that large objects are not converted for a rule about a small part.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, cast

from kubechain_apiserver.rules import cel, cel_tree, rule_types
from kubechain_apiserver.rules.cel import CompilationError
from kubechain_apiserver.rules.cel_names import escape_name
from kubechain_apiserver.schema.structural import Node
from kubechain_apiserver.wire.field_errors import OMITTED, FieldError, forbidden, invalid, required
from kubechain_apiserver.wire.json_types import JsonObject

Trim = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class _Rule:
    """A compiled rule.

    Attributes:
        integers: Paths of integers that the rule reads.
    """

    raw: JsonObject
    program: cel.Program
    message: cel.Program | None
    integers: tuple[tuple[str, ...], ...]

    @property
    def needs_old(self) -> bool:
        return self.program.uses_old and not self.raw.get("optionalOldSelf")

    @property
    def text(self) -> str:
        return self.raw["rule"].strip()

    @property
    def shown(self) -> str:
        """The rule as errors print it."""
        return self.raw.get("message", "").strip() or self.text


class Rules:
    """The rules of a place in a schema and of all places below."""

    def __init__(self, node: Node) -> None:
        self._node = node
        raws: list[JsonObject] = node.raw.get("x-kubernetes-validations") or []
        self._rules = [_compile(raw, node) for raw in raws]
        self._trim = _trimmer(node, [raw["rule"] + " " + raw.get("messageExpression", "") for raw in raws])
        self._properties = {name: Rules(below) for name, below in node.properties.items() if below.has_rules}
        self._additional = _below(node.additional)
        self._items = _below(node.items)

    def check(self, new: Any, old: Any, path: str = "") -> list[FieldError]:
        """Return the errors of a value; `old` is None if there is no old value to compare with."""
        if new is None:
            return []
        found = self._check_here(new, old, path) if self._rules else []
        match new:
            case dict():
                found += self._check_fields(cast("JsonObject", new), old, path)
            case list():
                found += self._check_items(cast("list[Any]", new), old, path)
            case _:
                pass
        return found

    def _check_here(self, new: Any, old: Any, path: str) -> list[FieldError]:
        found: list[FieldError] = []
        values = cel.bind(self._trim(new), self._trim(old), has_old=old is not None)
        for rule in self._rules:
            if rule.needs_old and old is None:
                continue
            found += self._run(rule, values, new, old, path)
        return found

    def _run(self, rule: _Rule, values: Any, new: Any, old: Any, path: str) -> list[FieldError]:
        place = path or "<nil>"
        if any(isinstance(_read(new, names), float) for names in rule.integers):
            why = "invalid data, expected int, got float64"
            return [invalid(place, self._node.type, f"{why} evaluating rule: {rule.shown}")]
        try:
            if rule.program.evaluate(values) is True:
                return []
        except cel.EvaluationError as error:
            if str(error).startswith("no such overload"):
                text = "call arguments did not match a supported operator, function or macro signature for rule"
                return [invalid(place, self._node.type, f"'{error}': {text}: {rule.shown}")]
            return [invalid(place, self._node.type, f"{error} evaluating rule: {rule.shown}")]
        if not rule.program.uses_old and old is not None and new == old:
            # What was wrong before and was not touched does not stop an update (ratcheting).
            return []
        return [self._violation(rule, values, new, path)]

    def _violation(self, rule: _Rule, values: Any, new: Any, path: str) -> FieldError:
        below: str = rule.raw.get("fieldPath", "")
        place = f"{path}{below}" if path else below.removeprefix(".")
        value = OMITTED if self._node.type in {"object", "array"} else new
        return _field_error(rule.raw.get("reason", ""), place or "<nil>", value, _detail(rule, values))

    def _check_fields(self, new: JsonObject, old: Any, path: str) -> list[FieldError]:
        before = cast("JsonObject", old) if isinstance(old, dict) and self._node.map_type != "atomic" else {}
        found: list[FieldError] = []
        for name in sorted(new.keys() & self._properties.keys()):
            here = f"{path}.{name}" if path else name
            found += self._properties[name].check(new[name], before.get(name), here)
        if self._additional:
            for name in sorted(new.keys() - self._node.properties.keys()):
                found += self._additional.check(new[name], before.get(name), f"{path}[{name}]")
        return found

    def _check_items(self, new: list[Any], old: Any, path: str) -> list[FieldError]:
        if self._items is None:
            return []
        before = dict(self._keyed(old)) if isinstance(old, list) and self._node.list_type == "map" else {}
        found: list[FieldError] = []
        for index, (key, item) in enumerate(self._keyed(new)):
            found += self._items.check(item, before.get(key), f"{path}[{index}]")
        return found

    def _keyed(self, items: Any) -> Iterator[tuple[str, Any]]:
        """Return the items of a list map by their keys."""
        for item in cast("list[Any]", items):
            fields = cast("JsonObject", item) if isinstance(item, dict) else {}
            yield str([fields.get(key) for key in self._node.map_keys]), item


def _below(node: Node | bool | None) -> Rules | None:
    return Rules(node) if isinstance(node, Node) and node.has_rules else None


def _read(value: Any, names: tuple[str, ...]) -> Any:
    for name in names:
        value = cast("JsonObject", value).get(name) if isinstance(value, dict) else None
    return value


def _integers(text: str, node: Node) -> Iterator[tuple[str, ...]]:
    """Return the paths at which a rule reads integers, which CEL does not take from floats."""
    for path in set(re.findall(r"\bself((?:\.\w+)*)", text)):
        names = tuple(path.split(".")[1:])
        place: Node | None = node
        for name in names:
            place = place.properties.get(name) if place else None
        if place is not None and place.type == "integer":
            yield names


def _compile(raw: JsonObject, node: Node) -> _Rule:
    optional_old = raw.get("optionalOldSelf") is True
    message = raw.get("messageExpression", "")
    return _Rule(
        raw,
        cel.Program(raw["rule"], optional_old=optional_old),
        cel.Program(message, optional_old=optional_old) if message else None,
        tuple(_integers(raw["rule"], node)),
    )


@dataclass(frozen=True, slots=True)
class Compiled:
    """The errors of a compiled rule; "" for none."""

    wrong_rule: str = ""
    wrong_message: str = ""
    uses_old: bool = False


def compiled(raw: JsonObject, schema: JsonObject, *, resource: bool) -> Compiled:
    """Compile a rule of a definition, and check it against the schema.

    Args:
        resource: The schema is that of a resource.
    """
    rule: str = raw["rule"]
    optional_old = raw.get("optionalOldSelf") is True
    wrong, type_ = _checked(rule, schema, resource=resource, optional_old=optional_old)
    if wrong:
        return Compiled(f"compilation failed: {wrong}")
    if type_ not in (rule_types.BOOL, rule_types.DYN):
        return Compiled("cel expression must evaluate to a bool")
    uses_old = re.search(r"\boldSelf\b", rule) is not None
    message: str = raw.get("messageExpression") or ""
    if not message:
        return Compiled(uses_old=uses_old)
    wrong, type_ = _checked(message, schema, resource=resource, optional_old=optional_old)
    if wrong:
        return Compiled("", f"messageExpression compilation failed: {wrong}", uses_old)
    if type_ not in (rule_types.STRING, rule_types.DYN):
        return Compiled("", "messageExpression must evaluate to a string", uses_old)
    return Compiled(uses_old=uses_old)


def _checked(text: str, schema: JsonObject, *, resource: bool, optional_old: bool) -> tuple[str, rule_types.Type]:
    """Return the error of an expression ("" for none), and its type."""
    try:
        serialized, said = cel.serialized(text)
    except CompilationError as error:
        return cel.message(error), rule_types.DYN
    tree = cel_tree.read(serialized)
    self_ = rule_types.type_of(schema, resource=resource) or rule_types.DYN
    checker = rule_types.Checker({"self": self_, "oldSelf": rule_types.DYN if optional_old else self_})
    type_ = checker.type_of(tree.root)
    mistakes = [(tree.offset(node), mistake) for node, mistake in checker.mistakes]
    if said:
        places = {at for at, _ in mistakes}  # where the compiler, which knows fewer types, would say less
        more = rule_types.undeclared(said, text, tree, known={"self", "oldSelf"})
        mistakes += [mistake for mistake in more if mistake[0] not in places]
    return rule_types.display(text, mistakes) or said, type_


def _detail(rule: _Rule, values: Any) -> str:
    if rule.message is not None:
        try:
            text = rule.message.evaluate(values)
        except cel.EvaluationError:
            text = ""
        if isinstance(text, str) and text.strip() and "\n" not in text.strip():
            return text.strip()
    return rule.raw.get("message", "").strip() or f"failed rule: {rule.text}"


def _field_error(reason: str, place: str, value: Any, detail: str) -> FieldError:
    match reason:
        case "FieldValueForbidden":
            return forbidden(place, detail)
        case "FieldValueRequired":
            return required(place, detail)
        case "FieldValueDuplicate":
            return FieldError("FieldValueDuplicate", place, value)
        case _:
            return invalid(place, value, detail)


def _trimmer(node: Node, texts: list[str]) -> Trim:
    """Return a function that removes from a value what these rules do not read."""
    whole = any(re.search(r"\b(self|oldSelf)\b(?!\s*\.\s*\w)", text) for text in texts)
    escaped = any("__" in text for text in texts)
    if escaped:
        return _escape
    if whole or not node.properties:
        return lambda value: value
    # has(x.y) looks at the presence of y alone, so y's content need not be there for its sake.
    read = " ".join(re.sub(r"has\([^()]*\)", " ", text) for text in texts)
    words = set(re.findall(r"\w+", " ".join(texts)))
    return lambda value: _trim(value, node, words, read)


def _trim(value: Any, node: Node, words: set[str], read: str) -> Any:
    if not isinstance(value, dict) or not node.properties:
        return cast("Any", value)
    kept: JsonObject = {}
    for name, item in cast("JsonObject", value).items():
        if name not in words:
            continue
        below = node.properties.get(name)
        only_passed_through = below is not None and not re.search(rf"\.{name}\b(?!\s*\.\s*\w)", read)
        kept[name] = _trim(item, below, words, read) if below and only_passed_through else item
    return kept


def _escape(value: Any) -> Any:
    """Escape field names in a value."""
    if isinstance(value, dict):
        return {escape_name(name): _escape(item) for name, item in cast("JsonObject", value).items()}
    if isinstance(value, list):
        return [_escape(item) for item in cast("list[Any]", value)]
    return value
