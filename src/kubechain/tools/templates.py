"""Inserts the arguments of a call into the URL and the body of a Tool, in place of `{name}`. Pure.

Arguments cannot change the structure of a request. In a URL they are percent-encoded, cannot leave their path segment,
and cannot change the scheme, the host or the port. Credentials thus only go to the host that the Tool's author chose.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import quote

from kubechain.tools.arguments import to_json
from kubechain.tools.model import InvalidArguments, InvalidTool

MAX_URL_CHARACTERS = 8192
"""Maximum length of a URL; common servers accept request lines of this length."""

_PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_.-]*)\}")
_URL = re.compile(r"(?P<origin>https?://[^/?#\\]+)(?P<path>/[^?#]*)?(?:\?(?P<query>[^#]*))?(?:#.*)?", re.IGNORECASE)
_UNSAFE_TEXT = re.compile(r"[\x00-\x20\x7f\\]")

_OMITTED = object()
"""Value of a placeholder whose argument is missing."""


@dataclass(frozen=True, slots=True)
class ExpandedUrl:
    """A URL with its placeholders replaced.

    Attributes:
        url: The URL.
        used: Names of the arguments that the template uses.
    """

    url: str
    used: frozenset[str]


def check_url(template: str) -> frozenset[str]:
    """Validate a URL template; return the names of its arguments.

    Raises:
        InvalidTool: The template is invalid.
    """
    match = _parts(template)
    for part in (match["path"] or "", match["query"] or ""):
        if re.search(r"[{}]", _PLACEHOLDER.sub("", part)):
            raise InvalidTool("url: a brace that does not belong to a placeholder such as {name}")
    return frozenset(_PLACEHOLDER.findall(template))


def names_in(template: Any) -> frozenset[str]:
    """Return the names of the arguments that a JSON template uses."""
    match template:
        case str():
            return frozenset(_PLACEHOLDER.findall(template))
        case dict():
            return frozenset[str]().union(*map(names_in, cast(dict[str, Any], template).values()))
        case list():
            return frozenset[str]().union(*map(names_in, cast(list[Any], template)))
        case _:
            return frozenset()


def origin(template: str) -> str:
    """Return scheme, host and port of a URL template, which arguments cannot change.

    Raises:
        InvalidTool: The template is invalid.
    """
    check_url(template)
    return _parts(template)["origin"]


def expand_url(template: str, arguments: Mapping[str, Any]) -> ExpandedUrl:
    """Replace the placeholders of a URL template. A query parameter whose argument is missing is left out.

    Raises:
        InvalidTool: The template is invalid.
        InvalidArguments: An argument of the path is missing, or would leave its path segment.
    """
    used = check_url(template)
    match = _parts(template)
    path = "/".join(_segment(segment, arguments) for segment in (match["path"] or "/").split("/"))
    query = _query(match["query"], arguments)
    return ExpandedUrl(_bounded(match["origin"] + path + (f"?{query}" if query else "")), used)


def with_query(url: str, arguments: Mapping[str, Any]) -> str:
    """Add arguments to the query of a URL; a list becomes a repeated parameter."""
    pairs = [
        f"{quote(name, safe='')}={quote(text, safe='')}"
        for name, value in arguments.items()
        if value is not None
        for text in _texts(value)
    ]
    if not pairs:
        return url
    return _bounded(url + ("&" if "?" in url else "?") + "&".join(pairs))


def expand_body(template: Any, arguments: Mapping[str, Any]) -> Any:
    """Replace the placeholders of a JSON body.

    A string that consists only of a placeholder becomes the argument with its JSON type. If the argument is missing,
    the string and its key are left out. A placeholder inside a longer string is replaced by text.
    """
    value = _filled(template, arguments)
    return None if value is _OMITTED else value


def _parts(template: str) -> re.Match[str]:
    match = _URL.fullmatch(template)
    if match is None or _UNSAFE_TEXT.search(template):
        raise InvalidTool("url: must be http:// or https://, a host, and a path, without white space or backslashes")
    if re.search(r"[{}@%]", match["origin"]):
        raise InvalidTool("url: the host is fixed: no placeholder and no user name in it")
    return match


def _segment(template: str, arguments: Mapping[str, Any]) -> str:
    if "{" not in template:
        return template
    raw = _PLACEHOLDER.sub(lambda match: _path_text(match[1], arguments), template)
    if any(part in (".", "..") for part in re.split(r"[/\\]", raw)):
        raise InvalidArguments(f"arguments: {_names(template)}: would lead to another path")
    return _PLACEHOLDER.sub(lambda match: quote(_path_text(match[1], arguments), safe=""), template)


def _path_text(name: str, arguments: Mapping[str, Any]) -> str:
    value = arguments.get(name)
    text = "" if value is None else _text(value)
    if not text:
        raise InvalidArguments(f"arguments: $.{name}: is needed for the address, and must not be empty")
    if any(ord(character) < 0x20 or ord(character) == 0x7F for character in text):
        raise InvalidArguments(f"arguments: $.{name}: control characters cannot be part of an address")
    return text


def _query(template: str | None, arguments: Mapping[str, Any]) -> str:
    parts = (template or "").split("&")
    return "&".join(_query_part(part, arguments) for part in parts if part and _is_given(part, arguments))


def _is_given(part: str, arguments: Mapping[str, Any]) -> bool:
    return all(arguments.get(name) is not None for name in _PLACEHOLDER.findall(part))


def _query_part(part: str, arguments: Mapping[str, Any]) -> str:
    return _PLACEHOLDER.sub(lambda match: quote(_text(arguments[match[1]]), safe=""), part)


def _filled(template: Any, arguments: Mapping[str, Any]) -> Any:
    match template:
        case str():
            return _filled_text(template, arguments)
        case dict():
            pairs = cast(dict[str, Any], template).items()
            filled = {key: _filled(value, arguments) for key, value in pairs}
            return {key: value for key, value in filled.items() if value is not _OMITTED}
        case list():
            items = [_filled(item, arguments) for item in cast(list[Any], template)]
            return [item for item in items if item is not _OMITTED]
        case _:
            return template


def _filled_text(template: str, arguments: Mapping[str, Any]) -> Any:
    whole = _PLACEHOLDER.fullmatch(template)
    if whole is not None:
        return arguments.get(whole[1], _OMITTED)
    return _PLACEHOLDER.sub(lambda match: _text(arguments.get(match[1], "")), template)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else to_json(value)


def _texts(value: Any) -> list[str]:
    return [_text(item) for item in cast(list[Any], value)] if isinstance(value, list) else [_text(value)]


def _names(template: str) -> str:
    return ", ".join(f"$.{name}" for name in _PLACEHOLDER.findall(template))


def _bounded(url: str) -> str:
    if len(url) > MAX_URL_CHARACTERS:
        raise InvalidArguments(f"arguments: the address would be longer than {MAX_URL_CHARACTERS} characters")
    return url
