"""Go's regular expressions: which are taken, what they match, and Go's words for those that are refused."""

from __future__ import annotations

import time

import pytest

from kubechain_apiserver.wire.goregexp import PatternError, compiled

REFUSED = {
    "a(": "missing closing ): `a(`",
    "(a": "missing closing ): `(a`",
    "a(?=b)": "invalid or unsupported Perl syntax: `(?=`",
    "a)": "unexpected ): `a)`",
    "[a": "missing closing ]: `[a`",
    "*a": "missing argument to repetition operator: `*`",
    "a**": "invalid nested repetition operator: `**`",
    "a{2}{3}": "invalid nested repetition operator: `{2}{3}`",
    "[b-a]": "invalid character class range: `b-a`",
    "a\\": "trailing backslash at end of expression: ``",
    r"\Z": r"invalid escape sequence: `\Z`",
    r"(a)\1": r"invalid escape sequence: `\1`",
    r"\C": r"invalid escape sequence: `\C`",
    r"a\\\C": r"invalid escape sequence: `\C`",
    r"\p{Foo}": r"invalid character class range: `\p{Foo}`",
    "a{1001}": "invalid repeat count: `{1001}`",
    "(x{500}){3}": "invalid repeat count: `{3}`",
    "(?=a)": "invalid or unsupported Perl syntax: `(?=`",
    "(?z)a": "invalid or unsupported Perl syntax: `(?z`",
    "(?P=n)": "invalid or unsupported Perl syntax: `(?P`",
    "a(?<!b)": "invalid named capture: `(?<!b)`",
    "(?<=b>c)": "invalid named capture: `(?<=b>`",
    "(?P<n-1>a)": "invalid named capture: `(?P<n-1>`",
}
"""What `regexp.Compile` of Go 1.26 says."""


@pytest.mark.parametrize(("pattern", "words"), REFUSED.items(), ids=REFUSED.keys())
def test_an_expression_that_go_cannot_read_is_refused_in_go_s_words(pattern: str, words: str) -> None:
    with pytest.raises(PatternError) as refused:
        compiled(pattern)
    assert str(refused.value) == f"error parsing regexp: {words}"


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        (r"^\p{L}+$", "éß", True),
        (r"^\p{L}{0,1000}$", "a1", False),
        (r"^\d$", "\u0663", False),
        (r"^\s$", "\u00a0", False),
        (r"a\b", "aé", True),
        ("^a$", "a\n", False),
        (r"^a\z", "a", True),
        (r"^\Qa.b\E$", "axb", False),
        (r"\\C", r"\C", True),
        ("b", "abc", True),
        ("[(?=]", "(", True),
        (r"\\1", r"\1", True),
        ("(?P<name>a)", "a", True),
        ("^[[:alpha:]]$", "a", True),
        ("^[[:alpha:]_]+$", "ab_", True),
        ("^[[:alpha:]_]+$", "a1", False),
        ("(b|a$)", "a\n", False),
        ("^(?i)abc$", "ABC", True),
    ],
)
def test_an_expression_means_what_it_means_to_go(pattern: str, text: str, matches: bool) -> None:
    assert (compiled(pattern).search(text) is not None) == matches


def test_nested_repetitions_take_no_longer_than_others() -> None:
    begun = time.process_time()
    assert compiled("^(a+)+$").search("a" * 10_000 + "b") is None
    assert time.process_time() - begun < 1.0
