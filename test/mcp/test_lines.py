"""Lines out of chunks."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kubechain.mcp.lines import HEAD_BYTES, LineSplitter, TooLong


def split(chunks: list[bytes], limit_bytes: int = 10) -> list[bytes | TooLong]:
    """Feed chunks."""
    splitter = LineSplitter(limit_bytes)
    return [line for chunk in chunks for line in splitter.feed(chunk)]


@given(st.lists(st.binary(max_size=8)), st.integers(1, 5))
def test_lines_do_not_depend_on_how_they_arrive(lines: list[bytes], size: int):
    text = b"\n".join(lines) + b"\n"
    chunks = [text[i : i + size] for i in range(0, len(text), size)]
    assert split(chunks) == text.split(b"\n")[:-1]


def test_a_line_at_the_limit_is_a_line():
    assert split([b"x" * 10 + b"\n"]) == [b"x" * 10]


def test_a_line_over_the_limit_is_told_once_and_what_follows_is_read():
    assert split([b"x" * 6, b"x" * 6, b"xxx", b"x\nnext\n"]) == [TooLong(b"x" * 12), b"next"]


def test_a_long_line_in_one_chunk_is_too_long_as_well():
    assert split([b"a\n" + b"x" * 1000 + b"\nb\n"]) == [b"a", TooLong(b"x" * HEAD_BYTES), b"b"]


def test_what_has_no_end_is_no_line_yet():
    assert split([b"abc"]) == []
