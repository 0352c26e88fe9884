"""Tells a run to a person while it goes on: line by line, or as a live picture of its tree."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import TracebackType
from typing import Protocol, Self, TextIO

from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from kubechain.cli import screens, wallclock
from kubechain.cli.clusters import Place
from kubechain.cli.following import follow
from kubechain.cli.terminal import YELLOW, paint
from kubechain.net.foreign import harmless
from kubechain.views import lines, trees
from kubechain.views.commands import with_flags
from kubechain.views.story import Story, Wait, WaitKind
from kubechain.views.trees import Row

TICK_SECONDS = 1.0
"""Between two pictures in which only times have changed; a new story is drawn at once."""

SHOWN_WAITS = 3

OTHER_LINES = 3
"""Of a terminal: the head of the tree, the prompt, and one that stays free."""

MIN_ROWS = 4
"""Of a tree that is drawn again: fewer show nothing."""


class Teller(Protocol):
    """Shows each new story of a run."""

    def tell(self, story: Story) -> None:
        """Show what is new."""
        ...

    def complain(self, trouble: str) -> None:
        """Say that the API server cannot be reached now."""
        ...

    def __enter__(self) -> Self:
        """Prepare the terminal."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the terminal as it was, with what was shown last."""
        ...


class LineTeller:
    """Prints what is new as lines."""

    def __init__(self, stream: TextIO | None = None) -> None:
        """Print nothing yet.

        Args:
            stream: None for standard output.
        """
        self._console = screens.screen(stream)
        self._told: set[str] = set()
        self._trouble = ""

    def __enter__(self) -> Self:
        """Nothing to prepare."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to put back."""

    def tell(self, story: Story) -> None:
        """Print the lines that were not printed before."""
        new = [line for line in lines.of_story(story) if line.key not in self._told]
        self._told.update(line.key for line in new)
        screens.show_lines(self._console, new)
        self._console.file.flush()
        self._trouble = ""

    def complain(self, trouble: str) -> None:
        """Say it once."""
        if trouble != self._trouble:
            print(f"{paint(YELLOW, 'warning:', sys.stderr)} {trouble}; trying again", file=sys.stderr)
        self._trouble = trouble

    async def follow(self, place: Place, name: str, flags: Sequence[str]) -> int:
        """Print a run until it is over.

        Args:
            place: Where it is.
            name: Of the run.
            flags: That the commands about it need.
        """

        def seen(story: Story) -> bool:
            self.tell(with_flags(story, flags))
            return False

        await follow(place, name, seen, self.complain)
        return 0


class LiveTeller:
    """Shows the tree of a run, with what it waits for below, and draws it again as it changes."""

    def __init__(self, stream: TextIO | None = None) -> None:
        """Show nothing yet.

        Args:
            stream: None for standard output.
        """
        self._console = screens.screen(stream)
        self._story: Story | None = None
        self._trouble = ""
        self._live = Live(
            console=self._console,
            refresh_per_second=1 / TICK_SECONDS,
            get_renderable=self._picture,
            vertical_overflow="ellipsis",
        )

    def __enter__(self) -> Self:
        """Begin to draw."""
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the last picture on the terminal."""
        self._live.stop()

    def tell(self, story: Story) -> None:
        """Draw the run as it is now."""
        self._story, self._trouble = story, ""
        self._live.refresh()

    def complain(self, trouble: str) -> None:
        """Show it below the picture."""
        self._trouble = trouble
        self._live.refresh()

    def _picture(self) -> RenderableType:
        if self._story is None:
            return Text("")
        below: list[RenderableType] = [
            _wait(harmless(wait.what), wait.commands) for wait in self._told_waits(self._story)
        ]
        if self._trouble:
            below.append(Text(f"{harmless(self._trouble)}; trying again", screens.STYLES[lines.Tone.WAITING]))
        taken = len(self._console.render_lines(Group(*below))) if below else 0
        rows = newest(trees.rows(self._story, wallclock.now()), self._console.height - taken - OTHER_LINES)
        return Group(screens.tree(rows, self._console), *below)

    def _told_waits(self, story: Story) -> list[Wait]:
        """Those that a person can do something about."""
        shown = [wait for wait in story.waits if wait.kind not in (WaitKind.MODEL, WaitKind.TOOL)]
        return shown[:SHOWN_WAITS]


def newest(rows: Sequence[Row], room: int) -> list[Row]:
    """The run and the newest rows below it, as many as there is room for, and how many are left out."""
    if len(rows) <= max(room, MIN_ROWS):
        return list(rows)
    kept = rows[-(max(room, MIN_ROWS) - 2) :]
    earlier = f"… {len(rows) - 1 - len(kept)} earlier, see kubechain tree"
    left_out = Row((False,), earlier, phase="", took=" ", turns=None, tokens=None, cost="", tone=lines.Tone.QUIET)
    return [rows[0], left_out, *kept]


def _wait(what: str, commands: tuple[str, ...]) -> Text:
    return Text("".join([f"waits {what}", *(f"\n  {command}" for command in commands)]), "yellow")
