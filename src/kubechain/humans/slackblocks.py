"""The messages of Slack: blocks with buttons. Pure.

A button's value holds what the answer must name: namespace, channel, request, choice and digest. Whether it counts is
judged from the request itself; the value only finds it.
"""

from __future__ import annotations

import json
from typing import Any

from kubechain.api.approval import DecisionChoice
from kubechain.api.humanrequest import HumanRequestType
from kubechain.humans.model import Message
from kubechain.humans.wording import CHOICE_LABELS, Part, command, headline, parts
from kubechain.net.foreign import cut, one_line

DECIDE = "kubechain.decide"
"""Prefix of the ids of our buttons, and the id of our dialog."""

LINK = "link"
"""What a button that only opens a page has in place of a choice."""

EVENT_TYPE = "kubechain_request"
"""Type of the metadata by which a message is found again."""

SECTION_CHARACTERS = 2_800
"""Slack takes 3,000 in a section."""

LABEL_CHARACTERS = 75

Json = dict[str, Any]


def metadata(message: Message) -> Json:
    """What marks the message, so that it can be looked up."""
    return {"event_type": EVENT_TYPE, "event_payload": {"key": message.key}}


def blocks(message: Message, *, is_heard: bool) -> list[Json]:
    """The request with its buttons.

    Args:
        is_heard: Whether what people do in Slack comes back to us; else they open the links, or use kubectl.
    """
    choices = message.asked.choices if is_heard else [one for one in message.asked.choices if one in message.links]
    buttons = [_button(message, choice, is_heard=is_heard) for choice in choices]
    actions = [{"type": "actions", "elements": buttons}] if buttons else []
    is_threaded = is_heard and message.asked.type == HumanRequestType.QUESTION
    hint = (
        [_context("Answer with the button, or reply in this thread: the first answer counts.")] if is_threaded else []
    )
    return [*_shown(message), *actions, *hint, _context(f"Or: {command(message)}")]


def closed_blocks(message: Message, ending: str) -> list[Json]:
    """The request without buttons, and how it ended."""
    return [*_shown(message), _context(ending)]


def text(message: Message) -> str:
    """The text of notifications."""
    return escaped(headline(message))


def escaped(plain: str) -> str:
    """A text that mentions nobody and links nowhere, for a field in which Slack looks for both."""
    return plain.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _button(message: Message, choice: DecisionChoice, *, is_heard: bool) -> Json:
    said = choice.value if is_heard else LINK
    value = [message.namespace, message.channel, message.name, said, message.asked.digest]
    button: Json = {
        "type": "button",
        "action_id": f"{DECIDE}.{choice.value}",
        "text": {"type": "plain_text", "text": cut(CHOICE_LABELS.get(choice, choice.value), LABEL_CHARACTERS)},
        "value": json.dumps(value, separators=(",", ":")),
    }
    if choice in (DecisionChoice.APPROVE, DecisionChoice.REJECT):
        button["style"] = "primary" if choice is DecisionChoice.APPROVE else "danger"
    return button if is_heard else button | {"url": message.links[choice]}


def _shown(message: Message) -> list[Json]:
    title = {"type": "header", "text": {"type": "plain_text", "text": headline(message)}}
    return [title, *(_section(one) for one in parts(message))]


def _section(part: Part) -> Json:
    """Foreign text as plain text, so that it can mention nobody and link nowhere."""
    shown = f"{part.name}:\n{part.text}" if part.is_code else f"{part.name}: {part.text}"
    return {"type": "section", "text": {"type": "plain_text", "text": cut(shown, SECTION_CHARACTERS), "emoji": False}}


def _context(said: str) -> Json:
    return {"type": "context", "elements": [{"type": "plain_text", "text": one_line(said, 1_000), "emoji": False}]}
