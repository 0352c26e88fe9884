"""What the search has found: each input that a decoder could not take, by the bytes that show it."""

from __future__ import annotations

import pytest

from test.fuzz.judging import judge_of
from test.llm.dialects.test_streams_whole import SORTS

START = b'data: {"type":"message_start","message":{"type":"message","role":"assistant","content":[],"usage":{}}}\n\n'
BLOCK = b'data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""%s}}\n\n'
DELTA = b'data: {"type":"content_block_delta","index":0,"delta":%s}\n\n'
STOP = b'data: {"type":"message_stop"}\n\n'


def messages(delta: bytes, *, more: bytes = b"") -> bytes:
    """A stream of Anthropic's with one piece of a text.

    Args:
        more: Further fields of the block.
    """
    return b"s" + START + BLOCK % more + DELTA % delta + STOP


@pytest.mark.parametrize(
    ("sort", "data"),
    [
        pytest.param("messages", messages(b'{"type":[],"text":"x"}'), id="a piece whose sort is a list"),
        pytest.param("messages", messages(b'{"type":{},"text":"x"}'), id="a piece whose sort is an object"),
        pytest.param(
            "messages",
            messages(b'{"type":"citations_delta","citation":{}}', more=b',"citations":7'),
            id="citations that are a number",
        ),
    ],
)
def test_what_was_found_stays_fixed(sort: str, data: bytes) -> None:
    judge_of(SORTS[sort])(data)
