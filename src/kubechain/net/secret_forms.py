"""The forms that a secret takes in foreign text: verbatim, in JSON, in URLs, in HTML, in base64, in hex. Pure.

A form that is too short is left out, because it would match ordinary text.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote, quote_plus

MIN_CHARACTERS = 4
"""A shorter value occurs in many ordinary words."""

FLAT_CHARACTERS = 40
"""Base64 encoders break lines after 64 or 76 characters, which encode 48 or 57 bytes, including any prefix."""

_LINE_CHARACTERS = 8
"""Minimum length of a line that counts as a secret of its own; the last line of a key may be short."""

_BASE64_CHARACTERS = 6
"""Minimum length of a part of a base64 text: 6 random characters match by chance at one position in 10^10."""

_SAFE_IN_URLS = ("", "/", "!*'()", "!*'();,/?:@&=+$#")
"""Characters that URL encoders do not escape: none, paths, JavaScript's encodeURIComponent and encodeURI."""

_SCHEME = re.compile(r"(?:Bearer|Basic|Token|Bot)\s+(\S+)", re.IGNORECASE)
_PERCENT = re.compile(r"%[0-9A-F]{2}")
_UNICODE = re.compile(r"\\u[0-9a-f]{4}")
_GO_ESCAPES = {character: f"\\u{ord(character):04x}" for character in "<>&"}
_DOTNET_ESCAPES = {character: f"\\u{ord(character):04x}" for character in "<>&+'`"}


@dataclass(frozen=True, slots=True)
class Forms:
    """The strings to search for.

    Attributes:
        exact: Strings to search for in the text as it is.
        flat: Strings to search for in the text without white space: forms that may be split into lines or indented.
    """

    exact: tuple[str, ...] = ()
    flat: tuple[str, ...] = ()


@lru_cache(maxsize=256)  # about 0.1 ms each; the same few secrets are searched for in every reply
def forms_of(value: str) -> Forms:
    """List the forms of a secret; none when it is too short.

    A value such as `Bearer abc` counts as two secrets: the whole value and `abc`. In a value of several lines, each
    line also counts as a secret.
    """
    if len(value) < MIN_CHARACTERS:
        return Forms()
    scheme = _SCHEME.fullmatch(value)
    values = [value] if scheme is None or len(scheme[1]) < MIN_CHARACTERS else [value, scheme[1]]
    exact = {form for part in values for form in _exact(part)}
    exact |= {form for line in _lines(value) for form in (line, *_in_json(line))}
    return Forms(tuple(sorted(exact)), tuple(sorted({form for part in values for form in _flat(part)})))


def _exact(value: str) -> Iterator[str]:
    data = value.encode(errors="replace")
    yield value
    yield from _in_json(value)
    yield from _in_urls(value)
    yield from _in_html(value)
    yield from _in_base64(data)
    yield data.hex()
    yield data.hex().upper()


def _flat(value: str) -> Iterator[str]:
    """Yield the forms without white space, for a value that has line breaks or is long."""
    words = "".join(value.split())
    if "\n" in value and len(words) >= MIN_CHARACTERS * 2:
        yield words
    if len(value) >= FLAT_CHARACTERS:
        yield from _in_base64(value.encode(errors="replace"))


def _lines(value: str) -> list[str]:
    lines = [line.strip() for line in value.splitlines()]
    return [line for line in lines if len(line) >= _LINE_CHARACTERS] if len(lines) > 1 else []


def _in_json(value: str) -> Iterator[str]:
    """Yield the value as common encoders write it in a JSON string, and as a string nested in a JSON string."""
    for once in {_json(value, ensure_ascii=True), _json(value, ensure_ascii=False), repr(value)[1:-1]}:
        yield from _spelled(once)
        yield _json(once, ensure_ascii=True)
        yield _json(once, ensure_ascii=False)


def _spelled(once: str) -> Iterator[str]:
    dotnet = "".join(_DOTNET_ESCAPES.get(c, c) for c in once.replace('\\"', "\\u0022"))
    for text in (once, once.replace("/", "\\/"), "".join(_GO_ESCAPES.get(c, c) for c in once), dotnet):
        yield text
        yield _UNICODE.sub(lambda found: "\\u" + found[0][2:].upper(), text)


def _json(value: str, *, ensure_ascii: bool) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii)[1:-1]


def _in_urls(value: str) -> Iterator[str]:
    encoded = {quote(value, safe=safe, errors="replace") for safe in _SAFE_IN_URLS}
    for text in encoded | {quote_plus(value, errors="replace")}:
        yield text
        yield _PERCENT.sub(lambda found: found[0].lower(), text)


def _in_html(value: str) -> Iterator[str]:
    escaped = html.escape(value)
    yield escaped
    yield escaped.replace("&#x27;", "&#39;").replace("&quot;", "&#34;")


def _in_base64(data: bytes) -> Iterator[str]:
    """Yield the base64 text, with and without padding, and as part of a longer text at each of three offsets."""
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        alone = encode(data).decode()
        yield alone
        yield alone.rstrip("=")
        for offset in range(3):
            # Keep only the characters whose bits all come from the secret.
            first, last = -(-8 * offset // 6), 8 * (offset + len(data)) // 6
            part = encode(bytes(offset) + data).decode()[first:last]
            if len(part) >= _BASE64_CHARACTERS:
                yield part
