"""The dialogs of Slack: what is typed before a choice counts, and what is made of it. Pure."""

from __future__ import annotations

import json
from typing import Any, Protocol, runtime_checkable

from kubechain.api.approval import DecisionChoice
from kubechain.api.humanrequest import HumanRequestType, RequestContent
from kubechain.humans import fields, slackforms
from kubechain.humans.fields import BadForm
from kubechain.humans.model import Answer
from kubechain.humans.slackblocks import DECIDE
from kubechain.humans.slackevents import Pressed
from kubechain.humans.wording import CHOICE_LABELS
from kubechain.net.foreign import cut

TITLE_CHARACTERS = 24

COMMENT = "comment"
"""Id of the field for a comment, which every dialog has: what is wrong is said there."""

_ANSWER = "answer"

_COST = "cost"

_LIMITS = {"turns": "Turns", "tokens": "Tokens", "toolCalls": "Tool calls", _COST: "US dollars"}
"""What can be added to, with the labels of the fields."""

Json = dict[str, Any]


@runtime_checkable
class Talker(Protocol):
    """A channel by which one person can be asked and told something in between."""

    async def ask(self, asked: RequestContent, pressed: Pressed) -> None:
        """Open the dialog of a button that was pressed.

        Raises:
            ChannelError: It was not opened.
        """
        ...

    async def tell(self, user: str, text: str, *, place: str = "") -> None:
        """Say to one person why their answer does not count; nobody else sees it.

        Args:
            place: Of the message in whose thread it is said; empty for the channel itself.

        Raises:
            ChannelError: It was not said.
        """
        ...


class BadInput(Exception):
    """Raised when a dialog lacks what it needs; the message is for the person who sent it."""


def is_needed(asked: RequestContent, choice: str) -> bool:
    """Whether something may be typed before a choice counts: a reason, an answer, a result, what is added."""
    if choice == DecisionChoice.APPROVE:
        return asked.type == HumanRequestType.BUDGET
    return choice in (DecisionChoice.REJECT, DecisionChoice.ANSWER, DecisionChoice.HAPPENED)


def dialog(asked: RequestContent, pressed: Pressed) -> Json:
    """The dialog that a button opens; for a form that no dialog can hold, one that says what to type instead."""
    label = CHOICE_LABELS.get(pressed.choice, pressed.choice)
    title = {"type": "plain_text", "text": cut(label, TITLE_CHARACTERS)}
    made: Json = {"type": "modal", "callback_id": DECIDE, "private_metadata": pressed.value, "title": title}
    inputs = _fields(asked, pressed.choice)
    if inputs is None:
        return made | {"blocks": [_instead(pressed)]}
    submit = {"type": "plain_text", "text": "Send"}
    return made | {"submit": submit, "blocks": [*inputs, _text_input(COMMENT, "Comment", is_optional=True)]}


def answer_of(asked: RequestContent, pressed: Pressed) -> Answer:
    """What a person said by a dialog that was sent, or by a button that needs none.

    Raises:
        BadInput: Something that is needed is missing or has the wrong form.
    """
    return Answer(
        pressed.user, pressed.choice, pressed.digest, comment=_typed(pressed, COMMENT), answer=_answer(asked, pressed)
    )


def _instead(pressed: Pressed) -> Json:
    command = f"kubechain answer {pressed.name} -n {pressed.namespace} --field NAME=VALUE"
    text = f"This form is too large for Slack. Fill it in with:\n{command}"
    return {"type": "section", "text": {"type": "plain_text", "text": text}}


def _fields(asked: RequestContent, choice: str) -> list[Json] | None:
    match asked.type, choice:
        case HumanRequestType.FORM, DecisionChoice.ANSWER:
            return slackforms.inputs(asked.schema_)
        case HumanRequestType.BUDGET, DecisionChoice.APPROVE:
            unsaid = "as much as the request says" if asked.is_beyond_budget else "the same again"
            return [_number_input(name, f"{label}: add. All empty: {unsaid}") for name, label in _limits(asked).items()]
        case _, DecisionChoice.ANSWER:
            return [_text_input(_ANSWER, "Answer", is_optional=False)]
        case _, DecisionChoice.HAPPENED:
            return [_text_input(_ANSWER, "Result of the call, for the model", is_optional=True)]
        case _:
            return []


def _answer(asked: RequestContent, pressed: Pressed) -> str | None:
    if (asked.type, pressed.choice) == (HumanRequestType.BUDGET, DecisionChoice.APPROVE):
        return _added(asked, pressed)
    if (asked.type, pressed.choice) == (HumanRequestType.FORM, DecisionChoice.ANSWER):
        try:
            return json.dumps(fields.values(asked.schema_, pressed.typed), ensure_ascii=False)
        except BadForm as error:
            raise BadInput(str(error)) from error
    return _typed(pressed, _ANSWER)


def _limits(asked: RequestContent) -> dict[str, str]:
    return {name: _LIMITS[name] for name in asked.addable}


def _added(asked: RequestContent, pressed: Pressed) -> str | None:
    """What is added to a budget, as the JSON of an answer; None where nothing is typed."""
    added: dict[str, int | str] = {}
    for name, label in _limits(asked).items():
        text = _typed(pressed, name)
        if text is None:
            continue
        if name == _COST:
            added[name] = text
            continue
        if not text.isascii() or not text.isdigit() or int(text) == 0:
            raise BadInput(f"{label}: a whole number above zero is needed")
        added[name] = int(text)
    return json.dumps(added) if added else None


def _typed(pressed: Pressed, name: str) -> str | None:
    return next((text for one in pressed.typed.get(name, ()) if (text := one.strip())), None)


def _text_input(name: str, label: str, *, is_optional: bool) -> Json:
    element: Json = {"type": "plain_text_input", "action_id": name, "multiline": True, "max_length": 3000}
    return _input(name, label, element, is_optional=is_optional)


def _number_input(name: str, label: str) -> Json:
    is_decimal, least = (True, "0.01") if name == _COST else (False, "1")
    element: Json = {"type": "number_input", "action_id": name, "is_decimal_allowed": is_decimal, "min_value": least}
    return _input(name, label, element, is_optional=True)


def _input(name: str, label: str, element: Json, *, is_optional: bool) -> Json:
    return {
        "type": "input",
        "block_id": name,
        "optional": is_optional,
        "label": {"type": "plain_text", "text": label},
        "element": element,
    }
