"""The page of a signed link: what is asked, and a form that decides. HTML without scripts. Pure.

A GET shows the page and decides nothing, since scanners of mail open every link. Everything foreign is escaped.
"""

from __future__ import annotations

import base64
import hashlib
import json
from html import escape
from urllib.parse import parse_qs

from kubechain.api.approval import DecisionChoice
from kubechain.api.humanrequest import HumanRequestType, RequestContent
from kubechain.humans import fields
from kubechain.humans.fields import BadForm, Sent
from kubechain.humans.model import Message
from kubechain.humans.wording import CHOICE_LABELS, Part, headline, markup, parts

MAX_FIELDS = 256
"""Most values that one form may send: each choice of a list is one."""

_STYLE = """
:root { color-scheme: light dark; --line: #888a; --soft: #8882; --good: #1a6f3c; --bad: #a3262a; }
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0; padding: 1rem; background: Canvas; color: CanvasText; }
main { max-width: 42rem; margin: 0 auto; }
h1 { font-size: 1.35rem; line-height: 1.25; margin: .5rem 0 1rem; overflow-wrap: anywhere; }
dt { font-size: .8rem; opacity: .75; margin-top: .75rem; }
dd { margin: 0; overflow-wrap: anywhere; }
pre { background: var(--soft); border: 1px solid var(--line); border-radius: .4rem; margin: .2rem 0 0; padding: .6rem;
  white-space: pre-wrap; overflow-wrap: anywhere; font-size: .875rem; }
pre.prose { font: inherit; }
[role=alert] { border: 1px solid currentColor; border-left-width: .4rem; border-radius: .4rem; padding: .6rem;
  font-weight: 600; overflow-wrap: anywhere; }
label { display: block; margin-top: 1rem; font-size: .9rem; overflow-wrap: anywhere; }
label.box { margin-top: .5rem; padding: .4rem 0; }
label.box input { width: 1.15rem; height: 1.15rem; vertical-align: text-bottom; margin: 0 .3rem 0 0; }
small { display: block; font-size: .8rem; opacity: .75; }
label.box small { padding-left: 1.6rem; }
fieldset { border: 1px solid var(--line); border-radius: .4rem; margin: 1rem 0 0; padding: .2rem .75rem .5rem; }
legend { font-size: .9rem; }
:focus-visible { outline: 3px solid #4a7dff; outline-offset: 2px; }
input:not([type=checkbox]), select, textarea { width: 100%; font: inherit; padding: .5rem;
  border: 1px solid var(--line); border-radius: .4rem; }
button { font: inherit; font-weight: 600; width: 100%; min-height: 3rem; margin-top: 1.25rem; border: 0;
  border-radius: .4rem; color: #fff; background: var(--good); }
button.no { background: var(--bad); }
nav { margin-top: 1.25rem; font-size: .9rem; display: flex; flex-wrap: wrap; column-gap: .75rem; align-items: center; }
nav a { padding: .6rem 0; }
"""

_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

HEADERS = {
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
    "X-Robots-Tag": "noindex",
}
"""Sent with every page: nothing is loaded or run, and the link is passed on to nobody."""

CONTENT_TYPE = "text/html; charset=utf-8"


def question(message: Message, choice: str, *, problem: str = "", body: bytes = b"") -> str:
    """The page that asks for one choice.

    Args:
        choice: The choice of the link that was opened.
        problem: Why the form that was sent is not enough; empty for none.
        body: That form, so that nobody types it again.
    """
    asked = message.asked
    sent = _typed_before(body) if problem else None
    shown = "".join(_part(one) for one in parts(message))
    note = f'<p role="alert">{markup(problem)}</p>' if problem else ""
    kind = ' class="no"' if choice == DecisionChoice.REJECT else ""
    form = (
        f'{note}<form method="post">{inputs(asked, choice, sent)}{_comment(sent)}'
        f"<button{kind}>{escape(CHOICE_LABELS.get(choice, choice))}</button></form>"
    )
    return _document(headline(message), f"<dl>{shown}</dl>{form}{_others(message, choice)}")


