"""What comes from Slack, by HTTP and by Socket Mode: buttons, dialogs that were sent, replies in threads. Pure.

Whether it counts is judged elsewhere; here it is only read. What is not ours, or has another form, says nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import parse_qs

import orjson

from kubechain.humans.slackblocks import DECIDE

Json = Mapping[str, Any]

_MARKUP = re.compile(r"<([^<>|]*)(?:\|([^<>]*))?>")
"""What Slack makes of links, addresses and mentions that a person types."""


@dataclass(frozen=True, slots=True)
class Pressed:
    """A button that was pressed, or a dialog that was sent.

    Attributes:
        channel: Name of the ContactChannel.
        name: Of the HumanRequest.
        user: Id of the person.
        choice: As it came.
        digest: Of what the person saw.
        trigger_id: With which a dialog may be opened; empty for a dialog that was sent.
        value: Of the button, for the dialog.
        typed: What was typed or chosen in a dialog, by the ids of its fields.
    """

    namespace: str
    channel: str
    name: str
    user: str
    choice: str
    digest: str
    trigger_id: str = ""
    value: str = ""
    typed: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply in the thread of a message.

    Attributes:
        place: Channel and time-stamp of the message, as the receipt of a delivery has them.
        user: Id of the person.
    """

    place: str
    user: str
    text: str

    @property
    def channel_id(self) -> str:
        """Slack's id of the channel."""
        return self.place.partition("/")[0]


@dataclass(frozen=True, slots=True)
class Challenge:
    """Slack asks whether this address is ours, and wants the text back."""

    text: str


Said = Pressed | Reply | Challenge


def claimed(body: bytes) -> Said | None:
    """What an HTTP request says that claims to be Slack's, before its signature is checked."""
    try:
        text = body if body.startswith(b"{") else parse_qs(body.decode()).get("payload", ["{}"])[-1]
        payload: Any = orjson.loads(text)
    except (ValueError, UnicodeDecodeError):
        return None
    return said_of(cast("Json", payload)) if isinstance(payload, dict) else None


def said_of(payload: Json) -> Said | None:
    """What an interaction or an event says."""
    match payload.get("type"):
        case "block_actions":
            return _button_of(payload)
        case "view_submission":
            return _dialog_of(payload)
        case "event_callback":
            return _reply_of(_object(payload, "event"))
        case "url_verification":
            return Challenge(_text(payload, "challenge"))
        case _:
            return None


def _button_of(payload: Json) -> Pressed | None:
    actions = cast("Sequence[Any]", payload.get("actions") or ())
    action: Json = cast("Json", actions[0]) if actions and isinstance(actions[0], dict) else {}
    if not _text(action, "action_id").startswith(DECIDE):
        return None
    return _pressed(payload, _text(action, "value"), trigger_id=_text(payload, "trigger_id"))


def _dialog_of(payload: Json) -> Pressed | None:
    view = _object(payload, "view")
    if view.get("callback_id") != DECIDE:
        return None
    inputs = _object(_object(view, "state"), "values")
    typed = {name: _typed(_object(_object(inputs, name), name)) for name in inputs}
    return _pressed(payload, _text(view, "private_metadata"), typed=typed)


def _pressed(
    payload: Json, value: str, *, trigger_id: str = "", typed: Mapping[str, Sequence[str]] | None = None
) -> Pressed | None:
    try:
        fields: Any = json.loads(value)
        namespace, channel, name, choice, digest = (str(one) for one in fields)
    except (ValueError, TypeError):
        return None
    user = _text(_object(payload, "user"), "id")
    return Pressed(namespace, channel, name, user, choice, digest, trigger_id, value, typed or {})


def _typed(element: Json) -> Sequence[str]:
    """What a field of a dialog has: a text, one option, or several."""
    one = _text(element, "value") or _text(_object(element, "selected_option"), "value")
    chosen = element.get("selected_options")
    several = cast("Sequence[Any]", chosen) if isinstance(chosen, list) else ()
    found = (one, *(_text(cast("Json", option), "value") for option in several if isinstance(option, dict)))
    return tuple(text for text in found if text)


def _reply_of(event: Json) -> Reply | None:
    """A message that a person wrote into a thread; not one that a program wrote, or that was changed later."""
    user, thread, text = _text(event, "user"), _text(event, "thread_ts"), _plain(_text(event, "text")).strip()
    is_written = event.get("type") == "message" and not event.get("subtype") and not event.get("bot_id")
    if not (is_written and user and thread and text) or thread == event.get("ts"):
        return None
    return Reply(f"{_text(event, 'channel')}/{thread}", user, text)


def _plain(text: str) -> str:
    """The text as it was typed."""
    shown = _MARKUP.sub(_unmarked, text)
    return shown.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _unmarked(found: re.Match[str]) -> str:
    """A link as its label where that only repeats it; else both. A mention as it is."""
    target, label = found.group(1), found.group(2)
    if target.startswith(("@", "#", "!")):
        return found.group(0)
    if label is None or label == target:
        return target
    return label if target.removesuffix("/").endswith(label.removesuffix("/")) else f"{label} ({target})"


def _object(value: Json, name: str) -> Json:
    found = value.get(name)
    return cast("Json", found) if isinstance(found, dict) else {}


def _text(value: Json, name: str) -> str:
    found = value.get(name)
    return found if isinstance(found, str) else ""
