"""`kubechain answer` and the completion of names, as a person types them. No manager answers the requests."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from test.e2e.cluster import Namespace, table
from test.e2e.processes import KUBECHAIN
from test.e2e.test_deciding import kubechain
from test.e2e.test_schemas import changed, sample

FORM = {"type": "object", "properties": {"name": {"type": "string"}, "guests": {"type": "integer"}}}

TYPES: dict[str, dict[str, Any]] = {
    "Question": {"message": "Which colour?", "choices": ["Answer", "Reject"]},
    "Form": {"message": "Who comes?", "schema": FORM, "choices": ["Answer", "Reject"]},
    "Url": {"message": "Log in.", "url": "https://login.example.com/x", "choices": ["Done", "Reject"]},
    "Budget": {"message": "100 turns are used up.", "choices": ["Approve", "Reject"]},
    "Outcome": {"message": "Was it sent?", "choices": ["Happened", "DidNotHappen", "Unknown"]},
}


@pytest.fixture
def space(make_unmanaged_namespace: Callable[[str], Namespace]) -> Namespace:
    """A namespace with a request of each type but an approval, by the name of its type."""
    space = make_unmanaged_namespace("answering")
    for kind, asked in TYPES.items():
        changes = {f"spec.request.{field}": value for field, value in asked.items()}
        changes |= {"metadata.name": kind.lower(), "spec.request.type": kind}
        request = changed(sample("humanrequest"), changes)
        for field in ("tool", "arguments"):
            del request["spec"]["request"][field]
        space.apply(request)
    return space


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        pytest.param("question", ("--text", "Blue."), {"choice": "Answer", "answer": "Blue."}, id="a question"),
        pytest.param(
            "form",
            ("--field", "name=Ada", "--field", "guests=2", "--comment", "By phone."),
            {"choice": "Answer", "answer": '{"name": "Ada", "guests": 2}', "comment": "By phone."},
            id="a form",
        ),
        pytest.param("url", ("--done",), {"choice": "Done"}, id="a page"),
        pytest.param("budget", ("--add", "turns=10"), {"choice": "Approve", "answer": '{"turns": 10}'}, id="a budget"),
        pytest.param("outcome", ("--happened", "r-17"), {"choice": "Happened", "answer": "r-17"}, id="an outcome"),
        pytest.param("outcome", ("--did-not-happen",), {"choice": "DidNotHappen"}, id="an outcome that was none"),
        pytest.param("budget", ("--reject",), {"choice": "Reject"}, id="a refusal"),
    ],
)
def test_an_answer_is_recorded(
    space: Namespace, name: str, arguments: tuple[str, ...], expected: dict[str, str]
) -> None:
    kubechain(space, "answer", name, *arguments)
    found = space.get("hr", name)["spec"]["decision"]
    assert found.items() >= expected.items()
    assert found.keys() - {"by", "digest"} == expected.keys()


def test_everything_that_waits_is_listed_with_what_is_asked(space: Namespace) -> None:
    rows = table(kubechain(space, "pending").out)
    asked = {row["TYPE"]: row["ASKED"] for row in rows}
    assert asked["Url"] == "https://login.example.com/x"
    assert asked["Budget"] == "100 turns are used up."
    names = kubechain(space, "pending", "-o", "name").out.split()
    assert sorted(names) == [f"humanrequest.kubechain.humanlayer.dev/{kind.lower()}" for kind in sorted(TYPES)]
    space.kubectl("get", *names)
    space.kubectl("get", "-f", "-", stdin=kubechain(space, "pending", "-o", "yaml").out)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        pytest.param(("answer", "question"), "question: a request of type Question is answered with", id="no answer"),
        pytest.param(("answer", "outcome", "--reject"), "outcome: Reject is not offered", id="no choice"),
        pytest.param(("approve", "question"), "kubechain answer question --text TEXT", id="an approval of a question"),
        pytest.param(("answer", "form", "--field", "guests=x"), "guests is of type integer", id="a wrong field"),
    ],
)
def test_a_wrong_answer_is_refused_with_what_to_type(
    space: Namespace, arguments: tuple[str, ...], complaint: str
) -> None:
    assert complaint in kubechain(space, *arguments, fails=True).err
    assert "decision" not in space.get("hr", arguments[1])["spec"]


COMPLETE = """\
eval "$({program} completion bash)"
COMP_LINE=$1 COMP_POINT=${{#1}} COMP_TYPE=9
_python_argcomplete {program}
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


def completed(space: Namespace, line: str) -> list[str]:
    """What bash offers after a line."""
    bash = shutil.which("bash")
    assert bash
    script = COMPLETE.format(program=KUBECHAIN)
    command = [bash, "-c", script, "bash", f"kubechain {line}"]
    environment = {**space.cluster.environment, "KUBECONFIG": str(space.cluster.kubeconfig)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return sorted(done.stdout.split())


def test_names_are_completed_from_the_cluster(space: Namespace) -> None:
    line = f"approve -n {space.name} "
    assert completed(space, line) == sorted(kind.lower() for kind in TYPES)
    assert completed(space, line + "question f") == ["form"]
    kubechain(space, "answer", "url", "--done")
    assert "url" not in completed(space, line)


def test_without_a_cluster_nothing_is_completed_and_nothing_said(space: Namespace) -> None:
    assert completed(space, "approve --kubeconfig /nowhere/at/all ") == []
    assert completed(space, "approve -n ../.. ") == []
