"""Makes a model's answer fit the status that records it. Pure.

The bounds are those that the schemas of our kinds have, so that the API server never refuses a status for what a model
wrote: ids are replaced, names shortened, counts and text cut. What cannot be cut without another meaning, such as
arguments, is left to `settle`, which ends the run with a reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import orjson

from kubechain.api import names, reasons
from kubechain.api.crd import longest
from kubechain.api.message import Message, ToolCall, ToolCallFunction
from kubechain.api.references import LocalObjectReference
from kubechain.api.taskrun import PendingToolCall
from kubechain.api.taskruntoolcall import TaskRunToolCallSpec
from kubechain.api.usage import COUNT_LIMIT, Usage
from kubechain.controllers.taskrun.conversation import CONTEXT_WINDOW_MAX_BYTES, Transcript
from kubechain.controllers.taskrun.excerpts import NOTHING, Excerpt
from kubechain.llm.client import Completion, Cut
from kubechain.net.foreign import cut_middle

ID_CHARACTERS = min(
    longest(ToolCall, "id"),
    longest(Message, "tool_call_id"),
    longest(PendingToolCall, "tool_call_id"),
    longest(TaskRunToolCallSpec, "tool_call_id"),
)
"""Longest id of a tool call that is kept; a longer one is replaced by ours."""

NAME_CHARACTERS = min(
    longest(ToolCallFunction, "name"),
    longest(Message, "name"),
    longest(PendingToolCall, "name"),
    longest(LocalObjectReference, "name"),
)
"""Longest name of a tool that is kept. Longer ones were offered to nobody: the model invented them."""

CONTENT_CHARACTERS = longest(Message, "content")

MESSAGE_ROOM_BYTES = 4 * 1024
"""What a message takes besides its text and its calls."""

LEAST_TEXT_BYTES = 16 * 1024
"""A text is not cut to less: a conversation without that room has no place for the next turn either."""


def admit(completion: Completion, transcript: Transcript, earlier: Excerpt = NOTHING, *, turn: int) -> Completion:
    """Return the answer as the run's status can hold it.

    Args:
        completion: As the model's client returned it.
        transcript: The conversation before it, whose ids stay unique.
        earlier: What was read of its messages in ContextChunks.
        turn: Which turn it answers, for ids of our own.
    """
    message, cut = completion.message, completion.cut
    if message.tool_calls:
        message = message.with_changes(tool_calls=_admitted_calls(message.tool_calls, transcript, earlier, turn))
    room_bytes = _room_bytes(message, transcript)
    if not message.tool_calls and room_bytes < min(len(message.content), LEAST_TEXT_BYTES):
        message = message.with_changes(provider_data=None)  # of no use: there is no room for another turn
        room_bytes = _room_bytes(message, transcript)
    content = _fitting(_clean(message.content), room_bytes)
    if len(content) < len(message.content):
        cut = _cut(message.content)
    if content != message.content:
        message = message.with_changes(content=content)
    return replace(completion, message=message, usage=_admitted_usage(completion.usage), cut=cut)


def _admitted_usage(usage: Usage) -> Usage:
    counts = {name: value for name in Usage.model_fields if isinstance(value := getattr(usage, name), int)}
    return usage.with_changes(**{name: min(max(count, 0), COUNT_LIMIT) for name, count in counts.items()})


def _cut(content: str) -> Cut:
    return Cut(reasons.TEXT_LIMIT, f"the answer has {len(content)} characters, its middle is left out")


def _admitted_calls(
    calls: Sequence[ToolCall], transcript: Transcript, earlier: Excerpt, turn: int
) -> tuple[ToolCall, ...]:
    """The calls with ids that are unique over the conversation, so that each result refers to one call.

    Ids of ours name the turn: they are new even where part of the conversation was not read, and a provider's may be
    one of those there. Only what the run was given has ours already.
    """
    is_all_read, admitted = earlier.start == 0, list[ToolCall]()
    seen = {*transcript.call_ids, *Transcript((*transcript.in_spec, *earlier.messages)).call_ids}
    for index, call in enumerate(calls):
        call_id = _clean(call.id) if is_all_read else ""
        if not call_id.strip() or len(call_id) > ID_CHARACTERS or call_id in seen:
            call_id = _own_id(turn, index, seen)
        seen.add(call_id)
        function = call.function
        name, arguments = names.shortened(_clean(function.name), NAME_CHARACTERS), _clean(function.arguments)
        function = function.with_changes(name=name, arguments=arguments)
        admitted.append(call.with_changes(id=call_id, function=function))
    return tuple(admitted)


def _own_id(turn: int, index: int, seen: set[str]) -> str:
    """An id of ours that the conversation does not have: a fork begins with the ids of the run that it continues."""
    call_id, number = f"t{turn}c{index}", 1
    while call_id in seen:
        number += 1
        call_id = f"t{turn}c{index}n{number}"
    return call_id


def _clean(text: str) -> str:
    """Replace halves of surrogate pairs, which nobody can store."""
    return text if text.isascii() else text.encode(errors="replace").decode()


def _room_bytes(message: Message, transcript: Transcript) -> int:
    """How many bytes of JSON the text may take. Calls are stored twice: in the message, and as those that wait."""
    rest = len(message.with_changes(content="").to_json())
    calls = sum(len(call.to_json()) for call in message.tool_calls)
    return CONTEXT_WINDOW_MAX_BYTES - MESSAGE_ROOM_BYTES - transcript.size_bytes - rest - calls


def _fitting(content: str, room_bytes: int) -> str:
    """The beginning and the end of a text that is too long."""
    room_bytes = max(room_bytes, LEAST_TEXT_BYTES)
    limit_bytes, text = len(content.encode()), content
    while len(text) > CONTENT_CHARACTERS or len(orjson.dumps(text)) > room_bytes:
        over_characters = len(text) / CONTENT_CHARACTERS
        over_bytes = len(orjson.dumps(text)) / room_bytes
        limit_bytes = int(limit_bytes / max(over_characters, over_bytes, 1.001)) - 128
        text = cut_middle(content, limit_bytes, note=_note)
    return text


def _note(left_out_bytes: int) -> str:
    return f"[{left_out_bytes} bytes left out: the answer is longer than a run can hold]"
