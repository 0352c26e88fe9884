"""Label and field selectors: parsing with kube-apiserver's errors, and matching."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, cast

from kubechain_apiserver.wire import errors, names
from kubechain_apiserver.wire.field_errors import invalid
from kubechain_apiserver.wire.field_errors import render as render_value
from kubechain_apiserver.wire.json_types import JsonObject

Operator = Literal["=", "==", "!=", "in", "notin", "exists", "!", ">", "<"]
FieldReader = Callable[[JsonObject, str], str]
"""Reads the value of a field selector's path from an object."""

_OPERATORS = "in, notin, =, ==, !=, gt, lt"
_TOKEN = re.compile(r"\s*(?:(!=|==|[=!(),<>])|([^=!(),<>\s]+)|$)")
_WORDS = {"in", "notin"}


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on one label."""

    key: str
    operator: Operator
    values: frozenset[str] = frozenset()

    def matches(self, labels: dict[str, str]) -> bool:
        value = labels.get(self.key)
        match self.operator:
            case "=" | "==" | "in":
                return value is not None and value in self.values
            case "!=" | "notin":
                return value is None or value not in self.values
            case "exists":
                return value is not None
            case "!":
                return value is None
            case ">" | "<":
                return _compare(value, self.operator, next(iter(self.values)))


def _compare(value: str | None, operator: str, bound: str) -> bool:
    try:
        left, right = int(value or ""), int(bound)
    except ValueError:
        return False
    return left > right if operator == ">" else left < right


class _Parser:
    """Recursive descent over the tokens of a label selector."""

    def __init__(self, text: str) -> None:
        self._tokens = self._scan(text)
        self._at = 0

    @staticmethod
    def _scan(text: str) -> list[str]:
        tokens = [match.group(1) or match.group(2) or "" for match in _TOKEN.finditer(text)]
        return [token for token in tokens if token] + [""]

    @property
    def _next(self) -> str:
        return self._tokens[self._at]

    def _take(self) -> str:
        token = self._tokens[self._at]
        self._at = min(self._at + 1, len(self._tokens) - 1)
        return token

    def parse(self) -> tuple[Requirement, ...]:
        found: list[Requirement] = []
        while self._next:
            if not (self._next == "!" or _is_word(self._next)):
                raise _refusal(f"found '{self._next}', expected: !, identifier, or 'end of string'")
            found.append(self._requirement())
            if not self._next:
                break
            if (token := self._take()) != ",":
                raise _refusal(f"found '{token}', expected: ',' or 'end of string'")
            if not (self._next == "!" or _is_word(self._next)):
                raise _refusal(f"found '{self._next}', expected: identifier after ','")
        return tuple(found)

    def _requirement(self) -> Requirement:
        absent = self._next == "!"
        if absent:
            self._take()
        key = self._take()
        if not _is_word(key):
            raise _refusal(f"unable to parse requirement: found '{key}', expected: identifier")
        if found := names.label_key(key):
            raise _refusal(f"unable to parse requirement: <nil>: {invalid('', key, '; '.join(found)).message}")
        if absent:
            return Requirement(key, "!")
        if self._next in {"", ","}:
            return Requirement(key, "exists")
        return self._comparison(key)

    def _comparison(self, key: str) -> Requirement:
        operator = self._take()
        match operator:
            case "in" | "notin":
                values = self._values()
            case "=" | "==" | "!=" | ">" | "<":
                values = frozenset({self._value()})
            case _:
                raise _refusal(f"unable to parse requirement: found '{operator}', expected: {_OPERATORS}")
        for value in sorted(values):
            self._check(key, operator, value)
        return Requirement(key, operator, values)

    @staticmethod
    def _check(key: str, operator: str, value: str) -> None:
        if operator in "<>" and not re.fullmatch(r"[-+]?\d+", value):
            text = "for 'Gt', 'Lt' operators, the value must be an integer"
            raise _refusal(f"unable to parse requirement: values[0]: {invalid('', value, text).message}")
        if found := names.label_value(value):
            text = invalid("", value, "; ".join(found)).message
            raise _refusal(f"unable to parse requirement: values[0][{key}]: {text}")

    def _value(self) -> str:
        if self._next in {"", ","}:
            return ""
        token = self._take()
        if not _is_word(token):
            raise _refusal(f"unable to parse requirement: found '{token}', expected: identifier")
        return token

    def _values(self) -> frozenset[str]:
        if (token := self._take()) != "(":
            raise _refusal(f"unable to parse requirement: found '{token}' expected: '('")
        values: set[str] = set()
        expects_value = True
        while (taken := self._take()) != ")":
            if taken == ",":
                if expects_value:
                    values.add("")
                expects_value = True
            elif _is_word(taken) and expects_value:
                values.add(taken)
                expects_value = False
            else:
                wanted = "',', ')' or identifier" if expects_value else "',' or ')'"
                raise _refusal(f"unable to parse requirement: found '{taken}', expected: {wanted}")
        if expects_value:
            values.add("")
        return frozenset(values)


def _is_word(token: str) -> bool:
    return bool(token) and token[0] not in "=!(),<>"


def _refusal(message: str) -> errors.StatusError:
    return errors.bad_request(message)


def parse_labels(text: str) -> tuple[Requirement, ...]:
    """Parse a label selector.

    Raises:
        StatusError: It is invalid (400).
    """
    return _Parser(text).parse() if text else ()


@dataclass(frozen=True, slots=True)
class FieldTerm:
    """One condition on one field."""

    path: str
    value: str
    equal: bool


def parse_fields(text: str) -> tuple[FieldTerm, ...]:
    """Parse a field selector.

    Raises:
        StatusError: It is invalid (400).
    """
    return tuple(_field_term(part, text) for part in _split_fields(text) if part)


def _split_fields(text: str) -> list[str]:
    parts = re.split(r"(?<!\\),", text)
    return parts if text else []


def _field_term(part: str, text: str) -> FieldTerm:
    found = re.match(r"((?:[^=!]|!(?!=))*)(!=|==|=)(.*)", part, re.DOTALL)
    if found is None:
        raise errors.bad_request(f'invalid selector: "{text}"; can\'t understand "{part}"'.replace('"', "'"))
    path, operator, value = found.groups()
    return FieldTerm(path, re.sub(r"\\([\\,=])", r"\1", value), equal=operator != "!=")


def read_path(obj: JsonObject, path: str) -> str:
    """Return the value at a dotted path, as field selectors compare it."""
    value: Any = obj
    for name in path.split("."):
        value = cast("JsonObject", value).get(name) if isinstance(value, dict) else None
    if value is None:
        return ""
    return value if isinstance(value, str) else render_value(value)


@dataclass(frozen=True, slots=True)
class Selection:
    """A namespace and selectors; `namespace` None means all namespaces."""

    namespace: str | None
    labels: tuple[Requirement, ...] = ()
    fields: tuple[FieldTerm, ...] = ()
    reader: FieldReader = read_path

    @property
    def takes_all(self) -> bool:
        return not self.labels and not self.fields

    def matches(self, obj: JsonObject) -> bool:
        if self.labels:
            labels = cast("dict[str, str]", obj["metadata"].get("labels") or {})
            if not all(requirement.matches(labels) for requirement in self.labels):
                return False
        return all((self.reader(obj, term.path) == term.value) == term.equal for term in self.fields)


def select(
    namespace: str | None,
    *,
    label_selector: str,
    field_selector: str,
    selectable: tuple[str, ...] = (),
    reader: FieldReader = read_path,
    known: bool = False,
) -> Selection:
    """Parse both selectors.

    Args:
        selectable: Paths besides `metadata.name` and `metadata.namespace`.
        known: Error messages name these two, as for built-in kinds without further paths.

    Raises:
        StatusError: A selector is invalid, or has a path that is not selectable (400).
    """
    terms = parse_fields(field_selector)
    for term in terms:
        if term.path not in {"metadata.name", "metadata.namespace", *selectable}:
            raise errors.bad_request(_not_selectable(term.path, known=known))
    return Selection(namespace, parse_labels(label_selector), terms, reader)


def _not_selectable(path: str, *, known: bool) -> str:
    if known:
        return f'"{path}" is not a known field selector: only "metadata.name", "metadata.namespace"'
    return f"field label not supported: {path}"
