"""The page of a signed link: what is asked, and a form that decides. HTML without scripts. Pure.

A GET shows the page and decides nothing, since scanners of mail open every link. Everything foreign is escaped.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from html import escape
from typing import Any, cast
from urllib.parse import parse_qs

from kubechain.api.approval import DecisionChoice
from kubechain.api.humanrequest import HumanRequestType, RequestContent
from kubechain.humans.model import Message
from kubechain.humans.wording import CHOICE_LABELS, Part, headline, markup, parts

MAX_FIELDS = 64

_STYLE = """
:root { color-scheme: light dark; --line: #8886; --soft: #8882; --good: #1a6f3c; --bad: #a3262a; }
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0; padding: 1rem; }
main { max-width: 42rem; margin: 0 auto; }
h1 { font-size: 1.35rem; line-height: 1.25; margin: .5rem 0 1rem; overflow-wrap: anywhere; }
dt { font-size: .8rem; opacity: .75; margin-top: .75rem; }
dd { margin: 0; overflow-wrap: anywhere; }
pre { background: var(--soft); border: 1px solid var(--line); border-radius: .4rem; margin: .2rem 0 0; padding: .6rem;
  white-space: pre-wrap; overflow-wrap: anywhere; max-height: 60vh; overflow-y: auto; font-size: .875rem; }
label { display: block; margin-top: 1rem; font-size: .9rem; }
input:not([type=checkbox]), select, textarea { width: 100%; font: inherit; padding: .5rem;
  border: 1px solid var(--line); border-radius: .4rem; }
button { font: inherit; font-weight: 600; width: 100%; min-height: 3rem; margin-top: 1.25rem; border: 0;
  border-radius: .4rem; color: #fff; background: var(--good); }
button.no { background: var(--bad); }
nav { margin-top: 1.5rem; font-size: .9rem; display: flex; flex-wrap: wrap; gap: .75rem; }
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


class BadForm(Exception):
    """Raised when a form lacks what it needs; the message is for the person who filled it in."""


def question(message: Message, choice: str, *, problem: str = "") -> str:
    """The page that asks for one choice.

    Args:
        choice: The choice of the link that was opened.
        problem: Why the form that was sent is not enough; empty for none.
    """
    asked = message.asked
    shown = "".join(_part(one) for one in parts(message))
    note = f'<p role="alert"><strong>{markup(problem)}</strong></p>' if problem else ""
    kind = ' class="no"' if choice == DecisionChoice.REJECT else ""
    form = (
        f'{note}<form method="post">{_fields(asked, choice)}{_comment()}'
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
    text = f"<pre>{markup(part.text)}</pre>" if part.is_code else markup(part.text)
    return f"<dt>{escape(part.name)}</dt><dd>{text}</dd>"


def _others(message: Message, choice: str) -> str:
    """Links to the other choices."""
    links = "".join(
        f'<a href="{escape(url, quote=True)}" rel="noreferrer">{escape(CHOICE_LABELS.get(other, other))}</a>'
        for other, url in message.links.items()
        if other != choice
    )
    return f"<nav>Instead: {links}</nav>" if links else ""


def _comment() -> str:
    return '<label>Comment<textarea name="comment" rows="2" maxlength="4096"></textarea></label>'


def _fields(asked: RequestContent, choice: str) -> str:
    if asked.type == HumanRequestType.FORM and choice == DecisionChoice.ANSWER:
        fields = enumerate(_properties(asked).items())
        return "".join(_field(_id(n), name, schema, name in _required(asked)) for n, (name, schema) in fields)
    label = _answer_label(asked, choice)
    if not label:
        return ""
    return f'<label>{escape(label)}<textarea name="answer" rows="4" maxlength="65536"></textarea></label>'


def _answer_label(asked: RequestContent, choice: str) -> str:
    """What is to be typed with a choice; empty for nothing."""
    match asked.type, choice:
        case HumanRequestType.QUESTION, DecisionChoice.ANSWER:
            return "Answer"
        case HumanRequestType.BUDGET, DecisionChoice.APPROVE:
            return "What is added to the limits, as a JSON object; empty: the same again"
        case HumanRequestType.OUTCOME, DecisionChoice.HAPPENED:
            return "Result of the call, for the model"
        case _:
            return ""


def _field(id_: str, name: str, schema: Mapping[str, Any], is_required: bool) -> str:
    label = markup(str(schema.get("title") or name))
    hint = f": {markup(str(schema['description']))}" if schema.get("description") else ""
    must = " required" if is_required else ""
    options = schema.get("enum")
    if isinstance(options, list):
        choices = "".join(f"<option>{markup(str(one))}</option>" for one in cast("list[Any]", options))
        return f'<label>{label}{hint}<select name="{id_}"{must}><option value=""></option>{choices}</select></label>'
    if schema.get("type") == "boolean":
        return f'<label><input type="checkbox" name="{id_}" value="true"> {label}{hint}</label>'
    kind = {"integer": ' type="number" step="1"', "number": ' type="number" step="any"'}.get(
        str(schema.get("type")), ""
    )
    return f'<label>{label}{hint}<input{kind} name="{id_}"{must}></label>'


def answer_of(asked: RequestContent, choice: str, body: bytes) -> tuple[str | None, str | None]:
    """The comment and the answer in a form that was sent.

    Raises:
        BadForm: Something that is needed is missing or has the wrong form.
    """
    try:
        found = parse_qs(body.decode(), max_num_fields=MAX_FIELDS, keep_blank_values=True)
    except (ValueError, UnicodeDecodeError):
        raise BadForm("the form cannot be read") from None
    given = {name: values[-1] for name, values in found.items()}
    comment = given.get("comment", "").strip() or None
    if asked.type == HumanRequestType.FORM and choice == DecisionChoice.ANSWER:
        return comment, json.dumps(_object(asked, given), ensure_ascii=False)
    answer = given.get("answer", "").strip() or None if _answer_label(asked, choice) else None
    if asked.type == HumanRequestType.QUESTION and choice == DecisionChoice.ANSWER and answer is None:
        raise BadForm("an answer is needed")
    return comment, answer


def _object(asked: RequestContent, given: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for number, (name, schema) in enumerate(_properties(asked).items()):
        text = given.get(_id(number), "").strip()
        if schema.get("type") == "boolean":
            found[name] = text == "true"
        elif text:
            found[name] = _value(name, text, str(schema.get("type")))
        elif name in _required(asked):
            raise BadForm(f"{name}: a value is needed")
    return found


def _value(name: str, text: str, type_: str) -> Any:
    try:
        return int(text) if type_ == "integer" else float(text) if type_ == "number" else text
    except ValueError:
        raise BadForm(f"{name}: a number is needed") from None


def _properties(asked: RequestContent) -> dict[str, Mapping[str, Any]]:
    found = (asked.schema_ or {}).get("properties")
    if not isinstance(found, dict):
        return {}
    pairs = cast("dict[str, Any]", found).items()
    return {name: cast("Mapping[str, Any]", one) for name, one in pairs if isinstance(one, dict)}


def _required(asked: RequestContent) -> list[str]:
    found = (asked.schema_ or {}).get("required")
    return [str(one) for one in cast("list[Any]", found)] if isinstance(found, list) else []


def _id(number: int) -> str:
    """The name of a field in the form: not the one that a server gave it."""
    return f"field{number}"
