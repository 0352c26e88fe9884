"""A secret is found in every form that writers give it, and nothing else is taken out."""

from __future__ import annotations

import base64
import html
import json
import re
import textwrap
import time
from collections.abc import Callable
from urllib.parse import quote, quote_plus, urlencode

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from kubechain.net import redaction
from kubechain.net.redaction import REDACTED, redacted, redacted_in_part, scrubbed, without_masked_keys

PEM = "\n".join(
    (
        "-----BEGIN PRIVATE KEY-----",
        *textwrap.wrap("MIIEvgIBADANBgkqhkiG9w0BAQEF+/ab" * 9, 64),
        "-----END PRIVATE KEY-----",
    )
)

SECRETS = [
    pytest.param("hunter2-and-more", id="plain"),
    pytest.param('pa"ss', id="a quote"),
    pytest.param("pa\\ss", id="a backslash"),
    pytest.param("pa'ss\"wo`rd", id="quotes of all sorts"),
    pytest.param("two\nlines of text", id="a line break"),
    pytest.param("pässwörd-ß", id="letters beyond ASCII"),
    pytest.param("🔑 and key", id="a character of four bytes"),
    pytest.param("a b&c=d/e?f+g%h", id="what URLs escape"),
    pytest.param("<k>&", id="what HTML escapes"),
    pytest.param(PEM, id="a PEM key"),
]

FORMS: dict[str, Callable[[str], str]] = {
    "as it is": lambda v: v,
    "JSON in ASCII": json.dumps,
    "JSON in Unicode": lambda v: json.dumps(v, ensure_ascii=False),
    "JSON by another writer": lambda v: orjson.dumps(v).decode(),
    "JSON with escaped slashes": lambda v: json.dumps(v).replace("/", "\\/"),
    "JSON as Go writes it": lambda v: (
        json.dumps(v, ensure_ascii=False).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    ),
    "JSON within JSON": lambda v: json.dumps({"text": json.dumps({"key": v})}),
    "JSON within JSON in Unicode": lambda v: json.dumps(json.dumps(v, ensure_ascii=False), ensure_ascii=False),
    "Python": repr,
    "a URL": lambda v: quote(v, safe=""),
    "the path of a URL": quote,
    "the query of a URL": quote_plus,
    "the query of a URL in small letters": lambda v: re.sub("%..", lambda found: found[0].lower(), quote_plus(v)),
    "a form": lambda v: urlencode({"key": v, "x": 1}),
    "encodeURIComponent": lambda v: quote(v, safe="!*'()"),
    "HTML": html.escape,
    "base64": lambda v: base64.b64encode(v.encode()).decode(),
    "base64 for URLs": lambda v: base64.urlsafe_b64encode(v.encode()).decode().rstrip("="),
    "hex": lambda v: v.encode().hex(),
    "hex in capitals": lambda v: v.encode().hex().upper(),
}


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("form", FORMS)
def test_a_secret_goes_whatever_its_form(secret: str, form: str) -> None:
    written = FORMS[form](secret)
    shown = redacted(f"it said: {written} and more", [secret])
    assert REDACTED in shown
    assert shown.startswith("it said: ")
    assert shown.endswith(" and more")
    assert secret not in shown
    assert written not in shown


@pytest.mark.parametrize("secret", ["hunter2-and-more", "pässwörd-ß", "a b&c=d/e?f+g%h", ">>>???>>>"])
@pytest.mark.parametrize("prefix", ["", "u", "us", "user:", "longer-user:"])
@pytest.mark.parametrize("suffix", ["", "\n", "@host", " "])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_a_secret_within_a_base64_text_goes_at_each_offset(
    secret: str, prefix: str, suffix: str, encode: Callable[[bytes], bytes]
) -> None:
    written = encode(f"{prefix}{secret}{suffix}".encode()).decode()
    shown = redacted(written, [secret])
    assert REDACTED in shown
    assert len(shown.replace(REDACTED, "")) <= len(encode(prefix.encode())) + len(encode(suffix.encode())) + 4


@pytest.mark.parametrize(
    ("text", "secrets", "shown"),
    [
        pytest.param("nothing of it", ["hunter22"], "nothing of it", id="a text without it stays as it is"),
        pytest.param("abc abc", ["abc"], "abc abc", id="a value of three characters is no secret"),
        pytest.param("abcd abc", ["abcd"], "[redacted] abc", id="a value of four characters is one"),
        pytest.param("", ["hunter22"], "", id="an empty text"),
        pytest.param("text", ["", " \n"], "text", id="empty secrets"),
        pytest.param("x hunter22 y", [SecretStr("hunter22")], "x [redacted] y", id="a hidden value"),
        pytest.param("x hunter22 y", ["hunter22\n"], "x [redacted] y", id="its line break may be missing"),
        pytest.param("hunter22hunter22", ["hunter22"], "[redacted]", id="two that touch become one"),
        pytest.param("abcdefghi", ["abcdef", "defghi"], "[redacted]", id="two that overlap become one"),
        pytest.param("abcdefghi", ["abcdefghi", "defg"], "[redacted]", id="one within another"),
        pytest.param("redacted", ["redact", "acted"], "[redacted]", id="a part of the mark itself"),
        pytest.param("token abcdefgh", ["Bearer abcdefgh"], "token [redacted]", id="a header without its scheme"),
        pytest.param(
            f"key:\r\n  {PEM[28:92]}\r\n  x", [PEM], "key:\r\n  [redacted]\r\n  x", id="one line of a PEM key"
        ),
    ],
)
def test_what_stays(text: str, secrets: list[str | SecretStr], shown: str) -> None:
    assert redacted(text, secrets) == shown


