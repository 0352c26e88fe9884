"""What each command prints, on terminals of three widths and in a pipe: the files of `test/cli/golden`.

After a change that is meant: `make golden`, then read the diff.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kubechain.cli.main import COMMANDS
from test.cli import cast
from test.cli.stage import Stage, a_stage

GOLDEN = Path(__file__).with_name("golden")
WRITES = os.environ.get("KUBECHAIN_GOLDEN") == "write"
"""Whether the files are written in place of compared."""

WIDTHS = {"60": 60, "100": 100, "160": 160, "pipe": None}

PRINTED = {
    "get": [
        "kubechain get",
        "kubechain get -o wide",
        "kubechain get -A",
        "kubechain get agents",
        "kubechain get llms -o wide",
        "kubechain get hr",
        "kubechain get tr hello-1 -o name",
        "kubechain get tr hello-1 -o yaml",
        "kubechain get -l a=b",
        "kubechain get tr nobody",
        "kubechain get cows",
    ],
    "explain": [
        "kubechain explain upgrade-1",
        "kubechain explain upgrade-1 -n default",
        "kubechain explain a-run-with-a-name-that-somebody-wanted-to-be-complete-1",
        "kubechain explain hello-1",
        "kubechain explain broken-1",
        "kubechain explain stopped-1",
        "kubechain explain llm/spare",
        "kubechain explain agent/helper",
        "kubechain explain hr/upgrade-1-t2-c0",
        "kubechain explain hello-1 -o json",
        "kubechain explain nobody",
        "kubechain explain cow/x",
    ],
    "logs": ["kubechain logs upgrade-1", "kubechain logs east-1", "kubechain logs broken-1 -n default"],
    "tree": ["kubechain tree upgrade-1", "kubechain tree stopped-1", "kubechain tree agent/x"],
    "watch": [
        "kubechain watch hello-1",
        "kubechain watch broken-1",
        "kubechain watch stopped-1",
        "kubechain watch upgrade-1 --wait-for-people=false -n default",
    ],
    "conversation": ["kubechain conversation hello-1", "kubechain conversation hello-1 -o yaml"],
    "top": ["kubechain top", "kubechain top --by llm", "kubechain top --by namespace -o json"],
    "pending": ["kubechain pending", "kubechain pending -A", "kubechain pending -o name"],
    "grants": ["kubechain grants", "kubechain grants --revoke nothing"],
    "doctor": ["kubechain doctor", "kubechain doctor -o json"],
    "report": ["kubechain report hello-1", "kubechain report nobody"],
    "run": [
        "kubechain run 'What is new?' --agent helper --detach",
        "kubechain run 'What is new?' --agent helper --detach -o name",
        "kubechain run 'What is new?'",
        "kubechain run 'What is new?' --agent nobody",
        "kubechain run",
        "kubechain run ' ' --agent helper",
        "kubechain run --file nowhere.txt",
    ],
    "retry": ["kubechain retry hello-1 --detach", "kubechain retry hello-1 --from-turn 9 --detach"],
    "continue": ["kubechain continue hello-1 More --detach", "kubechain continue upgrade-1 More"],
    "message": ["kubechain message upgrade-1 'Leave it.'", "kubechain message hello-1 'Leave it.'"],
    "cancel": ["kubechain cancel upgrade-1", "kubechain cancel hello-1"],
    "approve": [
        "kubechain approve hello-2-t0-c0",
        "kubechain approve upgrade-1-t2-c0 --arguments '['",
        "kubechain approve upgrade-1-t2-c0 --comment 'Go on.'",
        "kubechain approve upgrade-1-t2-c0",
    ],
    "reject": ["kubechain reject upgrade-1-t2-c0 --comment 'In use.'", "kubechain reject nobody"],
    "answer": [
        "kubechain answer hello-2-t0-c0",
        "kubechain answer hello-2-t0-c0 --text Blue",
        "kubechain answer hello-3-budget-1 --add days=3",
        "kubechain answer hello-3-budget-1 --add turns=10",
    ],
    "init": ["kubechain init", "kubechain init", "kubechain init tool weather --dir tools --llm x"],
    "lint": ["kubechain lint manifests", "kubechain lint manifests -o json", "kubechain lint nowhere.yaml"],
    "audit": ["kubechain audit verify nowhere.log"],
    "aprove": ["kubechain aprove x", "kubechain get --outptu json", "kubechain approve"],
}
"""By the name of the file: lines that are typed one after the other."""

READS = ("get", "explain", "logs", "tree", "watch", "conversation", "top", "pending", "grants", "doctor", "report")

WRONG = """\
apiVersion: kubechain.humanlayer.dev/v1alpha1
kind: Agent
metadata:
  name: reviewer
spec:
  llmRef: gpt-4o
  systemPrompt: You review changes.
---
apiVersion: kubechain.humanlayer.dev/v1alpha1
kind: Task
metadata:
  name: review
spec:
  agentRef:
    name: reviewr
  message: Review the last change.
---
apiVersion: kubechain.humanlayer.dev/v1alpha1
kind: Tasks
metadata:
  name: review-again
"""


def judged(file: Path, text: str) -> None:
    """Compare a text with a file, or write the file."""
    if WRITES:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    assert file.is_file(), f"{file.name} is new: make golden"
    assert text == file.read_text(encoding="utf-8"), "a change that is meant is written by: make golden"


@pytest.fixture
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    """A stage for the commands of a file."""
    if request.node.callspec.params["name"] in READS:
        yield request.getfixturevalue("still")
        return
    with a_stage(tmp_path) as stage:
        stage.put(*cast.everything())
        (tmp_path / "manifests").mkdir()
        (tmp_path / "manifests" / "wrong.yaml").write_text(WRONG)
        yield stage


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", PRINTED)
def test_each_command_prints_what_its_file_shows(stage: Stage, name: str, width: str) -> None:
    judged(GOLDEN / width / f"{name}.txt", stage.shown(PRINTED[name], WIDTHS[width]))


@pytest.mark.parametrize("width", ["60", "100", "160"])
@pytest.mark.parametrize("name", ["", *COMMANDS])
@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="argparse words its help differently in each Python")
def test_the_help_of_each_command_is_what_its_file_shows(still: Stage, name: str, width: str) -> None:
    line = " ".join(["kubechain", *([name] if name else []), "--help"])
    judged(GOLDEN / width / "help" / f"{name or 'kubechain'}.txt", still.shown([line], WIDTHS[width]))


def test_every_command_has_a_file() -> None:
    with_help_alone = {"dev", "manager", "ui", "crds", "model", "completion", "version"}
    assert set(PRINTED) - {"aprove"} | with_help_alone == set(COMMANDS)


def test_no_file_is_left_of_a_command_that_went() -> None:
    known = {*PRINTED, *COMMANDS, "kubechain"}
    assert {file.stem for file in GOLDEN.rglob("*.txt")} <= known
