"""Foreign text fits where it is put, and no character is cut in two."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubechain.net import foreign


def left_out(count: int) -> str:
    return f"[{count} left out]"


@pytest.mark.parametrize(
    ("text", "characters", "shown"),
    [
        pytest.param("abc", 3, "abc", id="what fits stays"),
        pytest.param("abcd", 3, "ab…", id="the ellipsis counts"),
        pytest.param("ééé", 2, "é…", id="characters count, not bytes"),
        pytest.param("", 3, "", id="nothing"),
    ],
)
def test_cut(text: str, characters: int, shown: str) -> None:
    assert foreign.cut(text, characters) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param(" a\r\n\tb\x00c\x1b[31m ", "a b c [31m", id="control characters become one space"),
        pytest.param("x" * 300, "x" * 255 + "…", id="it is cut"),
        pytest.param("\n" * 300 + "x", "x", id="white space at the beginning takes no room"),
    ],
)
def test_one_line(text: str, shown: str) -> None:
    assert foreign.one_line(text) == shown


def test_an_error_has_its_type_and_is_cut() -> None:
    assert foreign.error_text(ValueError("bad")) == "ValueError: bad"
    assert len(foreign.error_text(ValueError("x" * 1000))) == foreign.MESSAGE_CHARACTERS


@pytest.mark.parametrize(
    ("text", "limit_bytes", "shown"),
    [
        pytest.param("abc", 3, "abc", id="what fits stays"),
        pytest.param("abcde", 3, "abc[2 left out]", id="the note is added to the limit"),
        pytest.param("aéb", 2, "a[3 left out]", id="a character is not cut in two, and its bytes count as left out"),
        pytest.param("é", 0, "[2 left out]", id="no room at all"),
        pytest.param("\ud800b", 2, "?b", id="half of a surrogate pair in a text that fits"),
        pytest.param("\ud800bc", 1, "?[2 left out]", id="half of a surrogate pair"),
    ],
)
def test_cut_bytes(text: str, limit_bytes: int, shown: str) -> None:
    assert foreign.cut_bytes(text, limit_bytes, note=left_out) == shown


def test_cut_bytes_marks_the_cut_when_no_note_is_given() -> None:
    assert foreign.cut_bytes("abcd", 2) == "ab…"


@pytest.mark.parametrize(
    ("text", "limit_bytes", "shown"),
    [
        pytest.param("abcdef", 6, "abcdef", id="what fits stays"),
        pytest.param("abcdefgh", 4, "ab\n[4 left out]\ngh", id="half of the limit at each end"),
        pytest.param("abcdefgh", 5, "ab\n[4 left out]\ngh", id="an odd limit"),
        pytest.param("aébbéc", 4, "a\n[6 left out]\nc", id="no character is cut in two"),
        pytest.param("abc", 1, "\n[3 left out]\n", id="no room at all"),
    ],
)
def test_cut_middle(text: str, limit_bytes: int, shown: str) -> None:
    assert foreign.cut_middle(text, limit_bytes, note=left_out) == shown


@given(st.text(), st.integers(0, 40))
def test_what_stays_and_what_was_left_out_add_up(text: str, limit_bytes: int) -> None:
    counts: list[int] = []
    size = len(text.encode(errors="replace"))
    for cut in (foreign.cut_bytes, foreign.cut_middle):
        counts.clear()
        shown = cut(text, limit_bytes, note=lambda count: counts.append(count) or "")
        if counts:
            kept = len(shown.encode()) - (2 if cut is foreign.cut_middle else 0)
            assert kept <= limit_bytes
            assert kept + counts[0] == size
        else:
            assert shown == text


@pytest.mark.parametrize(
    ("text", "mask_numbers", "shown"),
    [
        pytest.param("failed (req_0123abcdef)", False, "failed (req_…)", id="ids of requests"),
        pytest.param("id 0b6c5e5e-94c5-4cb4-b2c1-0f86e4d5a111", False, "id …", id="UUIDs"),
        pytest.param("gpt-4o: used 29001, wait 1.3s", True, "gpt-4o: used N, wait N", id="numbers, not those in names"),
        pytest.param("wait 6m12s or 20ms", True, "wait N or N", id="durations"),
        pytest.param("used 29001", False, "used 29001", id="numbers stay when they are not to be masked"),
    ],
)
def test_what_differs_between_attempts_goes(text: str, mask_numbers: bool, shown: str) -> None:
    assert foreign.stable(text, mask_numbers=mask_numbers) == shown


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("plain\n\ttext", "plain\n\ttext"),
        ("a\r\nb\rc", "a\nbc"),
        ("bell\a", "bell"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x9b31mred", "red"),
        ("\x1b]0;title\aafter", "after"),
        ("\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b]52;c;aGk=", ""),
        ("\x1bcreset", "reset"),
        ("half\x1b", "half"),
        ("half\x1b[", "half"),
        ("abc\u202edef\u2066g", "abcdefg"),
        ("surro\ud800gate", "surrogate"),
        ("\u05d0\u200f \U0001f469\u200d\U0001f4bb", "\u05d0\u200f \U0001f469\u200d\U0001f4bb"),
    ],
    ids=[
        "line breaks and tabs stay",
        "a carriage return writes over the line",
        "a bell",
        "colours",
        "colours in one character",
        "a title",
        "a link",
        "the clipboard, without an end",
        "a reset",
        "half a sequence",
        "half a colour",
        "changes of direction",
        "half a surrogate pair",
        "marks and joiners that languages and emoji need",
    ],
)
def test_nothing_is_kept_that_drives_a_terminal(text: str, kept: str):
    assert foreign.harmless(text) == kept
