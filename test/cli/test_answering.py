"""What the flags of `kubechain answer` mean for a request of each type."""

from __future__ import annotations

import argparse
import io
import json
import sys
from typing import Any

import pytest

from kubechain.api.approval import DecisionChoice
from kubechain.api.budget import OF_BUDGET
from kubechain.api.humanrequest import SHOWN_ARGUMENTS_LIMIT, HumanRequestType, RequestContent
from kubechain.cli import answer, answering, forms
from kubechain.cli.deciding import HOW, Draft
from kubechain.cli.terminal import Failure

FORM: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1},
        "guests": {"type": "integer", "minimum": 1},
        "price": {"type": "number"},
        "smoking": {"type": "boolean"},
        "size": {"type": "string", "enum": ["S", "M"]},
        "days": {"type": "array", "items": {"anyOf": [{"const": "Mon"}, {"const": "Tue"}]}},
    },
    "required": ["name"],
}


def asked(kind: HumanRequestType) -> RequestContent:
    return RequestContent.from_wire(
        {
            "type": kind.value,
            "subject": {"resource": "agents", "name": "a"},
            "taskRunRef": {"name": "r"},
            "digest": "sha256:" + "0" * 64,
            "choices": ["Answer"],
            **({"schema": FORM} if kind == HumanRequestType.FORM else {}),
        }
    )


def drafted(kind: HumanRequestType, *arguments: str) -> Draft:
    parser = argparse.ArgumentParser()
    answer.add_arguments(parser)
    return answering.drafter(parser.parse_args(["q", *arguments]))("q", asked(kind))


@pytest.mark.parametrize(
    ("kind", "arguments", "choice", "expected"),
    [
        pytest.param("Question", ["--text", "Blue."], "Answer", "Blue.", id="a question with a text"),
        pytest.param("Question", ["--reject"], "Reject", None, id="a question not at all"),
        pytest.param("Form", ["--json", '{"name":  "Ada"}'], "Answer", '{"name":  "Ada"}', id="a form as it is typed"),
        pytest.param("Url", ["--done"], "Done", None, id="a page"),
        pytest.param(
            "Budget", ["--add", "turns=10, toolCalls=5"], "Approve", '{"turns": 10, "toolCalls": 5}', id="a budget"
        ),
        pytest.param("Outcome", ["--happened", ""], "Happened", "", id="an outcome with an empty result"),
        pytest.param("Outcome", ["--did-not-happen"], "DidNotHappen", None, id="an outcome that was none"),
        pytest.param("Outcome", ["--unknown"], "Unknown", None, id="an outcome that nobody knows"),
    ],
)
def test_an_answer_of_each_type(kind: str, arguments: list[str], choice: str, expected: str | None) -> None:
    assert drafted(HumanRequestType(kind), *arguments) == Draft(DecisionChoice(choice), answer=expected)


FLAGS = {
    HumanRequestType.QUESTION: ["--text", "a"],
    HumanRequestType.FORM: ["--field", "name=a"],
    HumanRequestType.URL: ["--done"],
    HumanRequestType.BUDGET: ["--add", "turns=1"],
    HumanRequestType.OUTCOME: ["--unknown"],
}


@pytest.mark.parametrize("kind", HumanRequestType)
def test_a_flag_of_another_type_is_refused_with_what_to_type(kind: HumanRequestType) -> None:
    for other, flag in FLAGS.items():
        if other != kind:
            with pytest.raises(Failure) as refused:
                drafted(kind, *flag)
            assert HOW[kind].format("q") in str(refused.value)


@pytest.mark.parametrize("kind", HumanRequestType)
def test_no_flag_is_refused_with_what_to_type(kind: HumanRequestType) -> None:
    with pytest.raises(Failure) as refused:
        drafted(kind)
    assert HOW[kind].format("q") in str(refused.value)
    assert ("guests (integer)" in str(refused.value)) == (kind == HumanRequestType.FORM)


def test_two_answers_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        drafted(HumanRequestType.QUESTION, "--text", "a", "--reject")
    assert "not allowed with" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("kind", "flag"),
    [
        (HumanRequestType.QUESTION, "--text"),
        (HumanRequestType.OUTCOME, "--happened"),
    ],
    ids=str,
)
def test_a_dash_reads_standard_input(kind: HumanRequestType, flag: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("Two\nlines.\n"))
    assert drafted(kind, flag, "-").answer == "Two\nlines."


