"""The form that decides about a request on the live page; what comes back is read by `humans.page`, as of a link."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from markupsafe import Markup

from kubechain.api.approval import DecisionChoice
from kubechain.api.humanrequest import HumanRequestType, RequestContent
from kubechain.humans import page
from kubechain.humans.model import Message
from kubechain.humans.wording import CHOICE_LABELS, Part, parts
from kubechain.humans.wording import headline as _headline
from kubechain.views.story import Question

_REFUSING = (DecisionChoice.REJECT, DecisionChoice.DID_NOT_HAPPEN, DecisionChoice.UNKNOWN)
"""Choices that take no answer."""


@dataclass(frozen=True, slots=True)
class Button:
    """A choice."""

    choice: DecisionChoice
    label: str
    is_refusal: bool
    needs_fields: bool


@dataclass(frozen=True, slots=True)
class Form:
    """What is shown of a request.

    Attributes:
        inputs: The fields of the answer, escaped.
    """

    shown: tuple[Part, ...]
    inputs: Markup
    buttons: tuple[Button, ...]


def headline(question: Question, namespace: str) -> str:
    """What is asked, on one line."""
    return _headline(_message(question, namespace))


def of_question(question: Question, namespace: str) -> Form:
    """The form of a request."""
    asked = question.content
    answering = next((choice for choice in asked.choices if choice not in _REFUSING), None)
    inputs = page.inputs(asked, answering, None) if answering is not None else ""
    buttons = tuple(_button(asked, choice) for choice in asked.choices)
    # `humans.page` has escaped it.
    return Form(tuple(parts(_message(question, namespace))), Markup(inputs), buttons)  # noqa: S704


def _button(asked: RequestContent, choice: DecisionChoice) -> Button:
    is_refusal = choice is DecisionChoice.REJECT
    needs_fields = choice not in _REFUSING and asked.type in (HumanRequestType.QUESTION, HumanRequestType.FORM)
    return Button(choice, CHOICE_LABELS.get(choice, choice), is_refusal, needs_fields)


def _message(question: Question, namespace: str) -> Message:
    """The request as a channel would show it."""
    return Message(
        key=question.request,
        namespace=namespace,
        name=question.request,
        channel="",
        asked=question.content,
        created_at=question.since or datetime.min.replace(tzinfo=UTC),
    )
