"""Errors of one field, with the messages of kube-apiserver's field package.

`errors.invalid` makes a response of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from kubechain_apiserver.wire.errors import Cause


class Omitted(Enum):
    """The type of `OMITTED`."""

    OMITTED = "omitted"


OMITTED = Omitted.OMITTED
"""A value that is not printed."""


@dataclass(frozen=True, slots=True)
class Verbatim:
    """A value that is printed as it is."""

    text: str


_TITLES = {
    "FieldValueNotFound": "Not found",
    "FieldValueRequired": "Required value",
    "FieldValueDuplicate": "Duplicate value",
    "FieldValueInvalid": "Invalid value",
    "FieldValueNotSupported": "Unsupported value",
    "FieldValueForbidden": "Forbidden",
    "FieldValueTooLong": "Too long",
    "FieldValueTooMany": "Too many",
    "FieldValueTypeInvalid": "Invalid value",
}

_BLOCKING = {
    "FieldValueNotSupported",
    "FieldValueRequired",
    "FieldValueTooLong",
    "FieldValueTooMany",
    "FieldValueTypeInvalid",
}


@dataclass(frozen=True, slots=True)
class FieldError:
    """An error of the value at one path."""

    type: str
    field: str
    value: Any
    detail: str = ""

    @property
    def message(self) -> str:
        """The text of the error."""
        title = _TITLES[self.type]
        shown = title if self.value is OMITTED else f"{title}: {render(self.value)}"
        return f"{shown}: {self.detail}" if self.detail else shown

    @property
    def blocks_rules(self) -> bool:
        """Whether the error prevents the evaluation of CEL rules."""
        return self.type in _BLOCKING

    def cause(self) -> Cause:
        """Return the error as a cause of a Status."""
        return Cause(self.type, self.message, self.field)


def causes(found: Iterable[FieldError]) -> list[Cause]:
    """Return errors as causes, for `errors.invalid`."""
    return [error.cause() for error in found]


_QUOTED: Final = {
    '"': '\\"',
    "\\": "\\\\",
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
}


def quote(text: str) -> str:
    """Return a string as Go's %q prints it: unprintable characters are escaped."""
    if text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return f'"{"".join(map(_quoted, text))}"'


def _quoted(character: str) -> str:
    if character in _QUOTED:
        return _QUOTED[character]
    if character.isprintable():
        return character
    code = ord(character)
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def render(value: Any) -> str:
    """Return a value as messages print it."""
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, Verbatim):
        return value.text
    if isinstance(value, float):
        return number(value)
    return go_json(value)


def number(value: float) -> str:
    """Return a number as Go's %v prints it."""
    if isinstance(value, int):
        return str(value)
    if not value or 1e-4 <= abs(value) < 1e21:
        return str(int(value)) if value.is_integer() else repr(value)
    return _exponent(value)


def _exponent(value: float) -> str:
    mantissa, _, power = f"{value!r}".partition("e")
    return f"{mantissa.removesuffix('.0')}e{power}" if power else f"{value:e}"


def go_json(value: Any) -> str:
    """Return JSON as Go encodes it: sorted keys, no spaces, HTML characters escaped."""
    return go_escaped(json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False))


def go_escaped(text: str) -> str:
    """Escape HTML characters in JSON."""
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def required(field: str, detail: str = "") -> FieldError:
    """Return the error of an absent field."""
    return FieldError("FieldValueRequired", field, OMITTED, detail)


def invalid(field: str, value: Any, detail: str) -> FieldError:
    """Return the error of an invalid value."""
    return FieldError("FieldValueInvalid", field, value, detail)


def type_invalid(field: str, value: Any, detail: str) -> FieldError:
    """Return the error of a value of a wrong type."""
    return FieldError("FieldValueTypeInvalid", field, value, detail)


def not_supported(field: str, value: Any, allowed: Iterable[str]) -> FieldError:
    """Return the error of a value that is not in a list of allowed ones."""
    listed = ", ".join(quote(item) for item in allowed)
    return FieldError("FieldValueNotSupported", field, value, f"supported values: {listed}" if listed else "")


def forbidden(field: str, detail: str) -> FieldError:
    """Return the error of a field that must not be set."""
    return FieldError("FieldValueForbidden", field, OMITTED, detail)


def duplicate(field: str, value: Any) -> FieldError:
    """Return the error of a duplicate value."""
    return FieldError("FieldValueDuplicate", field, value)


def too_long(field: str, limit: int, *, unit: str = "bytes") -> FieldError:
    """Return the error of a value that is too long."""
    return FieldError("FieldValueTooLong", field, OMITTED, f"may not be more than {limit} {unit}" if limit >= 0 else "")


def too_many(field: str, actual: int, limit: int) -> FieldError:
    """Return the error of a list with too many items."""
    noun = "item" if limit == 1 else "items"
    return FieldError("FieldValueTooMany", field, actual, f"must have at most {limit} {noun}")


def child(path: str, name: str) -> str:
    """`path.name`."""
    return f"{path}.{name}" if path else name
