"""Numbers and times for people."""

from __future__ import annotations

import pytest

from kubechain.views.wording import brief, counted, money, sentence, span


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0, "0s"), (59, "59s"), (61, "1m1s"), (3600, "1h"), (90_000, "1d1h"), (604_799, "6d23h"), (86_460, "1d")],
    ids=str,
)
def test_spans_have_two_units(seconds: float, expected: str) -> None:
    assert span(seconds) == expected


@pytest.mark.parametrize(
    ("cost", "expected"),
    [
        (None, ""),
        ("0", "$0.00"),
        ("12.3456", "$12.35"),
        ("1234.5", "$1,234.50"),
        ("0.25", "$0.25"),
        ("0.0123", "$0.012"),
        ("0.000001234", "$0.0000012"),
    ],
    ids=str,
)
def test_a_cost_shows_its_first_two_digits(cost: str | None, expected: str) -> None:
    assert money(cost) == expected


def test_a_noun_follows_its_number() -> None:
    assert (counted(1, "turn"), counted(0, "turn"), counted(12_345, "token")) == ("1 turn", "0 turns", "12,345 tokens")


def test_a_brief_text_cannot_drive_a_terminal() -> None:
    assert brief("a\n\x1b[31mb" + "c" * 200, 8) == "a bcccc…"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("it is ready", "it is ready."),
        ("It is gone.", "It is gone."),
        ('HTTP 401: "Wrong key."', 'HTTP 401: "Wrong key."'),
        ('waiting for "gpt"', 'waiting for "gpt".'),
        ("Which one?", "Which one?"),
        ("cut here…", "cut here…"),
        ("", "."),
    ],
    ids=str,
)
def test_a_sentence_has_one_end(text: str, expected: str) -> None:
    assert sentence(text) == expected
