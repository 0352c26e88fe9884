"""Commands on terminals without colours, without a cursor, without Unicode, and in pipes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from rich.cells import cell_len

from test.cli.stage import Stage, a_stage
from test.pages.stories import a_run_of_turns

COLOURED = ["kubechain pending", "kubechain logs upgrade-1", "kubechain tree upgrade-1", "kubechain doctor"]
FOLLOWED = "kubechain watch upgrade-1 --wait-for-people=false"


@pytest.fixture
def stage(still: Stage) -> Iterator[Stage]:
    """A stage whose terminal is put back afterwards."""
    yield still
    still.environment.clear()
    still.encoding = "utf-8"


@pytest.mark.parametrize("line", COLOURED)
def test_a_terminal_shows_colours(stage: Stage, line: str) -> None:
    stage.environment["NO_COLOR"] = ""
    assert "\x1b[" in stage.run(line, columns=100)[1]


@pytest.mark.parametrize("line", [*COLOURED, FOLLOWED])
@pytest.mark.parametrize(
    ("columns", "variable"),
    [
        pytest.param(100, ("NO_COLOR", "1"), id="NO_COLOR"),
        pytest.param(100, ("TERM", "dumb"), id="a dumb terminal"),
        pytest.param(None, ("TERM", "xterm-256color"), id="a pipe"),
        pytest.param(None, ("CI", "true"), id="the log of CI"),
    ],
)
def test_nothing_drives_what_shows_no_colours(
    stage: Stage, line: str, columns: int | None, variable: tuple[str, str]
) -> None:
    stage.environment.update({"NO_COLOR": "", variable[0]: variable[1]})
    printed = stage.run(line, columns=columns)[1]
    moves_cursor = columns is not None and variable[0] == "NO_COLOR" and line is FOLLOWED
    assert ("\x1b" in printed) == moves_cursor, "a tree that is drawn again moves the cursor, in whatever colours"
    assert "\x1b[3" not in printed


def test_a_long_run_is_drawn_no_higher_than_its_terminal_with_what_is_newest(tmp_path: Path) -> None:
    found = a_run_of_turns(60)
    with a_stage(tmp_path) as stage:
        stage.put(found.run.to_wire(), *(call.to_wire() for call in found.calls))
        stage.environment["LINES"] = "20"
        drawn = stage.shown(["kubechain watch long-1"], 100).splitlines()[1:]
    answer = drawn.index("The archive is about gardens.")
    assert answer <= 20
    assert drawn[1].startswith("long-1 (helper)")
    assert drawn[2].startswith("├─ … 45 earlier, see kubechain tree")
    assert drawn[answer - 1].startswith('└─ read_volume {"volume": 60}')


def test_a_dumb_terminal_is_told_line_by_line(stage: Stage) -> None:
    stage.environment["TERM"] = "dumb"
    assert "turn 1             I look at the removed APIs" in stage.run(FOLLOWED, columns=100)[1]


ENCODINGS = ["cp1252", "cp437", "ascii", "latin-1"]
LINES = [
    "kubechain --help",
    "kubechain get",
    "kubechain tree upgrade-1",
    "kubechain logs upgrade-1",
    "kubechain logs east-1",
    "kubechain watch east-1",
    "kubechain pending",
    "kubechain conversation east-1",
    "kubechain explain east-1",
]


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("columns", [60, None], ids=["a terminal", "a pipe"])
def test_a_code_page_without_our_characters_is_no_failure(
    stage: Stage, line: str, encoding: str, columns: int | None
) -> None:
    stage.encoding = encoding
    status, printed = stage.run(line, columns=columns)
    assert status == 0, printed
    assert "\\u" not in printed


def test_what_a_code_page_lacks_is_substituted_one_for_one(stage: Stage) -> None:
    narrow = stage.run("kubechain tree upgrade-1", columns=60)[1].splitlines()
    stage.encoding = "ascii"
    plain = stage.run("kubechain tree upgrade-1", columns=60)[1].splitlines()
    assert list(map(len, plain)) == list(map(len, narrow))
    assert plain[2].startswith('+- web_search {"query": "kub~')


@pytest.mark.parametrize("encoding", ["utf-8", *ENCODINGS])
def test_data_for_programs_loses_nothing_in_any_encoding(stage: Stage, encoding: str) -> None:
    stage.encoding = encoding
    for output, read in (("json", json.loads), ("yaml", yaml.safe_load)):
        printed = stage.run(f"kubechain get tr east-1 -o {output}")[1]
        assert read(printed)["status"]["output"] == "東京は日本の首都です。" * 8


def test_a_report_on_standard_output_is_utf_8_in_any_encoding(stage: Stage) -> None:
    stage.encoding = "cp1252"
    stage.run("kubechain report east-1 -o -")
    assert "東京は日本の首都です。" in stage.printed.decode("utf-8")


def test_texts_of_several_lines_are_read_as_they_are_in_yaml(stage: Stage) -> None:
    printed = stage.run("kubechain get tr hello-1 -o yaml")[1]
    assert "  output: |-\n    Nothing is new.\n    Ask again tomorrow.\n" in printed


@pytest.mark.parametrize("columns", [60, 80, 100, 160])
@pytest.mark.parametrize("line", ["get", "get -A", "pending", "top", "tree upgrade-1", "logs east-1", "logs upgrade-1"])
def test_no_line_is_wider_than_its_terminal(stage: Stage, line: str, columns: int) -> None:
    printed = stage.run(f"kubechain {line}", columns=columns)[1].splitlines()
    assert max(map(cell_len, printed)) <= columns, "wide characters take two columns"


@pytest.mark.parametrize("output", ["json", "yaml"])
@pytest.mark.parametrize(
    "line",
    ["get", "get tr hello-1", "explain hello-1", "logs upgrade-1", "tree upgrade-1", "conversation hello-1", "top",
     "pending", "doctor", "get agents", "get hr"],
)  # fmt: skip
def test_data_is_alone_on_standard_output(stage: Stage, line: str, output: str) -> None:
    printed = stage.run(f"kubechain {line} -o {output}")[1]
    assert (json.loads if output == "json" else yaml.safe_load)(printed)
