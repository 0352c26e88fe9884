"""Takes secrets out of text that others wrote: answers of tools and servers, error messages, output of programs, logs.

    redacted            known secrets, in every form of `secret_forms`
    redacted_in_part    an API key, also in part: providers echo the beginning or the end of a key
    scrubbed            unknown secrets, by their look; the last defence of the log

Pure. Redact before truncating: what is left of a secret at a cut is no longer found.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator

from pydantic import SecretStr

from kubechain.net.secret_forms import FLAT_CHARACTERS, Forms, forms_of

REDACTED = "[redacted]"

FRAGMENT_CHARACTERS = 6
"""`redacted_in_part` takes out each run of this many characters of the key (`sk-ab…`)."""

_Span = tuple[int, int]

_IGNORED = re.compile(r"(?:\s|\\[nrt])+")
"""What a writer puts between two lines, also within JSON."""

_SECRET_TEXT = re.compile(
    r"""(?x)
    (?P<scheme>\b(?:Bearer|Basic)\s+)[A-Za-z0-9._~+/=-]{8,}   # an Authorization header
    | (?P<user>://[^/\s:@]*:)[^/\s@]+(?=@)                    # a password in a URL
    | \bsk-[A-Za-z0-9_-]{12,}                                 # OpenAI, Anthropic and those that copy them
    | \bAIza[A-Za-z0-9_-]{20,}                                # Google
    | \bxox[abeprs]-[A-Za-z0-9-]{10,}                         # Slack
    | \bgh[opsu]_[A-Za-z0-9]{20,}                             # GitHub
    | \beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]*  # a JSON web token, such as a service account's
    """
)
_SIGNS = ("Bearer", "Basic", "://", "sk-", "AIza", "xox", "gho_", "ghp_", "ghs_", "ghu_", "eyJ")
"""One of them is in every text that `_SECRET_TEXT` matches."""

_MASKED_KEY = re.compile(r"[\w-]*\*{3,}[\w*-]*|\b(?:sk|pk|rk)-[\w-]{6,}")


def redacted(text: str, secrets: Iterable[str | SecretStr]) -> str:
    """Replace each known secret, whatever its form; overlapping finds become one `[redacted]`.

    Args:
        text: Of any length: a text of 1 MiB without a secret costs some milliseconds.
        secrets: Values shorter than `secret_forms.MIN_CHARACTERS` are left in place: they occur in every second word,
            so that the text could not be read.
    """
    values = {_plain(secret) for secret in secrets}
    return _replaced(text, [span for value in values for span in _spans(text, forms_of(value))])


def redacted_in_part(text: str, key: str | SecretStr) -> str:
    """Replace an API key, in whole and in part: each run of `FRAGMENT_CHARACTERS` of it.

    For short texts and random keys only: of a secret that is made of words, each word would be replaced. A key shorter
    than a fragment is replaced where it is a word of its own.
    """
    value = _plain(key)
    if len(value) < FRAGMENT_CHARACTERS:
        return re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", REDACTED, text) if value else text
    return _replaced(text, [*_spans(text, forms_of(value)), *_fragments(text, value)])


def scrubbed(text: str) -> str:
    """Replace what looks like a key, a token or a password."""
    # The expression costs 0.3 µs a character, and nearly no text has any of the signs.
    return _SECRET_TEXT.sub(_scrubbed, text) if any(sign in text for sign in _SIGNS) else text


def without_masked_keys(text: str) -> str:
    """Replace what looks like a key that its owner has masked (`sk-…`, `abcd****wxyz`)."""
    return _MASKED_KEY.sub(REDACTED, text)


def _plain(secret: str | SecretStr) -> str:
    # A key that was put into a Secret from a file often ends with a line break.
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
    """Find forms whose lines were broken, joined or indented."""
    flat = "".join(text.replace("\\n", " ").replace("\\r", " ").replace("\\t", " ").split())  # as `_IGNORED`, but fast
    found = [span for form in flat_forms for span in _occurrences(flat, form)]
    if not found:
        return
    starts, removed = [0], [0]  # from each place of `flat` on, so many characters of `text` are missing
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
    """Put one mark in the place of each group of spans that touch."""
    kept: list[str] = []
    hidden_until = 0
    for start, end in sorted(spans):
        if start > hidden_until or not kept:
            kept += (text[hidden_until:start], REDACTED)
        hidden_until = max(hidden_until, end)
    return "".join((*kept, text[hidden_until:]))
