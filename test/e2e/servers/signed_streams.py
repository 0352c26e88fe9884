"""The streams by which the models that sign their turns say the same as in a whole answer, each text in two pieces."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

Body = dict[str, Any]


def gemini(whole: Body) -> Iterator[Body]:
    """Each part by itself, then the reason of the end."""
    (candidate,) = whole["candidates"]
    for part in candidate["content"]["parts"]:
        yield {"candidates": [{"content": {"role": "model", "parts": [part]}, "index": 0}]}
    yield whole | {"candidates": [{"finishReason": candidate["finishReason"], "index": 0}]}


def responses(whole: Body) -> Iterator[Body]:
    """Each item of the output as it begins and ends, then the whole."""
    begun: Body = whole | {"status": "in_progress", "output": [], "usage": None}
    yield {"type": "response.created", "response": begun}
    for index, item in enumerate(whole["output"]):
        yield {"type": "response.output_item.added", "output_index": index, "item": item}
        yield {"type": "response.output_item.done", "output_index": index, "item": item}
    yield {"type": "response.completed", "response": whole}


def messages(whole: Body) -> Iterator[Body]:
    """Each block with its deltas; a signature comes after the thought that it is of."""
    yield {"type": "message_start", "message": whole | {"content": [], "stop_reason": None}}
    for index, block in enumerate(whole["content"]):
        begun, deltas = _opened(block)
        yield {"type": "content_block_start", "index": index, "content_block": begun}
        yield from ({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas)
        yield {"type": "content_block_stop", "index": index}
    yield {
        "type": "message_delta",
        "delta": {"stop_reason": whole["stop_reason"], "stop_sequence": None},
        "usage": whole["usage"],
    }
    yield {"type": "message_stop"}


def _opened(block: Body) -> tuple[Body, list[Body]]:
    """A block as it begins, and what is added to it."""
    match block["type"]:
        case "thinking":
            said = [{"type": "thinking_delta", "thinking": one} for one in _halves(block["thinking"])]
            signed = {"type": "signature_delta", "signature": block["signature"]}
            return block | {"thinking": "", "signature": ""}, [*said, signed]
        case "text":
            return block | {"text": ""}, [{"type": "text_delta", "text": one} for one in _halves(block["text"])]
        case "tool_use":
            written = _halves(json.dumps(block["input"]))
            return block | {"input": {}}, [{"type": "input_json_delta", "partial_json": one} for one in written]
        case _:
            return block, []


def _halves(text: str) -> tuple[str, str]:
    middle = len(text) // 2
    return text[:middle], text[middle:]


STREAMS: Mapping[str, Callable[[Body], Iterable[Body]]] = {
    "google": gemini,
    "openai": responses,
    "anthropic": messages,
}
"""By the provider whose format it is."""


def stream(provider: str, whole: Body) -> bytes:
    """The bytes of a stream that says what the answer says."""
    return b"".join(
        b"event: %s\ndata: %s\n\n" % (_name(one), json.dumps(one).encode()) for one in STREAMS[provider](whole)
    )


def _name(event: Body) -> bytes:
    name: str = event.get("type", "message")
    return name.encode()
