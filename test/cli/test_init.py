"""What `kubechain init` writes, and that it overwrites nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from kubechain.cli import main
from kubechain.cli.scaffolds import SCAFFOLDS


@pytest.mark.parametrize("what", SCAFFOLDS)
def test_what_is_written_is_accepted_by_lint_as_it_is(
    what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["init", what, "--dir", str(tmp_path / "new")]) == 0
    assert "next:" in capsys.readouterr().out
    assert main(["lint", "--strict", str(tmp_path)]) == 0, capsys.readouterr().out


def test_without_arguments_there_is_an_agent_with_its_llm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["init"]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["agent-my-assistant.yaml", "llm-gpt-4o.yaml"]
    assert "  kubectl apply -f llm-gpt-4o.yaml -f agent-my-assistant.yaml\n" in capsys.readouterr().out


def test_an_agent_takes_the_llm_that_is_named(tmp_path: Path) -> None:
    assert main(["init", "agent", "reviewer", "--llm", "local-model", "--dir", str(tmp_path)]) == 0
    [file] = tmp_path.iterdir()
    manifest = yaml.safe_load(file.read_text())
    assert (manifest["metadata"]["name"], manifest["spec"]["llmRef"]["name"]) == ("reviewer", "local-model")


def test_a_file_that_is_there_is_left_as_it_is_and_nothing_is_written_beside_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = tmp_path / "llm-gpt-4o.yaml"
    mine.write_text("mine")
    assert main(["init", "agent", "--dir", str(tmp_path)]) == 1
    assert f"not overwritten: {mine}" in capsys.readouterr().err
    assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"]


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert main(["init", "tool", "--dir", str(tmp_path / "file" / "sub")]) == 1
    assert "cannot write" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        pytest.param(["cow"], "invalid choice: 'cow'", id="a kind that is not"),
        pytest.param(["agent", "No_Name"], "the name of an object", id="a name that is none"),
    ],
)
def test_a_wrong_command_line_ends_with_2(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["init", *arguments])
    assert complaint in capsys.readouterr().err


def test_an_llm_for_what_has_none_is_a_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "tool", "--llm", "gpt"]) == 2
    assert "--llm is for an agent, not for tool" in capsys.readouterr().err
