"""What Go thinks of a regular expression: Python knows some that Go does not.

Called by `structural_rules`, so that a definition with a pattern that kube-apiserver refuses is refused here too.
"""

from __future__ import annotations

import re
from typing import Final

from kubechain_apiserver.schema.structural import compile_pattern

_PERL_ONLY: Final = re.compile(r"\(\?(?:[=!>]|<[=!]|P=|\()")
_NO_ESCAPE: Final = re.compile(r"(?<!\\)(?:\\\\)*(\\[1-9ZGkK])")
_CLASS: Final = re.compile(r"\[\^?\]?(?:\\.|\[:\w+:\]|[^\]\\])*\]")
_GO_WORDS: Final = (
    (r"unterminated character set at position (\d+)", "missing closing ]: `{rest}`"),
    (r"(?:missing \)|unterminated subpattern).*", "missing closing ): `{pattern}`"),
    (r"unbalanced parenthesis.*", "unexpected ): `{pattern}`"),
    (r"nothing to repeat at position (\d+)", "missing argument to repetition operator: `{one}`"),
    (r"multiple repeat at position (\d+)", "invalid nested repetition operator: `{two}`"),
    (r"bad character range (\S+) at.*", "invalid character class range: `{range}`"),
    (r"bad escape \(end of pattern\).*", "trailing backslash at end of expression: ``"),
    (r"bad escape (\S+) at.*", "invalid escape sequence: `{range}`"),
)
"""Python's complaints as patterns, and Go's words for them."""


def complaint(pattern: str) -> str:
    """What Go says of a regular expression that it cannot read; "" for one that it can."""
    outside = _CLASS.sub(lambda found: "x" * len(found[0]), pattern)
    if found := _PERL_ONLY.search(outside):
        return f"error parsing regexp: invalid or unsupported Perl syntax: `{found[0]}`"
    if found := _NO_ESCAPE.search(outside):
        return f"error parsing regexp: invalid escape sequence: `{found[1]}`"
    try:
        compile_pattern(pattern)
    except re.error as error:
        return f"error parsing regexp: {_in_go_words(str(error), pattern)}"
    return ""


def _in_go_words(text: str, pattern: str) -> str:
    for known, words in _GO_WORDS:
        if found := re.match(known, text):
            given = found[1] if found.groups() else ""
            at = int(given) if given.isdigit() else 0
            return words.format(
                pattern=pattern, rest=pattern[at:], one=pattern[at : at + 1], two=pattern[at - 1 : at + 1], range=given
            )
    return f"{text}: `{pattern}`"
