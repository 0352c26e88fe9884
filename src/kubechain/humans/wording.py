"""What people read about a request: the same in a mail, in Slack and on the page. Pure.

Arguments and messages come from models and servers. Control characters are removed here; whoever shows the text escapes
it for its own form.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from html import escape

from kubechain.api.humanrequest import HumanRequestType, RequestContent
from kubechain.api.meta import time_text
from kubechain.humans.model import Message
from kubechain.net.foreign import cut_middle, harmless, one_line

SHOWN_BYTES = 8 * 1024
"""Most of the arguments or of the question that a message shows."""

CHOICE_LABELS = {
    "Approve": "Approve",
    "Reject": "Reject",
    "ApproveForRun": "Approve for the rest of the run",
    "Answer": "Answer",
    "Done": "Done",
    "Happened": "It happened",
    "DidNotHappen": "It did not happen",
    "Unknown": "I do not know",
}
"""How a choice is written on a button."""

_HEADLINES = {
    HumanRequestType.APPROVAL: "Approval needed: {what}",
    HumanRequestType.QUESTION: "A question from an agent",
    HumanRequestType.FORM: "A form to fill in for {what}",
    HumanRequestType.URL: "A page to open for {what}",
    HumanRequestType.BUDGET: "A run has used up its budget",
    HumanRequestType.OUTCOME: "What became of a call of {what}?",
}


@dataclass(frozen=True, slots=True)
class Part:
    """A named part of what is shown.

    Attributes:
        is_code: Whether it is laid out as it is, such as arguments.
        is_prose: Whether it is words all the same.
    """

    name: str
    text: str
    is_code: bool = False
    is_prose: bool = False


def headline(message: Message) -> str:
    """What is asked, on one line."""
    asked, before = message.asked, "Reminder: " if message.is_reminder else ""
    what = asked.tool or f"{asked.subject.resource}/{asked.subject.name}"
    return one_line(before + _HEADLINES[asked.type].format(what=what), 150)


def parts(message: Message) -> tuple[Part, ...]:
    """All that a person needs to decide, in the order in which it is read."""
    asked = message.asked
    found = (
        Part("Message", _shown(_message(asked)), is_code=True, is_prose=True) if _message(asked) else None,
        Part("Arguments", _shown(_layout(asked.arguments)), is_code=True) if asked.arguments is not None else None,
        Part("Page to open", harmless(asked.url)) if asked.url else None,
        Part("About", f"{asked.subject.resource}/{asked.subject.name}"),
        Part("TaskRun", f"{asked.task_run_ref.name} in namespace {message.namespace}"),
        Part("Requested by", harmless(asked.requested_by)) if asked.requested_by else None,
        Part("Expires", time_text(asked.expires_at)) if asked.expires_at else None,
    )
    return tuple(one for one in found if one is not None)


def command(message: Message) -> str:
    """The command that shows the request, for whoever decides with kubectl."""
    return f"kubectl describe hr {message.name} -n {message.namespace}"


def _message(asked: RequestContent) -> str:
    """What is asked in words; that of an approval repeats the arguments and names commands, which are shown apart."""
    return "" if asked.type == HumanRequestType.APPROVAL else asked.message or ""


def _layout(arguments: str) -> str:
    try:
        return json.dumps(json.loads(arguments), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return arguments


def _shown(text: str) -> str:
    return cut_middle(harmless(text), SHOWN_BYTES, note=_left_out)


def _left_out(left_out_bytes: int) -> str:
    return f"[{left_out_bytes} bytes left out; kubectl shows all]"


def markup(text: str) -> str:
    """Foreign text in HTML, without what changes the direction of writing."""
    return escape(harmless(text))
