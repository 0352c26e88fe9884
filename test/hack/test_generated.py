"""Generated files are told of, or written, where they differ; those that nothing generates any more are deleted."""

from __future__ import annotations

from pathlib import Path

import pytest

from hack.generated import settled, stale


@pytest.fixture
def expected(tmp_path: Path) -> dict[Path, str]:
    """Two files as they should be, one in a folder, beside three of which one differs and one is left over."""
    wanted = {tmp_path / "a.yaml": "a\n", tmp_path / "more" / "b.yaml": "b\n", tmp_path / "c.yaml": "c\n"}
    for name, text in {"a.yaml": "edited\n", "c.yaml": "c\n", "old.yaml": "old\n"}.items():
        (tmp_path / name).write_text(text)
    return wanted


def test_a_check_names_what_differs_and_writes_nothing(
    tmp_path: Path, expected: dict[Path, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert settled(expected, tmp_path.glob("*.yaml"), is_check=True, repair="make it") == 1
    told = capsys.readouterr().err.splitlines()
    names = ("a.yaml", "more/b.yaml", "old.yaml")
    assert told == [f"{tmp_path / name}: out of date, run `make it`" for name in names]
    assert (tmp_path / "a.yaml").read_text() == "edited\n"


def test_what_differs_is_written_and_what_is_left_over_is_deleted(tmp_path: Path, expected: dict[Path, str]) -> None:
    assert settled(expected, tmp_path.glob("*.yaml"), is_check=False, repair="make it") == 0
    assert {path: path.read_text() for path in tmp_path.rglob("*.yaml")} == expected
    assert stale(expected, tmp_path.glob("*.yaml")) == []
    assert settled(expected, tmp_path.glob("*.yaml"), is_check=True, repair="make it") == 0


def test_a_file_that_nobody_was_asked_about_stays(tmp_path: Path, expected: dict[Path, str]) -> None:
    assert settled(expected, is_check=False, repair="make it") == 0
    assert (tmp_path / "old.yaml").read_text() == "old\n"
