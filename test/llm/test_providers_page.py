"""The table of docs/providers.md says what is read off the encoded requests."""

from __future__ import annotations

from pathlib import Path

from kubechain.llm.errors import InvalidTarget
from kubechain.llm.providers import ignored_parameters
from test.llm.test_every_field import BASES, VALUES, a_spec, may_set

PAGE = Path(__file__).resolve().parents[2] / "docs" / "providers.md"


def cell(base: str, name: str) -> str:
    """What a field does with a provider: `test_every_field` shows that one without effect is named."""
    if not may_set(base, name):
        return ""
    try:
        return "named" if name in ignored_parameters(a_spec(base, name)) else "acts"
    except InvalidTarget:
        return ""


def table() -> list[str]:
    head = [f"| field | {' | '.join(BASES)} |", f"|---|{'---|' * len(BASES)}"]
    return head + [f"| `{name}` | {' | '.join(cell(base, name) for base in BASES)} |" for name in VALUES]


def test_the_page_has_the_table() -> None:
    _, found, rest = PAGE.read_text().partition("| field |")
    shown = (found + rest).partition("\n\n")[0].splitlines()
    assert shown == table(), "\n".join(["the table is now:", *table()])
