"""The text of a mail about a request, plain and as HTML. Pure."""

from __future__ import annotations

from kubechain.humans.model import Message
from kubechain.humans.wording import CHOICE_LABELS, Part, command, headline, markup, parts
from kubechain.net.foreign import one_line

SUBJECT_CHARACTERS = 200


def subject_of(message: Message, given: str | None) -> str:
    """The subject: that of the spec in front of what is asked."""
    shown = headline(message)
    return one_line(f"{given}: {shown}" if given else shown, SUBJECT_CHARACTERS)


def text_of(message: Message) -> str:
    """The plain text."""
    links = "\n\n".join(f"{CHOICE_LABELS.get(choice, choice)}:\n{url}" for choice, url in message.links.items())
    return "\n\n".join(
        part for part in (headline(message), *(_plain(one) for one in parts(message)), links, _kubectl(message)) if part
    )


def html_of(message: Message) -> str:
    """The same as HTML: no image, no style from outside, nothing that calls back."""
    shown = "".join(_html(one) for one in parts(message))
    links = " &nbsp; ".join(
        f'<a href="{markup(url)}"><b>{markup(CHOICE_LABELS.get(choice, choice))}</b></a>'
        for choice, url in message.links.items()
    )
    return (
        f"<!doctype html><html><body><h2>{markup(headline(message))}</h2>{shown}<p>{links}</p>"
        f"<p>{markup(_kubectl(message))}</p></body></html>"
    )


def _plain(part: Part) -> str:
    return f"{part.name}:\n{part.text}" if part.is_code else f"{part.name}: {part.text}"


def _html(part: Part) -> str:
    text = f"<pre>{markup(part.text)}</pre>" if part.is_code else markup(part.text)
    return f"<p><b>{markup(part.name)}</b>: {text}</p>"


def _kubectl(message: Message) -> str:
    return f"With kubectl: {command(message)}"
