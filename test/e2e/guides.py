"""Runs the commands of a guide as a person types them, in one shell, and compares what they print with the page.

In blocks of the language `console` a line that begins with `$ ` is a command, the lines after it are what it prints.
`…` stands for any text on one line, alone on its line for any number of lines. A command that is meant to fail ends
with the line `(exit status 1)`. Runs of spaces are one, since columns are as wide as what is in them. Blocks of the
language `sh` hold commands alone, such as those that need Pods.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

ROOT = Path(__file__).resolve().parents[2]
GUIDES = ROOT / "docs" / "guides"

ANYTHING = "…"
_STATUS = re.compile(r"\(exit status (\d+)\)")
_END = "\x1e"
_HEADING = re.compile(r"^## (.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Command:
    """A command of a guide.

    Attributes:
        text: Without the prompt.
        printed: The lines that the page shows; none of them are compared where the page shows none.
        status: The exit status that the page promises.
    """

    text: str
    printed: Sequence[str]
    status: int = 0


def section(guide: Path, title: str) -> str:
    """The text of a guide under a heading of the second level."""
    parts = _HEADING.split(guide.read_text())
    found = dict(zip(parts[1::2], parts[2::2], strict=True))
    return found[title]


def sections(guide: Path) -> list[str]:
    """The headings of the second level, in their order."""
    return _HEADING.findall(guide.read_text())


def blocks(text: str, language: str) -> list[str]:
    """The blocks of a language in a text."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def commands(text: str) -> Iterator[Command]:
    """The commands of a text, in their order."""
    for block in blocks(text, "console"):
        assert block.startswith("$ "), f"a block begins with a command: {block}"
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            line, *printed = part.splitlines()
            status = _STATUS.fullmatch(printed[-1]) if printed else None
            yield Command(line, printed[:-1] if status else printed, int(status[1]) if status else 0)


def bare_commands(text: str) -> Iterator[Command]:
    """The commands of the blocks of the language sh, in their order; one that ends with a backslash goes on."""
    for block in blocks(text, "sh"):
        for line in block.replace("\\\n", "").splitlines():
            yield Command(line, ())


def differs(printed: str, page: Sequence[str]) -> bool:
    """Whether a command printed something else than what the page shows."""
    if not page:
        return False
    lines = [r"(?:.*\n)*?" if line.strip() == ANYTHING else f"{_pattern(line)}\n" for line in page]
    return re.fullmatch("".join(lines), "".join(f"{_plain(line)}\n" for line in printed.splitlines())) is None


def _pattern(line: str) -> str:
    return ".*".join(re.escape(part) for part in _plain(line).split(ANYTHING))


def _plain(line: str) -> str:
    return re.sub(r" +", " ", line.rstrip())


class Shell:
    """A bash that keeps its variables from one command to the next."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        """Start it in a folder."""
        self._bash = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def __enter__(self) -> Self:
        """Return the shell."""
        return self

    def __exit__(self, *_error: object) -> None:
        """End it."""
        self._bash.communicate()

    def run(self, command: Command) -> None:
        """Run a command; fail where it does or prints something else than the page says."""
        assert self._bash.stdin is not None
        assert self._bash.stdout is not None
        self._bash.stdin.write(f"{command.text}\nprintf '\\n{_END}%s\\n' $?\n")
        self._bash.stdin.flush()
        printed: list[str] = []
        for line in self._bash.stdout:
            if line.startswith(_END):
                self._judge(command, "".join(printed).removesuffix("\n"), int(line.removeprefix(_END)))
                return
            printed.append(line)
        raise AssertionError(f"the shell ended: $ {command.text}\n{''.join(printed)}")

    def _judge(self, command: Command, printed: str, status: int) -> None:
        told = f"$ {command.text}\n{printed}(exit status {status})"
        assert status == command.status, told
        assert not differs(printed, command.printed), f"{told}\nthe page shows:\n" + "\n".join(command.printed)


@dataclass(frozen=True, slots=True)
class Checkout:
    """Where an administrator sits who has checked out the repository, with a kubeconfig."""

    folder: Path
    environment: Mapping[str, str]

    def follow(self, page: str, title: str) -> None:
        """Type the commands of a section whose output the page shows."""
        self.type(commands(section(GUIDES / page, title)))

    def type(self, given: Iterable[Command]) -> None:
        """Type commands."""
        with Shell(self.folder, self.environment) as shell:
            for command in given:
                shell.run(command)


def check_out(folder: Path) -> None:
    """Write into a folder what the guide for installing needs: config, charts, and the overlay that the guide shows."""
    for name in ("config", "charts"):
        shutil.copytree(ROOT / name, folder / name)
    [overlay] = blocks(section(GUIDES / "install.md", "Kustomize"), "yaml")
    (folder / "overlays" / "mine").mkdir(parents=True)
    (folder / "overlays" / "mine" / "kustomization.yaml").write_text(overlay)
