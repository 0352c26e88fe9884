"""Says what an HTTP response means that carries no MCP message, and what to do about it. Pure.

The texts name no header value and no address other than the one of the resource metadata, which is public.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, cast

from kubechain.net import foreign

SESSION_ENDED = "the server ended the session"

_SAID_CHARACTERS = 120
_SESSION = re.compile(r"\bsession\b|not initialized|mcp-session-id", re.IGNORECASE)
_METADATA_URL = re.compile(r'resource_metadata\s*=\s*"?([^",\s]+)', re.IGNORECASE)
_SCOPE = re.compile(r'scope\s*=\s*"([^"]*)"', re.IGNORECASE)
_SCHEME = re.compile(r"^\s*([A-Za-z][\w-]*)\b(?!\s*=)")
_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)


def refused(
    status: int, *, request: Mapping[str, str], response: Mapping[str, str], body: bytes, is_post: bool, is_sse: bool
) -> str:
    """Describe a response with a status of 400 or above.

    Args:
        status: Its status.
        request: Headers of the request; only their names are told.
        response: Headers of the response.
        body: What was read of its body.
        is_post: Whether the request was a POST.
        is_sse: Whether the server is specified with type sse.
    """
    words = f"HTTP {status}"
    if advice := _advice(status, request, response, is_post=is_post, is_sse=is_sse):
        words += f": {advice}"
    said = _said(response.get("content-type", ""), body)
    return f"{words}: it says: {said}" if said else words


def _advice(
    status: int, request: Mapping[str, str], response: Mapping[str, str], *, is_post: bool, is_sse: bool
) -> str:
    match status:
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
            return _credentials(status, request, response.get("www-authenticate", ""))
        case HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
            return "a proxy wants credentials"
        case HTTPStatus.NOT_FOUND | HTTPStatus.GONE:
            return "nothing is served at the path of url"
        case HTTPStatus.METHOD_NOT_ALLOWED | HTTPStatus.NOT_ACCEPTABLE:
            return _wrong_type(is_post=is_post, is_sse=is_sse)
        case HTTPStatus.BAD_REQUEST if is_sse and not is_post:
            return _wrong_type(is_post=is_post, is_sse=is_sse)
        case _:
            return ""


def _credentials(status: int, request: Mapping[str, str], challenge: str) -> str:
    scheme = found[1] if (found := _SCHEME.match(challenge)) else ""
    names = {name.lower() for name in request}
    if status == HTTPStatus.FORBIDDEN:
        words = "what spec.headers sends is not allowed to use it" if "authorization" in names else _missing(scheme)
    elif "authorization" in names:
        words = "the server does not accept the header Authorization of spec.headers"
    else:
        words = _missing(scheme)
    if found := _SCOPE.search(challenge):
        words += f", scope {foreign.one_line(found[1], 100)}"
    if found := _METADATA_URL.search(challenge):
        words += f", resource metadata: {foreign.one_line(found[1], 200)}"
    return words


def _missing(scheme: str) -> str:
    value = f" ({foreign.one_line(scheme, 20)} …)" if scheme else ""
    return f"the server wants credentials: set the header Authorization{value} in spec.headers"


def _wrong_type(*, is_post: bool, is_sse: bool) -> str:
    if is_sse and not is_post:
        return "it serves no event stream there: try type http, or another path, often /sse"
    return "it takes no messages there: try type sse, or another path, often /mcp"


def not_mcp(status: int, response: Mapping[str, str], body: bytes) -> str:
    """Describe a successful response that is no MCP message."""
    kind = _kind(response.get("content-type", ""))
    if _is_page(kind, body):
        said = _said(kind, body)
        return f"HTTP {status} with a web page, not MCP: check the path of url" + (f": it says: {said}" if said else "")
    if not kind:
        return f"HTTP {status} without an answer"
    return f"HTTP {status} without an answer: its content type is {foreign.one_line(kind, 60)}"


def compressed(encoding: str) -> str:
    """Describe a response in an encoding that the request did not accept."""
    name = foreign.one_line(encoding, 20)
    return f"the answer is compressed ({name}), which the request forbids: turn compression off in the server's proxy"


def redirected(status: int, location: str) -> str:
    """Describe a redirect that is not followed: to another origin, or one that would drop the message."""
    where = foreign.one_line(location.partition("?")[0].partition("#")[0], 200)
    return f"HTTP {status}: a redirect that is not followed: if {where} is the server, set url to it"


def is_session_end(status: int, *, has_session: bool, body: bytes) -> bool:
    """Return whether the server refused a request because it does not know its session: it was not executed."""
    if not has_session:
        return False
    if status == HTTPStatus.NOT_FOUND:
        return True
    return status in (HTTPStatus.BAD_REQUEST, HTTPStatus.GONE) and bool(_SESSION.search(_message(body)))


def _message(body: bytes) -> str:
    """Return what a JSON-RPC error, or another refusal in JSON or plain text, says."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return body[:1024].decode(errors="replace")
    return _text_in(value)


def _text_in(value: Any) -> str:
    match value:
        case str():
            return value
        case dict():
            fields = cast("dict[str, Any]", value)
            named = (fields.get(name) for name in ("error_description", "message", "error", "detail", "title"))
            return next((text for each in named if (text := _text_in(each))), "")
        case _:
            return ""


def _said(content_type: str, body: bytes) -> str:
    """Return a short text from a body: the message of JSON, the title of a page, or plain text."""
    kind = _kind(content_type)
    if _is_page(kind, body):
        found = _TITLE.search(body[:8192].decode(errors="replace"))
        return foreign.one_line(found[1], _SAID_CHARACTERS) if found else ""
    if kind in ("application/json", "application/problem+json", "text/plain"):
        return foreign.one_line(_message(body), _SAID_CHARACTERS)
    return ""


def _kind(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _is_page(kind: str, body: bytes) -> bool:
    return kind in ("text/html", "application/xhtml+xml") or body[:256].lstrip().lower().startswith(
        (b"<!doctype", b"<html")
    )
