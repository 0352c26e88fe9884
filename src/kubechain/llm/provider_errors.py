"""Reads what an error reply says about itself, in the shapes that model servers use. Pure.

Shapes: OpenAI's and Azure's `{"error": {message, type, code}}`; `{"error": "text"}`; the flat `{code, message}`,
`{code, msg}`, `{error_code, error_msg}` of Mistral, Zhipu, Baidu and gateways; FastAPI's `{"detail": "text"}` and
`{"detail": [{loc, msg}]}`; `{"errors": [{message}]}`; OpenRouter's `error.metadata.raw`; MiniMax' `base_resp`; Gemini's
list with the object in it; a JSON string; an object that was encoded twice; plain text; the title of a web page.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import orjson

from kubechain.llm.exchange import HttpReply
from kubechain.net.retry_after import delay_seconds

_TEXT_FIELDS = (
    "message",
    "msg",
    "detail",
    "error_msg",
    "error_message",
    "errorMessage",
    "status_msg",
    "error_description",
    "reason",
    "title",
    "description",
)
_NESTED_FIELDS = ("error", "errors", "details", "base_resp", "fault", "innererror", "cause")
_CODE_FIELDS = ("code", "type", "status", "reason", "error_code", "status_code", "errorCode", "error_type")
_WAIT_FIELDS = ("retryDelay", "retry_after", "retry_after_seconds", "retryAfter")
_HEADER_FIELDS = ("retry-after", "x-ratelimit-reset")
_WAIT_IN_TEXT = re.compile(
    r"(?:try again|retry)(?: request)?(?: in| after)? (\d[\d.]* ?(?:ms|s|m|h)[a-z0-9.]*)", re.IGNORECASE
)

_MAX_DEPTH = 6
_MAX_ITEMS = 4
_MAX_TEXT_CHARACTERS = 4096
"""A longer text is no message to people; it is cut before anything looks at it."""

_TITLE = re.compile(r"<title[^>]*>(.*?)</title", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class ProviderError:
    """What an error reply says about itself.

    Attributes:
        text: The provider's words; empty where there are none.
        codes: Codes, types and statuses, as they are written.
        retry_after_seconds: The wait that the body asks for; None where it asks for none.
        is_page: Whether the reply is a web page: another server than that of a model.
    """

    text: str = ""
    codes: frozenset[str] = frozenset()
    retry_after_seconds: float | None = None
    is_page: bool = False


def provider_error(reply: HttpReply) -> ProviderError:
    """Read the error out of a reply's body; empty when it says nothing."""
    try:
        body: Any = orjson.loads(reply.body.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError:
        return _of_text(reply.body[: 2 * _MAX_TEXT_CHARACTERS].decode(errors="replace"))
    said = _read(body, _MAX_DEPTH)
    wait = said.retry_after_seconds
    return said if wait is not None else _with_wait(said, _wait_in_text(said.text))


def is_page(reply: HttpReply) -> bool:
    """Whether a reply is a web page."""
    return _looks_like_page(reply.body[:_MAX_TEXT_CHARACTERS].decode(errors="replace"))


def _looks_like_page(text: str) -> bool:
    start = text.lstrip("\ufeff \t\r\n")[:256].lower()
    return start.startswith(("<!doctype html", "<html", "<head", "<body")) or "<html" in start


def _of_text(text: str) -> ProviderError:
    if _looks_like_page(text):
        title = _TITLE.search(text)
        return ProviderError(text=html.unescape(title[1]).strip() if title else "", is_page=True)
    printable = sum(c.isprintable() or c.isspace() for c in text)
    if "\x00" in text or printable * 10 < len(text) * 9:  # bytes of another protocol
        return ProviderError()
    # One line: a baseUrl may lead to a server of another sort, whose files are not to be read through a status.
    line = next(iter(text.strip().splitlines()), "")
    return ProviderError(text=line[:_MAX_TEXT_CHARACTERS], retry_after_seconds=_wait_in_text(line))


def _read(value: object, depth: int) -> ProviderError:
    if depth == 0:
        return ProviderError()
    if isinstance(value, str):
        return _read_text(value, depth)
    if isinstance(value, list):
        return _read_list(cast("list[object]", value), depth)
    if isinstance(value, dict):
        return _read_object(cast("dict[str, object]", value), depth)
    return ProviderError()


def _read_text(text: str, depth: int) -> ProviderError:
    """Read a text, which may be an object that was encoded twice."""
    if text.lstrip().startswith(("{", "[")):
        try:
            inner = _read(orjson.loads(text), depth - 1)
        except orjson.JSONDecodeError:
            inner = ProviderError()
        if inner.text:
            return inner
    return ProviderError(text=text.strip()[:_MAX_TEXT_CHARACTERS])


def _read_list(values: Sequence[object], depth: int) -> ProviderError:
    found = [_read(value, depth - 1) for value in values[:_MAX_ITEMS]]
    return _joined(found, "; ".join(one.text for one in found if one.text))


def _read_object(fields: Mapping[str, object], depth: int) -> ProviderError:
    nested = [
        _read(fields[name], depth - 1) for name in _NESTED_FIELDS if isinstance(fields.get(name), (str, dict, list))
    ]
    named = [_read(fields[name], depth - 1) for name in _TEXT_FIELDS if isinstance(fields.get(name), (str, dict, list))]
    own = ProviderError(codes=_codes(fields), retry_after_seconds=_wait(fields))
    raw = _raw(fields, depth)
    text = _best([one.text for one in (*nested[:1], *named)])
    place = _place(fields.get("loc"))
    parts = [f"{place}: {text}" if place and text else text, raw.text]
    return _joined([own, *nested, *named, raw], ": ".join(dict.fromkeys(part for part in parts if part)))


def _best(texts: Sequence[str]) -> str:
    """Return the first text that is a sentence, else the first: `{"error": "unauthorized", "message": "No key."}`."""
    said = [text for text in texts if text]
    return next((text for text in said if " " in text), said[0] if said else "")


def _raw(fields: Mapping[str, object], depth: int) -> ProviderError:
    """Read the words of the server behind a gateway."""
    metadata = fields.get("metadata")
    if not isinstance(metadata, dict):
        return ProviderError()
    inner = cast("dict[str, object]", metadata)
    headers = inner.get("headers")
    wait = _wait_of_headers(cast("dict[str, object]", headers)) if isinstance(headers, dict) else None
    return _with_wait(_read(inner.get("raw"), depth - 1), wait)


def _place(loc: object) -> str:
    return ".".join(str(part) for part in cast("list[object]", loc)[:8]) if isinstance(loc, list) else ""


def _joined(found: Sequence[ProviderError], text: str) -> ProviderError:
    waits = [one.retry_after_seconds for one in found if one.retry_after_seconds is not None]
    codes = frozenset[str]().union(*(one.codes for one in found))
    return ProviderError(text=text, codes=codes, retry_after_seconds=max(waits, default=None))


def _with_wait(said: ProviderError, wait: float | None) -> ProviderError:
    return said if wait is None else ProviderError(said.text, said.codes, wait, said.is_page)


def _codes(fields: Mapping[str, object]) -> frozenset[str]:
    values = [fields.get(name) for name in _CODE_FIELDS]
    error = fields.get("error")
    if isinstance(error, str) and " " not in error:
        values.append(error)
    return frozenset(
        str(value)[:128] for value in values if isinstance(value, (str, int)) and not isinstance(value, bool)
    )


def _wait(fields: Mapping[str, object]) -> float | None:
    found = (delay_seconds(fields.get(name)) for name in _WAIT_FIELDS)
    return next((wait for wait in found if wait is not None), None)


def _wait_of_headers(headers: Mapping[str, object]) -> float | None:
    found = (delay_seconds(value) for name, value in headers.items() if name.lower() in _HEADER_FIELDS[:1])
    return next((wait for wait in found if wait is not None), None)


def _wait_in_text(text: str) -> float | None:
    match = _WAIT_IN_TEXT.search(text)
    return delay_seconds(match[1].rstrip(".")) if match else None