def notice(title: str, text: str) -> str:
    """A page that only says something."""
    return _document(title, f"<p>{markup(text)}</p>")


def _document(title: str, body: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{markup(title)}</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>{markup(title)}</h1>{body}</main></body></html>"
    )


def _part(part: Part) -> str:
    kind = ' class="prose"' if part.is_prose else ""
    text = f"<pre{kind}>{markup(part.text)}</pre>" if part.is_code else markup(part.text)
    return f"<dt>{escape(part.name)}</dt><dd>{text}</dd>"


def _others(message: Message, choice: str) -> str:
    """Links to the other choices."""
    links = "".join(
        f'<a href="{escape(url, quote=True)}" rel="noreferrer">{escape(CHOICE_LABELS.get(other, other))}</a>'
        for other, url in message.links.items()
        if other != choice
    )
    return f"<nav>Instead: {links}</nav>" if links else ""


def _comment(sent: Sent | None) -> str:
    return (
        f'<label>Comment<textarea name="comment" rows="2" maxlength="4096">{_typed(sent, "comment")}</textarea></label>'
    )


def inputs(asked: RequestContent, choice: str, sent: Sent | None) -> str:
    """The fields that a choice needs, as markup.

    Args:
        sent: What was typed before; None for nothing.
    """
    if asked.type == HumanRequestType.FORM and choice == DecisionChoice.ANSWER:
        return fields.html(asked.schema_, sent)
    label = _answer_label(asked, choice)
    if not label:
        return ""
    text = _typed(sent, "answer")
    return f'<label>{escape(label)}<textarea name="answer" rows="4" maxlength="65536">{text}</textarea></label>'


def _typed(sent: Sent | None, name: str) -> str:
    """What was typed into a field before, as markup; a line end in front, since a browser drops the first one."""
    text = (sent or {}).get(name, ("",))[-1]
    return f"\n{markup(text)}" if text else ""


def _answer_label(asked: RequestContent, choice: str) -> str:
    """What is to be typed with a choice; empty for nothing."""
    match asked.type, choice:
        case HumanRequestType.QUESTION, DecisionChoice.ANSWER:
            return "Answer"
        case HumanRequestType.BUDGET, DecisionChoice.APPROVE:
            return "What is added to the limits, as a JSON object; empty: what the request says"
        case HumanRequestType.OUTCOME, DecisionChoice.HAPPENED:
            return "Result of the call, for the model"
        case _:
            return ""


def answer_of(asked: RequestContent, choice: str, body: bytes) -> tuple[str | None, str | None]:
    """The comment and the answer in a form that was sent.

    Raises:
        BadForm: Something that is needed is missing or has the wrong form.
    """
    sent = _sent(body)
    given = {name: values[-1] for name, values in sent.items()}
    comment = given.get("comment", "").strip() or None
    if asked.type == HumanRequestType.FORM and choice == DecisionChoice.ANSWER:
        return comment, json.dumps(fields.values(asked.schema_, sent), ensure_ascii=False)
    answer = given.get("answer", "").strip() or None if _answer_label(asked, choice) else None
    if asked.type == HumanRequestType.QUESTION and choice == DecisionChoice.ANSWER and answer is None:
        raise BadForm("an answer is needed")
    return comment, answer


def _typed_before(body: bytes) -> Sent | None:
    """What was sent, to be shown again; None where it cannot be read."""
    try:
        return _sent(body)
    except BadForm:
        return None


def _sent(body: bytes) -> Sent:
    try:
        return parse_qs(body.decode(), max_num_fields=MAX_FIELDS, keep_blank_values=True)
    except (ValueError, UnicodeDecodeError):
        raise BadForm("the form cannot be read") from None