@pytest.mark.parametrize("text", ["", "  \n"], ids=["nothing", "white space"])
def test_an_empty_answer_is_none(text: str) -> None:
    with pytest.raises(Failure, match="the answer is empty"):
        drafted(HumanRequestType.QUESTION, "--text", text)


def test_an_answer_that_no_request_holds_is_refused() -> None:
    with pytest.raises(Failure, match=f"the limit is {SHOWN_ARGUMENTS_LIMIT}"):
        drafted(HumanRequestType.QUESTION, "--text", "a" * (SHOWN_ARGUMENTS_LIMIT + 1))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        pytest.param("", "one each of turns, tokens, toolCalls", id="nothing"),
        pytest.param("hours=1", "one each of turns, tokens, toolCalls", id="a limit that is none"),
        pytest.param("turns=1,turns=2", "one each of", id="a limit twice"),
        pytest.param("turns", "a whole number above zero", id="no number"),
        pytest.param("turns=0", "a whole number above zero", id="zero"),
        pytest.param("turns=-1", "a whole number above zero", id="less than nothing"),
        pytest.param("turns=1.5", "a whole number above zero", id="a fraction"),
        pytest.param("turns=\N{SUPERSCRIPT TWO}", "a whole number above zero", id="a digit of another script"),
    ],
)
def test_what_is_added_to_a_budget_is_checked(text: str, complaint: str) -> None:
    with pytest.raises(Failure, match=complaint):
        answering.budget(text)


def test_what_a_run_may_spend_beyond_a_budget_is_tokens_and_dollars() -> None:
    assert json.loads(answering.budget("tokens=20, cost=2.50", OF_BUDGET)) == {
        "tokens": 20,
        "cost": "2.50",
    }


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        pytest.param("turns=1", "one each of tokens, cost expected, such as tokens=10", id="a limit of an Agent"),
        pytest.param("cost=much", "an amount of US dollars expected, such as cost=2.50", id="no amount"),
        pytest.param("cost=-1", "an amount of US dollars expected", id="less than nothing"),
    ],
)
def test_what_a_run_may_spend_beyond_a_budget_is_checked(text: str, complaint: str) -> None:
    with pytest.raises(Failure, match=complaint):
        answering.budget(text, OF_BUDGET)


def test_the_fields_of_a_form_have_its_types() -> None:
    pairs = ["name=a=b", "guests=2", "price=1.5", "smoking=no", "size=M", "days=Mon", "days=Tue"]
    assert json.loads(forms.filled(pairs, FORM)) == {
        "name": "a=b",
        "guests": 2,
        "price": 1.5,
        "smoking": False,
        "size": "M",
        "days": ["Mon", "Tue"],
    }


@pytest.mark.parametrize(
    ("pairs", "complaint"),
    [
        pytest.param(["guests=2"], "name", id="a required field is missing"),
        pytest.param(["name=a", "colour=red"], "a field of the form expected", id="a field that is none"),
        pytest.param(["name"], "NAME=VALUE", id="a name alone"),
        pytest.param(["name=a", "guests=two"], 'guests is of type integer: "two"', id="no number"),
        pytest.param(["name=a", "smoking=maybe"], "smoking is of type boolean", id="no truth value"),
        pytest.param(["name=a", "price=nan"], "not complete and correct", id="a number that JSON has not"),
        pytest.param(["name=a", "size=XL"], "not complete and correct", id="no choice of the form"),
        pytest.param(["name=a", "guests=0"], "not complete and correct", id="out of bounds"),
        pytest.param(["name=a", "name=b"], "given 2 times", id="one value too many"),
    ],
)
def test_a_form_that_is_not_correct_is_refused_with_its_fields(pairs: list[str], complaint: str) -> None:
    with pytest.raises(Failure, match=complaint):
        forms.filled(pairs, FORM)


def test_a_form_is_described_by_its_fields() -> None:
    assert forms.described(FORM) == (
        "fields: name (string, required), guests (integer), price (number), smoking (boolean), "
        "size (S|M), days (Mon|Tue)"
    )