@pytest.mark.parametrize(
    "written",
    [
        pytest.param(PEM.replace("\n", "\r\n"), id="other line ends"),
        pytest.param(textwrap.indent(PEM, "    "), id="indented"),
        pytest.param(PEM.replace("\n", " "), id="on one line"),
        pytest.param(PEM.replace("\n", ""), id="without line breaks"),
        pytest.param("\n".join(f"> {line}" for line in PEM.splitlines()), id="quoted"),
        pytest.param(base64.encodebytes(PEM.encode()).decode(), id="base64 in lines of 76"),
        pytest.param("\n".join(textwrap.wrap(base64.b64encode(PEM.encode()).decode(), 64)), id="base64 in lines of 64"),
        pytest.param(json.dumps(base64.encodebytes(b"x" + PEM.encode()).decode()), id="base64 in lines, in JSON"),
    ],
)
def test_a_key_of_several_lines_goes_however_its_lines_are_broken(written: str) -> None:
    shown = redacted(f"a\nb {written} c\nd", [PEM])
    assert shown.startswith("a\nb ")
    assert shown.endswith(" c\nd")
    kept = shown.replace(REDACTED, "")
    assert not any(written[i : i + 12] in kept for i in range(5, len(written) - 20) if written[i : i + 12].isalnum())


@given(st.text(min_size=4).filter(lambda v: len(v.strip()) >= 4), st.text(), st.text())
def test_no_literal_or_json_form_is_ever_left(secret: str, before: str, after: str) -> None:
    value = secret.strip()
    written = f"{before}{value} {json.dumps(value)}{after}"
    if value not in REDACTED and json.dumps(value)[1:-1] not in REDACTED:
        kept = redacted(written, [secret]).split(REDACTED)
        assert not any(value in part for part in kept)
        assert not any(json.dumps(value)[1:-1] in part for part in kept)


def test_a_long_answer_costs_little() -> None:
    text = json.dumps([{"name": f"item {i}", "text": "lorem ipsum dolor sit amet\n" * 3} for i in range(9000)])
    secrets = ["sk-live-0123456789abcdef", PEM, 'pa"ss-wörd', "Bearer abcdefgh", "postgres://u:p@db/x"]
    assert len(text) > 1024 * 1024 * 0.9
    redacted(text, secrets)
    began = time.process_time()
    assert redacted(text, secrets) is not None
    assert time.process_time() - began < 1.0


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("Bad key: abcdefghijklmnop.", "Bad key: [redacted].", id="the whole key"),
        pytest.param("key abcdefg… is bad", "key [redacted]… is bad", id="its beginning"),
        pytest.param("key ending in klmnop", "key ending in [redacted]", id="its end"),
        pytest.param("abcde klmno", "abcde klmno", id="less than a fragment stays"),
        pytest.param("YWJjZGVmZ2hpamtsbW5vcA==", "[redacted]", id="in base64"),
    ],
)
def test_a_key_goes_also_in_part(text: str, shown: str) -> None:
    assert redacted_in_part(text, "abcdefghijklmnop") == shown


@pytest.mark.parametrize("key", ["x", "none", "EMPTY"])
def test_a_short_key_goes_only_as_a_word(key: str) -> None:
    assert redacted_in_part(f"exact nonentity EMPTYness {key}", key) == "exact nonentity EMPTYness [redacted]"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Authorization: Bearer abcdefgh", "Authorization: Bearer [redacted]"),
        ("amqp://me:hunter2@host", "amqp://me:[redacted]@host"),
        ("key AIza" + "x" * 35, "key [redacted]"),
        ("nothing to see", "nothing to see"),
    ],
)
def test_what_looks_like_a_secret_is_scrubbed(text: str, shown: str) -> None:
    assert scrubbed(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [("Bad key: abcd****wxyz.", "Bad key: [redacted]."), ("of sk-proj-others", "of [redacted]"), ("a ** b", "a ** b")],
)
def test_masked_keys_go(text: str, shown: str) -> None:
    assert without_masked_keys(text) == shown


SHORTEST = [
    "Basic 12345678",
    "Bearer 12345678",
    "://:x@",
    "sk-123456789012",
    "AIza" + "x" * 20,
    "xoxb-1234567890",
    "xapp-1234567890",
]
PARTS = st.sampled_from(
    [
        *(secret[:-1] for secret in SHORTEST),
        *SHORTEST,
        "ghp_" + "x" * 20,
        "gho_",
        "eyJ" + "x" * 10 + "." + "y" * 10 + ".",
    ]
)


FOUND = st.from_regex(redaction._SECRET_TEXT)  # pyright: ignore[reportPrivateUsage]


@given(st.lists(st.one_of(PARTS, st.text(max_size=12), FOUND), max_size=4))
def test_a_text_that_is_not_searched_holds_nothing_that_a_search_finds(parts: list[str]) -> None:
    text = "".join(parts)
    slow = redaction._SECRET_TEXT.sub(redaction._scrubbed, text)  # pyright: ignore[reportPrivateUsage]
    assert scrubbed(text) == slow


@pytest.mark.parametrize("text", SHORTEST)
def test_the_shortest_secret_of_each_form_is_found(text: str) -> None:
    assert REDACTED in scrubbed(text)
