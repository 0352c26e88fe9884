"""What the search makes of an answer is mostly an answer in JSON, and the same for the same seed."""

from __future__ import annotations

import json

import pytest

from test.fuzz.mutation import mutated

BODY = b'{"choices":[{"message":{"content":"Hi","tool_calls":[{"id":"a"}]}}],"usage":{"total_tokens":3}}'
STREAM = b'event: a\ndata: {"type":"a","n":1}\n\nevent: b\ndata: {"type":"b","list":[1,{"x":[]}]}\n\n'
SEEDS = range(500)


def test_a_document_stays_json_and_becomes_many_others() -> None:
    made = {mutated(BODY, seed, is_stream=False) for seed in SEEDS}
    assert len(made) > len(SEEDS) // 2
    assert all(json.dumps(json.loads(one)) for one in made)
    assert mutated(BODY, 7, is_stream=False) == mutated(BODY, 7, is_stream=False)


def test_a_stream_stays_one_and_its_events_are_json() -> None:
    made = {mutated(STREAM, seed, is_stream=True) for seed in SEEDS}
    assert len(made) > len(SEEDS) // 3
    lines = [line for one in made for line in one.split(b"\n") if line.startswith(b"data: ")]
    assert lines
    assert all(json.dumps(json.loads(line.removeprefix(b"data: "))) for line in lines)


@pytest.mark.parametrize("body", [b"", b"{", b"null", b"[]", b"<html>", b"1"])
def test_anything_else_is_taken_too(body: bytes) -> None:
    assert all(isinstance(mutated(body, seed, is_stream=seed % 2 == 0), bytes) for seed in SEEDS)
