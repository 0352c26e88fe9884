"""Plays the session in a bash on a terminal of its own, and notes what the screen shows when."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from hack.cast.drawing import Frame
from hack.cast.screen import Line, Screen
from hack.cast.session import STEPS, Step, a_world
from test.e2e import planes
from test.e2e.processes import KUBECHAIN

COLUMNS, ROWS = 98, 22

STEP_SECONDS: Final = 120.0
"""For a line that is typed; a busy machine may take its time."""

SHORTEST_SECONDS: Final = 0.05
"""Pictures that follow one another faster are one."""

LONGEST_SECONDS: Final = 1.6
"""A pause is not shown for longer."""

_PROMPT: Final = re.compile(r"\x1b\]7;(\d+)\x07")

_BASHRC: Final = """\
PS1='\\[\\e[32m\\]$\\[\\e[0m\\] '
PROMPT_COMMAND='printf "\\e]7;%d\\a" $?'
set +o history
kubechain manager &>log &
OPERATOR=$!
disown
trap 'kill $OPERATOR $! 2>/dev/null' EXIT
"""
"""Each prompt tells the status of the line before it, in a sequence that a terminal does not show."""


class CastError(Exception):
    """A line of the session did something else than it is meant to."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a person types and reads, in seconds.

    Attributes:
        key: Between two keys.
        before: Between a prompt and the first key.
        after: After a line whose output is to be read.
    """

    key: float = 0.03
    before: float = 0.35
    after: float = 1.3


HURRIED: Final = Pace(0.0, 0.0, 0.0)
"""For tests."""


@dataclass(slots=True)
class Terminal:
    """A bash on a pseudo-terminal."""

    master: int
    screen: Screen = field(default_factory=lambda: Screen(COLUMNS, ROWS))
    frames: list[Frame] = field(default_factory=list[Frame])
    began: float = field(default_factory=time.monotonic)
    _tail: str = ""

    def play(self, step: Step, pace: Pace) -> None:
        """Type a line, and wait for its end.

        Raises:
            CastError: It ends with another status, or shows something else.
        """
        if step.is_first:
            self._clear()
        self._listen(pace.before)
        for key in step.line:
            os.write(self.master, key.encode())
            self._listen(pace.key)
        os.write(self.master, b"\n")
        status, shown = self.wait(), self.text()
        if status != step.status or step.shows not in shown:
            raise CastError(f"{step.line}: status {status}, and not {step.status} with {step.shows!r}:\n{shown}")
        self._listen(pace.after if step.shows else 0.0)

    def text(self) -> str:
        """What is on the screen."""
        return "\n".join("".join(_padded(line)) for line in self.screen.lines())

    def _clear(self) -> None:
        os.write(self.master, b"clear\n")
        self.wait()
        self.frames.append(Frame(time.monotonic() - self.began, self.screen.lines()))

    def wait(self) -> int:
        """Wait for a prompt; return the status that it tells."""
        limit = time.monotonic() + STEP_SECONDS
        while (found := _PROMPT.search(self._tail)) is None:
            if time.monotonic() > limit:
                raise CastError(f"no prompt within {STEP_SECONDS:.0f} s:\n{self.text()}")
            self._take(0.1)
        self._tail = self._tail[found.end() :]
        self._listen(SHORTEST_SECONDS)  # the prompt itself comes after what it tells
        return int(found[1])

    def _listen(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        self._take(0)
        while (left := until - time.monotonic()) > 0:
            self._take(left)

    def _take(self, seconds: float) -> None:
        """Read what comes within a time, and note what it shows."""
        if not select.select([self.master], [], [], seconds)[0]:
            return
        with suppress(OSError):
            text = os.read(self.master, 65536).decode(errors="replace")
            self._tail += text
            self.screen.feed(text)
            self.frames.append(Frame(time.monotonic() - self.began, self.screen.lines()))


def _padded(line: Line) -> Generator[str]:
    end = 0
    for run in line:
        yield " " * (run.column - end) + run.text
        end = run.column + len(run.text)


def recorded(folder: Path, pace: Pace) -> list[Frame]:
    """Play the session on a control plane of its own; return what was shown.

    Raises:
        CastError: A line did something else than it is meant to.
    """
    with _control_plane(folder) as environment, a_world(thinking_seconds=pace.after) as manifest:
        (folder / "janitor.yaml").write_text(manifest)
        with _bash(folder, environment) as terminal:
            terminal.wait()
            terminal.play(Step("clear"), HURRIED)
            terminal.frames.clear()
            for step in STEPS:
                terminal.play(step, pace)
        return paced(terminal.frames)


@contextmanager
def _control_plane(folder: Path) -> Generator[Mapping[str, str]]:
    """The control plane without a manager; gives the environment of the shell."""
    with planes.embedded(folder, folder / "dev.log") as cluster:
        yield {
            "PATH": f"{KUBECHAIN.parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(folder),
            "TERM": "xterm-256color",
            "LANG": "C.UTF-8",
            **{name: cluster.environment[name] for name in ("KUBECONFIG", "KUBECACHEDIR")},
            "KUBECHAIN_HEALTH_PROBE_BIND_ADDRESS": "0",
            "KUBECHAIN_METRICS_BIND_ADDRESS": "0",
            "KUBECHAIN_ALLOW_ADDRESSES": "127.0.0.0/8",
        }


@contextmanager
def _bash(folder: Path, environment: Mapping[str, str]) -> Generator[Terminal]:
    (folder / "bashrc").write_text(_BASHRC)
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    process = subprocess.Popen(
        ["setsid", "--ctty", "bash", "--noprofile", "--noediting", "--rcfile", "bashrc", "-i"],
        cwd=folder,
        env=dict(environment),
        stdin=slave,
        stdout=slave,
        stderr=slave,
    )
    os.close(slave)
    try:
        yield Terminal(master)
    finally:
        os.write(master, b"exit\n")
        with suppress(subprocess.TimeoutExpired):
            process.wait(10)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGHUP)
        process.wait()
        os.close(master)


def paced(frames: list[Frame]) -> list[Frame]:
    """The frames that differ, without what is too short to see, and with pauses that are not too long."""
    found, now, before = list[Frame](), 0.0, frames[0].at
    for frame in frames:
        now += min(frame.at - before, LONGEST_SECONDS)
        before = frame.at
        if found and frame.lines == found[-1].lines:
            continue
        if found and now - found[-1].at < SHORTEST_SECONDS:
            found[-1] = Frame(found[-1].at, frame.lines)
        else:
            found.append(Frame(round(now, 2), frame.lines))
    return found
