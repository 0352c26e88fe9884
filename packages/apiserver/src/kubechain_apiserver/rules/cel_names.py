"""How validation rules spell the names of fields: CEL has keywords, and no dashes in names."""

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
    """Return how a rule spells a field."""
    if name in _RESERVED:
        return f"__{name}__"
    for character, escaped in _ESCAPES:
        name = name.replace(character, escaped)
    return name


def unescape_name(name: str) -> str:
    """Return the field that a rule means."""
    if name[2:-2] in _RESERVED and name == f"__{name[2:-2]}__":
        return name[2:-2]
    for character, escaped in reversed(_ESCAPES):
        name = name.replace(escaped, character)
    return name
