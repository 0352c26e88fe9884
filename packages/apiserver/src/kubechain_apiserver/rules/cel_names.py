"""Escaping of field names in CEL, which has keywords and no dashes in identifiers."""

from __future__ import annotations

from typing import Final

_RESERVED: Final = frozenset(
    {
        *("true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if", "import"),
        *("let", "loop", "package", "namespace", "return", "var", "void", "while"),
    }
)
_ESCAPES: Final = (("__", "__underscores__"), (".", "__dot__"), ("-", "__dash__"), ("/", "__slash__"))


def escape_name(name: str) -> str:
    """Return a field name as rules write it."""
    if name in _RESERVED:
        return f"__{name}__"
    for character, escaped in _ESCAPES:
        name = name.replace(character, escaped)
    return name


def unescape_name(name: str) -> str:
    """Return the field of an escaped name."""
    if name[2:-2] in _RESERVED and name == f"__{name[2:-2]}__":
        return name[2:-2]
    for character, escaped in reversed(_ESCAPES):
        name = name.replace(escaped, character)
    return name
