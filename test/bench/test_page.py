"""The commands of docs/benchmarks.md parse."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from bench import hello, memory, tools
from bench.llm import __main__ as llm

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"
COMMANDS = sorted(set(re.findall(r"`python -m (bench\.(?:hello|llm|memory|tools)[^`]*)`", PAGE.read_text())))
PARSERS = {
    "bench.hello": hello.arguments,
    "bench.llm": llm.arguments,
    "bench.memory": memory.arguments,
    "bench.tools": tools.arguments,
}


def test_the_page_has_the_commands_that_other_operators_are_compared_by() -> None:
    assert any("--limit" in command for command in COMMANDS)
    assert any("--at-once 1 " in command for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_page_parses(command: str) -> None:
    module, *arguments = shlex.split(command)
    PARSERS[module]().parse_args(arguments)
