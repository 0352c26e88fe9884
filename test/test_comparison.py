"""The page that compares KubeChain with other systems: each statement has a source, and each source is used."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[1] / "docs" / "comparison.md"


@pytest.fixture(scope="module")
def text() -> str:
    return PAGE.read_text()


def rows(text: str) -> list[list[str]]:
    """The cells of the tables, without their heads."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    return [row for row in cells if row[0]]


def test_each_number_is_a_source_and_each_source_is_used(text: str) -> None:
    before, sources = text.split("## Sources")
    listed = [int(number) for number in re.findall(r"^(\d+)\. ", sources, re.MULTILINE)]
    assert listed == list(range(1, len(listed) + 1))
    assert {int(number) for number in re.findall(r"\[(\d+)\]", before)} == set(listed)


def test_what_is_said_of_another_system_has_a_source_or_is_not_stated(text: str) -> None:
    found = rows(text)
    assert len(found) > 18
    own_column = 1
    first_table = [row for row in found if len(row) == 4]
    others = [cell for row in first_table for cell in row[own_column + 1 :]]
    others += [cell for row in found if len(row) == 5 for cell in row[1:]]
    assert [cell for cell in others if not re.search(r"\[\d+\]|not stated", cell)] == []


def test_files_of_ours_that_it_names_are_there(text: str) -> None:
    for link in re.findall(r"\]\(((?!http)[^)#]+)\)", text):
        assert (PAGE.parent / link).exists(), link
