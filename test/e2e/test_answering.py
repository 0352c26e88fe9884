"""`kubechain answer`, as a person types them. No manager answers the requests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from test.e2e.cluster import Namespace, table
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
    ask_each(space)
    return space


def ask_each(space: Namespace) -> None:
    """Make a request of each type but an approval."""
    for kind, asked in TYPES.items():
        changes = {f"spec.request.{field}": value for field, value in asked.items()}
        changes |= {"metadata.name": kind.lower(), "spec.request.type": kind}
        request = changed(sample("humanrequest"), changes)
        for field in ("tool", "arguments"):
            del request["spec"]["request"][field]
        space.apply(request)


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
