"""What the flags of `kubechain answer` mean for a request of each type, and which of them fit it."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from kubechain.api.approval import DecisionChoice
from kubechain.api.budget import OF_AGENT
from kubechain.api.humanrequest import SHOWN_ARGUMENTS_LIMIT, HumanRequestType, RequestContent
from kubechain.api.usage import DOLLARS_PATTERN
from kubechain.cli import forms
from kubechain.cli.deciding import HOW, Draft, Drafter
from kubechain.cli.terminal import Failure

STANDARD_INPUT = "-"

COST = "cost"


@dataclass(frozen=True, slots=True)
class _Flag:
    """A flag that answers.

    Attributes:
        type: Of the requests that it answers; None for all of them.
        answer: The answer that its value means; None where the choice is all.
    """

    type: HumanRequestType | None
    choice: DecisionChoice
    answer: Callable[[argparse.Namespace, RequestContent], str] | None = None


def drafter(options: argparse.Namespace) -> Drafter:
    """How the command line answers a request."""
    flags = [flag for name, flag in _FLAGS.items() if getattr(options, name) not in (None, False)]

    def draft(name: str, asked: RequestContent) -> Draft:
        if not flags or flags[0].type not in (None, asked.type):
            raise Failure(_needed(name, asked), status=2)
        flag = flags[0]
        answer = None if flag.answer is None else flag.answer(options, asked)
        if answer is not None and len(answer) > SHOWN_ARGUMENTS_LIMIT:
            raise Failure(f"the answer has {len(answer)} characters; the limit is {SHOWN_ARGUMENTS_LIMIT}", status=2)
        return Draft(flag.choice, answer=answer)

    return draft


def budget(text: str, limits: Sequence[str] = OF_AGENT) -> str:
    """Parse what is added to the limits of a run, such as `turns=10,tokens=5000`, into the JSON of an answer.

    Args:
        limits: What may be added to.

    Raises:
        Failure: A limit is not known, its number is no whole one above zero (no amount of dollars), or given twice.
    """
    added: dict[str, int | str] = {}
    for part in text.split(","):
        name, _, number = part.strip().partition("=")
        if name not in limits or name in added:
            expected = f"one each of {', '.join(limits)} expected, such as {limits[0]}=10"
            raise Failure(f'--add: {expected}: "{part.strip()}"', status=2)
        added[name] = _dollars(part, number) if name == COST else _count(part, number)
    return json.dumps(added)


def _count(part: str, number: str) -> int:
    if not number.isascii() or not number.isdigit() or int(number) == 0:
        raise Failure(f'--add: a whole number above zero expected: "{part.strip()}"', status=2)
    return int(number)


def _dollars(part: str, number: str) -> str:
    if not re.fullmatch(DOLLARS_PATTERN, number, re.ASCII):
        raise Failure(f'--add: an amount of US dollars expected, such as {COST}=2.50: "{part.strip()}"', status=2)
    return number


def _text(options: argparse.Namespace, asked: RequestContent) -> str:
    text = _read(options.text)
    if not text.strip():
        raise Failure("--text: the answer is empty", status=2)
    return text


def _fields(options: argparse.Namespace, asked: RequestContent) -> str:
    return forms.filled(options.field, asked.schema_ or {})


def _json(options: argparse.Namespace, asked: RequestContent) -> str:
    return forms.checked(_read(options.json), asked.schema_ or {})


def _added(options: argparse.Namespace, asked: RequestContent) -> str:
    return budget(options.add, asked.addable)


def _result(options: argparse.Namespace, asked: RequestContent) -> str:
    return _read(options.happened)


_FLAGS: Mapping[str, _Flag] = {
    "text": _Flag(HumanRequestType.QUESTION, DecisionChoice.ANSWER, _text),
    "field": _Flag(HumanRequestType.FORM, DecisionChoice.ANSWER, _fields),
    "json": _Flag(HumanRequestType.FORM, DecisionChoice.ANSWER, _json),
    "done": _Flag(HumanRequestType.URL, DecisionChoice.DONE),
    "add": _Flag(HumanRequestType.BUDGET, DecisionChoice.APPROVE, _added),
    "happened": _Flag(HumanRequestType.OUTCOME, DecisionChoice.HAPPENED, _result),
    "did_not_happen": _Flag(HumanRequestType.OUTCOME, DecisionChoice.DID_NOT_HAPPEN),
    "unknown": _Flag(HumanRequestType.OUTCOME, DecisionChoice.UNKNOWN),
    "reject": _Flag(None, DecisionChoice.REJECT),
}


def _needed(name: str, asked: RequestContent) -> str:
    fields = forms.described(asked.schema_) if asked.schema_ else ""
    text = f"a request of type {asked.type} is answered with: {HOW[asked.type].format(name)}"
    return f"{text} ({fields})" if fields else text


def _read(text: str) -> str:
    """The text, or standard input without the line end that a shell adds."""
    return sys.stdin.read().removesuffix("\n") if text == STANDARD_INPUT else text
