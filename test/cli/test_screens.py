"""Trees and lines on terminals of several widths, and in pipes."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from kubechain.cli import screens
from kubechain.views import lines, trees
from kubechain.views.gathered import Gathered
from kubechain.views.story import Story
from kubechain.views.telling import story_of
from test.views.builders import NOW, SYSTEM, a_call, a_request, a_run, answer, at, result, user

USAGE = {"inputTokens": 1000, "outputTokens": 234, "totalTokens": 1234, "modelCalls": 2, "cost": "0.0123"}


class Stream(io.TextIOWrapper):
    """A terminal or a pipe, and what was written to it."""

    def __init__(self, *, encoding: str = "utf-8", is_terminal: bool = False) -> None:
        self.bytes = io.BytesIO()
        super().__init__(self.bytes, encoding=encoding)
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal

    def written(self) -> str:
        self.flush()
        return self.bytes.getvalue().decode(self.encoding)


@pytest.fixture(autouse=True)
def _plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TZ", "UTC")


def a_family() -> Story:
    """A run that has looked, and waits for another agent's run, which waits for a person."""
    window = [
        SYSTEM,
        user("Tidy up."),
        answer("First a look.", ("c1", "look", '{"at": "everything in the old archive"}')),
        result("c1", "x" * 400),
        answer("", ("c2", "delegate_to_agent__cleaner", '{"message": "Clean."}')),
    ]
    run = a_run("tidy-1", phase="ToolCallsPending", contextWindow=window, turn=1, toolCallCount=1, usage=USAGE)
    looked = a_call(
        "tidy-1-t0-c0", "c1", "look", arguments='{"at": "everything in the old archive"}', phase="Succeeded",
        result="x" * 400, startTime=at(-50), completionTime=at(-45),
    )  # fmt: skip
    asked = a_call("tidy-1-t1-c0", "c2", "delegate_to_agent__cleaner", type="delegateToAgent", phase="AwaitingSubAgent")
    child = a_run(
        "tidy-1-t1-c0-run", phase="ToolCallsPending", contextWindow=[user("Clean."), answer("", ("c1", "rm", "{}"))]
    )
    approval = {"digest": "sha256:" + "0" * 64, "requestName": "tidy-1-t1-c0-run-t0-c0"}
    rm = a_call(
        "tidy-1-t1-c0-run-t0-c0", "c1", "rm", phase="AwaitingHumanApproval", approval=approval, startTime=at(-20)
    )
    below = Gathered(child, (rm,), (a_request("tidy-1-t1-c0-run-t0-c0"),))
    return story_of(Gathered(run, (looked, asked), children={"tidy-1-t1-c0": below}))


def the_tree(columns: int | None, stream: Stream) -> str:
    console = screens.screen(stream, columns=columns)
    screens.show(console, screens.tree(trees.rows(a_family(), NOW), console))
    return stream.written()


WIDE = """\
NAME                                              PHASE                   TOOK   TURNS   TOKENS     COST
tidy-1 (helper)                                   ToolCallsPending        1m         1    1,234   $0.012
├─ look {"at": "everything in the old archive"}   Succeeded               5s
└─ delegate_to_agent__cleaner {}                  AwaitingSubAgent        -
   └─ tidy-1-t1-c0-run (helper)                   ToolCallsPending        1m         0        0
      └─ rm {}                                    AwaitingHumanApproval   20s
"""


def test_a_tree_in_a_pipe_has_everything() -> None:
    assert the_tree(None, Stream()) == WIDE


@pytest.mark.parametrize("columns", [120, 80, 60], ids=lambda columns: f"{columns} columns")
def test_a_tree_is_no_wider_than_its_terminal(columns: int) -> None:
    shown = the_tree(columns, Stream(is_terminal=True)).splitlines()
    assert max(map(len, shown)) <= columns
    assert len(shown) == 6
    assert ("COST" in shown[0], "TOKENS" in shown[0]) == (columns >= 100, columns >= 70)
    assert "Succeeded" in shown[2]


def test_a_terminal_without_unicode_gets_ascii() -> None:
    shown = the_tree(None, Stream(encoding="ascii"))
    assert "|  " not in shown
    assert "`- rm {}" in shown
    assert "+- look" in shown


def the_lines(columns: int | None, stream: Stream) -> list[str]:
    console: Console = screens.screen(stream, columns=columns)
    screens.show_lines(console, lines.of_story(a_family()))
    return [line[10:] for line in stream.written().splitlines()]


def test_lines_nest_as_the_runs_do() -> None:
    shown = the_lines(None, Stream())
    assert shown == [
        "run                tidy-1 of agent helper on LLM gpt",
        "system             You help.",
        "user               Tidy up.",
        "turn 1             First a look.",
        '  call             look {"at": "everything in the old archive"}',
        f"  Succeeded        {'x' * 299}…  [5s]",
        "turn 2             asks for delegate_to_agent__cleaner",
        "  call             delegate_to_agent__cleaner {}",
        "    run            tidy-1-t1-c0-run of agent helper on LLM gpt",
        "    user           Clean.",
        "    turn 1         asks for rm",
        "      call         rm {}",
        "      waits        for a person to approve a call of rm {}",
        "                   kubechain approve tidy-1-t1-c0-run-t0-c0",
        "                   kubechain reject tidy-1-t1-c0-run-t0-c0 --comment TEXT",
    ]


@pytest.mark.parametrize("columns", [60, 80, 120], ids=lambda columns: f"{columns} columns")
def test_long_texts_are_wrapped_under_themselves(columns: int) -> None:
    shown = the_lines(columns, Stream(is_terminal=True))
    assert max(map(len, shown)) <= columns - 10
    assert {line[:19] for line in shown if "xxx" in line} == {"  Succeeded        ", " " * 19}


def test_what_a_model_writes_cannot_drive_the_terminal() -> None:
    stream, run = Stream(), a_run(phase="FinalAnswer", contextWindow=[user("\x1b]0;evil\x07 [red]x[/red] :smile:")])
    screens.show_lines(screens.screen(stream), lines.of_story(story_of(Gathered(run))))
    assert "\x1b" not in stream.written()
    assert "[red]x[/red] :smile:" in stream.written()
