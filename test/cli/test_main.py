"""The command line as a whole."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import kubechain
from kubechain.cli import main
from kubechain.cli.main import COMMANDS

HEAVY = {"aiohttp", "asyncio", "httpx2", "kubernetes_asyncio", "mcp", "pydantic", "structlog", "uvloop", "yaml"}


def test_version_names_what_is_installed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["version"]) == 0
    assert kubechain.__version__ in capsys.readouterr().out


def test_version_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["version", "-o", "json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["version"] == kubechain.__version__
    assert facts["apiVersion"] == "kubechain.humanlayer.dev/v1alpha1"


def test_version_imports_nothing_heavy() -> None:
    code = "import sys; from kubechain.cli import main; main(['version']); print(*sys.modules, sep='\\n')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert HEAVY & set(done.stdout.split()) == set()


IMPORTED_LIMIT = 170
"""Modules of a process that shows the help; 135 when this was written. Each costs about half a millisecond."""


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["manager", "--help"]], ids=" ".join)
def test_the_help_imports_the_command_line_and_little_of_the_standard_library(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom kubechain.cli import main\ntry: main(sys.argv[1:])\nexcept SystemExit: pass\n"
        "print(*sys.modules, sep='\\n', file=sys.stderr)"
    )
    command = [sys.executable, "-c", code, *arguments]
    imported = subprocess.run(command, capture_output=True, text=True, check=True).stderr.split()
    foreign = {name.partition(".")[0] for name in imported} - sys.stdlib_module_names - {"kubechain", "__main__"}
    assert {name for name in foreign if not name.startswith(("_", "sitecustomize"))} == set()
    assert {name for name in imported if name.startswith("kubechain.")} == {
        name for name in imported if name.startswith("kubechain.cli")
    }
    assert len(imported) < IMPORTED_LIMIT


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)])
def test_help_explains_and_gives_examples(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main([*command, "--help"])
    assert "kubechain" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        pytest.param(["fly"], 'there is no command "fly"', id="a command that does not exist"),
        pytest.param(["manager", "--leader"], "unrecognized arguments", id="a flag cut short"),
        pytest.param(["manager", "--log-level", "loud"], "one of debug, info", id="a value that does not exist"),
    ],
)
def test_a_wrong_command_line_ends_with_2(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert complaint in capsys.readouterr().err


def test_no_command_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "New here?" in capsys.readouterr().err


def test_a_wrong_variable_of_the_manager_does_not_disturb_other_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECHAIN_LOG_LEVEL", "loud")
    assert main(["version"]) == 0
