"""Converts an HTTP response to an output for the model. Pure."""

from __future__ import annotations

import re
from http import HTTPStatus

from kubechain.tools.http import Reply
from kubechain.tools.model import Output

_TEXT_TYPE = re.compile(
    r"text/.*|application/(?:.*\+)?(?:json|xml|yaml|x-yaml|javascript|x-www-form-urlencoded|x-ndjson|jsonl|graphql|toml|sql)"
)
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w.:-]+)", re.IGNORECASE)
_KNOWN_CHARSET = re.compile(
    r"utf-?(?:8|16(?:le|be)?)|us-ascii|iso-8859-\d+|windows-125\d|shift_jis|euc-(?:jp|kr)|gb\w+|big5"
)
"""Bodies with other charsets are decoded as UTF-8: some codecs of Python are slow or are not charsets."""


def output(reply: Reply) -> Output:
    """Convert a response; a status of 300 or more is an error. The caller has already followed redirects."""
    is_error = reply.status >= HTTPStatus.MULTIPLE_CHOICES
    body = _body(reply)
    if reply.is_cut:
        body += f"\n[cut off: the answer is longer than {len(reply.body)} bytes]"
    if is_error:
        return Output(f"{_status(reply.status)}\n{body}".rstrip(), is_error=True)
    return Output(body or f"[{_status(reply.status)}, no content]")


def _status(status: int) -> str:
    try:
        return f"HTTP {status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"HTTP {status}"


def _body(reply: Reply) -> str:
    if not reply.body:
        return ""
    content_type = reply.headers.get("content-type", "")
    media_type = content_type.partition(";")[0].strip().lower()
    is_text = _TEXT_TYPE.fullmatch(media_type) is not None if media_type else _looks_like_text(reply.body)
    if is_text and _is_readable(reply):
        return reply.body.decode(_charset(content_type), errors="replace")
    shown = re.sub(r"[^\w.+/-]", "?", media_type)[:100] or "unknown type"
    size = f"more than {len(reply.body)}" if reply.is_cut else str(len(reply.body))
    return f"[binary content: {shown}, {size} bytes]"


def _is_readable(reply: Reply) -> bool:
    encoding = reply.headers.get("content-encoding", "").strip().lower()
    return encoding in ("", "identity", "gzip", "x-gzip", "deflate")


def _looks_like_text(body: bytes) -> bool:
    return b"\x00" not in body[:1024]


def _charset(content_type: str) -> str:
    match = _CHARSET.search(content_type)
    name = match[1].lower() if match else "utf-8"
    return name if _KNOWN_CHARSET.fullmatch(name) else "utf-8"
