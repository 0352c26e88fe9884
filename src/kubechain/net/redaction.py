"""Removes secrets from foreign text: replies of tools and servers, error messages, output of programs, logs.

    redacted            replaces known secrets, in every form that `secret_forms` lists
    redacted_json       does so in every text of a JSON value
    redacted_in_part    replaces an API key and parts of it: providers echo the beginning or the end of a key
    scrubbed            replaces text that matches the pattern of a secret; a fallback for logs

Pure. Redact before truncating: a secret that was truncated is no longer found.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator
from typing import Any, cast

from pydantic import SecretStr

from kubechain.net.secret_forms import FLAT_CHARACTERS, Forms, forms_of

REDACTED = "[redacted]"

FRAGMENT_CHARACTERS = 6
"""`redacted_in_part` replaces each run of this many consecutive characters of the key (`sk-ab…`)."""

_Span = tuple[int, int]

_IGNORED = re.compile(r"(?:\s|\\[nrt])+")
"""White space and line breaks that may split a secret, including escaped ones in JSON."""

_SECRET_TEXT = re.compile(
    r"""(?x)
    (?P<scheme>\b(?:Bearer|Basic)\s+)[A-Za-z0-9._~+/=-]{8,}   # an Authorization header
    | (?P<user>://[^/\s:@]*:)[^/\s@]+(?=@)                    # a password in a URL
    | \bsk-[A-Za-z0-9_-]{12,}                                 # OpenAI, Anthropic, and providers with the same format
    | \bAIza[A-Za-z0-9_-]{20,}                                # Google
    | \b(?:xox[abeprs]|xapp)-[A-Za-z0-9-]{10,}                # Slack
    | \bgh[opsu]_[A-Za-z0-9]{20,}                             # GitHub
    | \beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]*  # a JSON web token, such as a service account's
    """
)
_SIGNS = ("Bearer", "Basic", "://", "sk-", "AIza", "xox", "xapp-", "gho_", "ghp_", "ghs_", "ghu_", "eyJ")
"""Every text that `_SECRET_TEXT` matches contains one of these."""

_SHORT_SIGN, _SHORT_CHARACTERS = "://", 14
"""What `_SECRET_TEXT` matches is at least so long (`Basic ` and 8 more characters), except after this sign."""

_MASKED_KEY = re.compile(r"[\w-]*\*{3,}[\w*-]*|\b(?:sk|pk|rk)-[\w-]{6,}")


def redacted(text: str, secrets: Iterable[str | SecretStr]) -> str:
    """Replace each known secret in all its forms; overlapping matches become one `[redacted]`.

    Args:
        text: Any length; a text of 1 MiB without a secret takes a few milliseconds.
        secrets: Values shorter than `secret_forms.MIN_CHARACTERS` are not replaced: they occur in many ordinary words,
            and the result would be unreadable.
    """
    values = {_plain(secret) for secret in secrets}
    return _replaced(text, [span for value in values for span in _spans(text, forms_of(value))])


def redacted_json(value: Any, secrets: Collection[str | SecretStr]) -> Any:
    """Replace known secrets in every text of a JSON value, names of fields included."""
    match value:
        case str():
            return redacted(value, secrets)
        case dict():
            pairs = cast("dict[str, Any]", value).items()
            return {redacted(key, secrets): redacted_json(item, secrets) for key, item in pairs}
        case list() | tuple():
            return [redacted_json(item, secrets) for item in cast("list[Any]", value)]
        case _:
            return value


def redacted_in_part(text: str, key: str | SecretStr) -> str:
    """Replace an API key, and each run of `FRAGMENT_CHARACTERS` consecutive characters of it.

    Use it for short texts and random keys only: if a secret consists of words, each of those words is replaced. A key
    shorter than `FRAGMENT_CHARACTERS` is replaced only where it is a whole word.
    """
    value = _plain(key)
    if len(value) < FRAGMENT_CHARACTERS:
        return re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", REDACTED, text) if value else text
    return _replaced(text, [*_spans(text, forms_of(value)), *_fragments(text, value)])


def scrubbed(text: str) -> str:
    """Replace text that matches the pattern of a key, a token or a password."""
    return _SECRET_TEXT.sub(_scrubbed, text) if _may_hold_secret(text) else text


def _may_hold_secret(text: str) -> bool:
    """Whether `_SECRET_TEXT` can match: it takes 0.3 µs per character, and most text is too short or has no sign."""
    if len(text) < _SHORT_CHARACTERS:
        return _SHORT_SIGN in text
    for sign in _SIGNS:  # noqa: SIM110  (any() takes three times as long)
        if sign in text:
            return True
    return False


def without_masked_keys(text: str) -> str:
    """Replace keys that the provider has already masked (`sk-…`, `abcd****wxyz`)."""
    return _MASKED_KEY.sub(REDACTED, text)


def _plain(secret: str | SecretStr) -> str:
    # A key that was copied into a Secret from a file often ends with a line break.
    return (secret.get_secret_value() if isinstance(secret, SecretStr) else secret).strip()


def _scrubbed(found: re.Match[str]) -> str:
    kept: str = found["scheme"] or found["user"] or ""
    return kept + REDACTED


def _spans(text: str, forms: Forms) -> Iterator[_Span]:
    for form in forms.exact:
        yield from _occurrences(text, form)
    if forms.flat and len(text) >= FLAT_CHARACTERS:
        yield from _flat_spans(text, forms.flat)


def _occurrences(text: str, form: str) -> Iterator[_Span]:
    start = text.find(form)
    while start >= 0:
        yield start, start + len(form)
        start = text.find(form, start + 1)


def _flat_spans(text: str, flat_forms: Iterable[str]) -> Iterator[_Span]:
    """Find forms that were split into lines, joined or indented."""
    flat = "".join(text.replace("\\n", " ").replace("\\r", " ").replace("\\t", " ").split())  # `_IGNORED`, but faster
    found = [span for form in flat_forms for span in _occurrences(flat, form)]
    if not found:
        return
    starts, removed = [0], [0]  # from offset `starts[i]` of `flat` on, `removed[i]` characters of `text` are missing
    for gap in _IGNORED.finditer(text):
        starts.append(gap.start() - removed[-1])
        removed.append(removed[-1] + len(gap[0]))
    for start, end in found:
        yield start + removed[bisect_right(starts, start) - 1], end + removed[bisect_right(starts, end - 1) - 1]


def _fragments(text: str, key: str) -> Iterator[_Span]:
    size = FRAGMENT_CHARACTERS
    fragments = {key[i : i + size] for i in range(len(key) - size + 1)}
    return ((i, i + size) for i in range(len(text) - size + 1) if text[i : i + size] in fragments)


def _replaced(text: str, spans: list[_Span]) -> str:
    """Replace each group of overlapping or adjacent spans by one `[redacted]`."""
    kept: list[str] = []
    hidden_until = 0
    for start, end in sorted(spans):
        if start > hidden_until or not kept:
            kept += (text[hidden_until:start], REDACTED)
        hidden_until = max(hidden_until, end)
    return "".join((*kept, text[hidden_until:]))
