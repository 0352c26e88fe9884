"""The messages and dialogs of Slack: blocks with buttons, a dialog for a comment or an answer. Pure.

A button's value holds what the answer must name: namespace, channel, request, choice and digest. Whether it counts is
judged from the request itself; the value only finds it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from kubechain.api.approval import DecisionChoice
from kubechain.humans.model import Answer, Message
from kubechain.humans.wording import CHOICE_LABELS, Part, command, headline, parts
from kubechain.net.foreign import cut, one_line

DECIDE = "kubechain.decide"
"""Prefix of the ids of our buttons, and the id of our dialog."""

EVENT_TYPE = "kubechain_request"
"""Type of the metadata by which a message is found again."""

SECTION_CHARACTERS = 2_800
"""Slack takes 3,000 in a section."""

TITLE_CHARACTERS = 24
LABEL_CHARACTERS = 75

COMMENT = "comment"
"""Id of the field for a comment."""

_ANSWER = "answer"

_TYPED = frozenset({DecisionChoice.REJECT, DecisionChoice.ANSWER, DecisionChoice.HAPPENED})
"""Choices with which something is typed: a reason, an answer, a result."""

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Pressed:
    """A button that was pressed, or a dialog that was sent.

    Attributes:
        name: Of the HumanRequest.
        answer: What it says; without its texts as long as the dialog has not been filled in.
        trigger_id: With which a dialog may be opened; empty for a dialog that was sent.
        value: Of the button, for the dialog.
    """

    namespace: str
    channel: str
    name: str
    answer: Answer
    trigger_id: str = ""
    value: str = ""


def metadata(message: Message) -> Json:
    """What marks the message, so that it can be looked up."""
    return {"event_type": EVENT_TYPE, "event_payload": {"key": message.key}}


def blocks(message: Message) -> list[Json]:
    """The request with its buttons."""
    buttons = [_button(message, choice) for choice in message.asked.choices]
    return [*_shown(message), {"type": "actions", "elements": buttons}, _context(f"Or: {command(message)}")]


def closed_blocks(message: Message, ending: str) -> list[Json]:
    """The request without buttons, and how it ended."""
    return [*_shown(message), _context(ending)]


def text(message: Message) -> str:
    """The text of notifications."""
    return headline(message)


def needs_dialog(pressed: Pressed) -> bool:
    """Whether something is to be typed before the button decides."""
    return bool(pressed.trigger_id) and pressed.answer.choice in _TYPED


def dialog(pressed: Pressed) -> Json:
    """The dialog that a button opens: a comment, and an answer where one is needed."""
    choice = pressed.answer.choice
    label = CHOICE_LABELS.get(choice, choice)
    has_answer = choice != DecisionChoice.REJECT
    inputs = [_input(_ANSWER, "Answer", is_optional=choice != DecisionChoice.ANSWER)] if has_answer else []
    return {
        "type": "modal",
        "callback_id": DECIDE,
        "private_metadata": pressed.value,
        "title": {"type": "plain_text", "text": cut(label, TITLE_CHARACTERS)},
        "submit": {"type": "plain_text", "text": "Send"},
        "blocks": [*inputs, _input(COMMENT, "Comment", is_optional=True)],
    }


def pressed_of(payload: Mapping[str, Any]) -> Pressed | None:
    """What an interaction says; None for one that is not ours."""
    user = _text(_object(payload, "user"), "id")
    if payload.get("type") == "block_actions":
        actions = cast("Sequence[Any]", payload.get("actions") or ())
        action = cast("Json", actions[0]) if actions and isinstance(actions[0], dict) else {}
        if not _text(action, "action_id").startswith(DECIDE):
            return None
        return _pressed(_text(action, "value"), user, trigger_id=_text(payload, "trigger_id"))
    view = _object(payload, "view")
    if payload.get("type") != "view_submission" or view.get("callback_id") != DECIDE:
        return None
    values = _object(_object(view, "state"), "values")
    return _pressed(
        _text(view, "private_metadata"), user, comment=_typed(values, COMMENT), answer=_typed(values, _ANSWER)
    )


def _pressed(
    value: str, user: str, *, trigger_id: str = "", comment: str | None = None, answer: str | None = None
) -> Pressed | None:
    try:
        fields: Any = json.loads(value)
        namespace, channel, name, choice, digest = (str(one) for one in fields)
    except (ValueError, TypeError):
        return None
    said = Answer(user, choice, digest, comment=comment, answer=answer)
    return Pressed(namespace, channel, name, said, trigger_id=trigger_id, value=value)


def _button(message: Message, choice: DecisionChoice) -> Json:
    value = [message.namespace, message.channel, message.name, choice.value, message.asked.digest]
    button: Json = {
        "type": "button",
        "action_id": f"{DECIDE}.{choice.value}",
        "text": {"type": "plain_text", "text": cut(CHOICE_LABELS.get(choice, choice.value), LABEL_CHARACTERS)},
        "value": json.dumps(value, separators=(",", ":")),
    }
    if choice in (DecisionChoice.APPROVE, DecisionChoice.REJECT):
        button["style"] = "primary" if choice is DecisionChoice.APPROVE else "danger"
    return button


def _shown(message: Message) -> list[Json]:
    title = {"type": "header", "text": {"type": "plain_text", "text": headline(message)}}
    return [title, *(_section(one) for one in parts(message))]


def _section(part: Part) -> Json:
    """Foreign text as plain text, so that it can mention nobody and link nowhere."""
    shown = f"{part.name}:\n{part.text}" if part.is_code else f"{part.name}: {part.text}"
    return {"type": "section", "text": {"type": "plain_text", "text": cut(shown, SECTION_CHARACTERS), "emoji": False}}


def _context(said: str) -> Json:
    return {"type": "context", "elements": [{"type": "plain_text", "text": one_line(said, 1_000), "emoji": False}]}


def _input(name: str, label: str, *, is_optional: bool) -> Json:
    return {
        "type": "input",
        "block_id": name,
        "optional": is_optional,
        "label": {"type": "plain_text", "text": label},
        "element": {"type": "plain_text_input", "action_id": name, "multiline": True, "max_length": 3000},
    }


def _typed(values: Mapping[str, Any], name: str) -> str | None:
    return _text(_object(_object(values, name), name), "value") or None


def _object(value: Mapping[str, Any], name: str) -> Json:
    found = value.get(name)
    return cast("Json", found) if isinstance(found, dict) else {}


def _text(value: Mapping[str, Any], name: str) -> str:
    found = value.get(name)
    return found if isinstance(found, str) else ""
