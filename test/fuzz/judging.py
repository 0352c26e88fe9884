"""What must hold about an answer whose bytes are anything: it is a completion that can be stored, or an `LLMError`.

A completion can be sent back to its provider, an error can be said by a status and does not have the key, and a stream
says the same however it is cut. Used by the search, and by the tests of what it found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import orjson

from kubechain.api.message import Message
from kubechain.api.usage import Usage
from kubechain.llm import errors
from kubechain.llm.client import Completion
from kubechain.llm.dialects.dialect import CompletionRequest
from kubechain.llm.providers import row_for
from kubechain.net.retry_after import MAX_RETRY_AFTER_SECONDS
from test.llm.builders import CANARY, a_reply, user
from test.llm.dialects.test_streams_whole import Sort

WHOLE, STREAM, PIECES, FAILURE = b"w", b"s", b"p", b"f"
"""The first byte of an input says how the rest comes from the server: the stream of PIECES is cut where the second byte
says, FAILURE has the status that the second byte chooses."""

STATUSES = (400, 401, 402, 403, 404, 408, 409, 413, 422, 429, 500, 501, 502, 503, 504, 529)

ERROR_CHARACTERS = 1_024
"""More than the longest text of an error: 256 of what a provider says, and our own words."""


def judge_of(sort: Sort) -> Callable[[bytes], None]:
    """What judges inputs of one dialect; raises where one is no answer and no failure."""
    dialect = row_for(sort.target.provider).dialect_named(sort.target.dialect)
    asked = CompletionRequest(sort.target, [user("Hi")])

    def decoded(status: int, chunks: Sequence[bytes], content_type: str) -> Completion | errors.LLMError:
        try:
            reader = dialect.reader(status, {"content-type": content_type})
            for chunk in chunks:
                reader.feed(chunk)
            return dialect.decode(asked, a_reply(status, reader.body()))
        except errors.LLMError as error:
            return error

    def judge_completion(completion: Completion) -> None:
        stored = Message.from_wire(completion.message.to_json())
        assert stored.content.strip() or stored.tool_calls
        assert Usage.from_wire(completion.usage.to_json()) == completion.usage
        assert orjson.loads(dialect.encode(CompletionRequest(sort.target, [user("Hi"), stored])).body or b"")

    def judge(data: bytes) -> None:
        way, body = data[:1], data[1:]
        match way:
            case b"s":
                outcome = decoded(200, [body], sort.content_type)
            case b"p":
                outcome = decoded(200, [body[1:]], sort.content_type)
                pieces = list(_pieces(body[1:], 1 + int.from_bytes(body[:1])))
                assert _told(outcome) == _told(decoded(200, pieces, sort.content_type))
            case b"f":
                status = STATUSES[int.from_bytes(body[:1]) % len(STATUSES)]
                outcome = decoded(status, [body[1:]], "application/json")
                assert isinstance(outcome, errors.LLMError)
            case _:
                outcome = decoded(200, [body], "application/json")
        if isinstance(outcome, errors.LLMError):
            _judge_error(outcome)
        else:
            judge_completion(outcome)

    return judge


def _pieces(stream: bytes, width: int) -> Iterator[bytes]:
    yield from (stream[start : start + width] for start in range(0, len(stream), width))


def _told(outcome: Completion | errors.LLMError) -> object:
    """What must be the same however the bytes arrive."""
    return (type(outcome), str(outcome), outcome.usage) if isinstance(outcome, errors.LLMError) else outcome


def _judge_error(error: errors.LLMError) -> None:
    """A status says it, and a run may wait as long as it asks."""
    text = str(error)
    assert text.strip()
    assert len(text) < ERROR_CHARACTERS
    assert orjson.dumps(text)
    assert CANARY not in text
    assert error.usage is None or error.usage.to_json()
    wait = getattr(error, "retry_after_seconds", None)
    assert wait is None or 0 <= wait <= MAX_RETRY_AFTER_SECONDS
