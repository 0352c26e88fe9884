"""The tables of docs/providers.md say what is read off encoded requests; each row names a test that shows it."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from kubechain.llm.errors import InvalidTarget
from kubechain.llm.providers import ignored_parameters
from test.llm.test_every_field import BASES, ELSEWHERE, VALUES, a_spec, may_set

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "providers.md"

NAMED = re.compile(r"`(test[/_][^`]*)`")
"""A test, or a file of tests."""


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


def fields_elsewhere() -> list[str]:
    """The fields that act outside of a request, with the test that shows it."""
    rows = [f"| `{field}` | `{name_of(test)}` |" for field, test in ELSEWHERE.items()]
    return ["| field | shown by |", "|---|---|", *rows]


def name_of(test: object) -> str:
    assert inspect.isfunction(test)
    return f"{test.__module__.replace('.', '/')}.py::{test.__name__}"


def tables() -> Iterator[list[str]]:
    """The tables of the page, each with its head."""
    for block in PAGE.read_text().split("\n\n"):
        if block.startswith("|"):
            yield block.splitlines()


@cache
def functions(path: str) -> frozenset[str]:
    parsed = ast.parse((ROOT / path).read_text())
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(node.name for node in parsed.body if isinstance(node, kinds))


def is_there(named: str) -> bool:
    path, _, function = named.partition("::")
    return (ROOT / path).is_file() and (not function or function in functions(path))


@pytest.mark.parametrize("expected", [table, fields_elsewhere], ids=["fields of requests", "fields elsewhere"])
def test_the_page_has_the_table(expected: Callable[[], list[str]]) -> None:
    assert expected() in list(tables()), "\n".join(["the table is now:", *expected()])


def test_every_row_names_what_shows_it() -> None:
    """Of the first table one test shows all; the text above it names that."""
    first, *others = tables()
    assert first == table()
    for head, _, *rows in others:
        assert head.endswith("| shown by |")
        unnamed = [row for row in rows if not NAMED.search(row.rsplit(" | ", 1)[1])]
        assert not unnamed


def test_what_the_page_names_is_there() -> None:
    named = NAMED.findall(PAGE.read_text())
    assert len(named) > 50
    assert [one for one in named if not is_there(one)] == []


@pytest.mark.parametrize(
    "named",
    ["test/llm/test_nothing.py", "test_prices.py", "test/llm/test_prices.py::test_nothing"],
    ids=["no such file", "a file without its folder", "no such test"],
)
def test_a_name_of_nothing_is_found(named: str) -> None:
    assert not is_there(named)
