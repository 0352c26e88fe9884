"""Moves the older messages of a long conversation into ContextChunks, and reads them back. Pure.

A status is rewritten whole at each turn. Without chunks a conversation would end at the largest size of an object, and
the bytes written would grow with the square of its length. The chunks are created first; the write that shortens the
status refers to them. A crash between the two leaves chunks that the next try finds under the same names, since a name
has the hash of the content; those that nothing refers to are collected with the run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from kubechain.api import names
from kubechain.api.contextchunk import (
    LASTING_LIMIT,
    ChunkPlace,
    ChunkReference,
    ContextChunk,
    ContextChunkSpec,
    LastingMessages,
    MovedMessages,
)
from kubechain.api.message import Message
from kubechain.api.meta import ObjectMeta, owner_reference
from kubechain.api.references import LocalObjectReference
from kubechain.api.taskrun import TaskRun
from kubechain.controllers.taskrun.conversation import Transcript
from kubechain.controllers.taskrun.excerpts import lasting

INLINE_BYTES = 256 * 1024
"""From this size on, the older messages of a status are moved."""

INLINE_OF_LONG_BYTES = 32 * 1024
"""The same for a conversation that has chunks: what stays is written again at each turn, and a long one has many."""

KEPT_BYTES = 8 * 1024
"""The newest messages stay in the status up to this size, so that people see what the run is at."""

CHUNK_BYTES = 700 * 1024
"""Most bytes of messages in one chunk; a single message may be larger."""

CHUNK_MESSAGES = 4096

LASTING_BYTES = 8 * 1024
"""Most bytes of lasting messages that a chunk repeats: a third of what a chunk of a long conversation has."""


@dataclass(frozen=True, slots=True)
class Moved:
    """What becomes of a conversation that is too long for the status.

    Attributes:
        chunks: To be created first, in order.
        rest: The conversation that the status has then.
    """

    chunks: tuple[ContextChunk, ...]
    rest: Transcript


def is_too_long(transcript: Transcript) -> bool:
    """Whether older messages of a conversation are to be moved before it is written."""
    return _is_too_long(transcript, _sizes(transcript))


def _sizes(transcript: Transcript) -> list[int]:
    return [len(message.to_json()) for message in transcript.messages]


def _is_too_long(transcript: Transcript, sizes: Sequence[int]) -> bool:
    return sum(sizes) > (INLINE_OF_LONG_BYTES if transcript.moved else INLINE_BYTES)


def moved(run: TaskRun, transcript: Transcript, last: ContextChunkSpec | None = None) -> Moved | None:
    """The move that a conversation needs before it is written; None where it needs none.

    Args:
        last: The newest chunk of the run; None where there is none, or where it cannot be read now.
    """
    sizes = _sizes(transcript)
    if not _is_too_long(transcript, sizes):
        return None
    place = _cut(transcript.messages, sizes)
    chunks, before = list[ContextChunk](), transcript.moved
    for part in _parts(transcript.messages[:place], sizes):
        chunk = _chunk(run, before, last, part)
        chunks.append(chunk)
        before, last = _after(run, before, chunk), chunk.spec
    return Moved(tuple(chunks), transcript.shortened(place, before)) if chunks else None


def _cut(messages: Sequence[Message], sizes: Sequence[int]) -> int:
    """Where the messages that stay begin: never between a call and its result, so that no open call is moved."""
    place, kept_bytes, best = len(messages), 0, len(messages)
    while place > 0:
        place -= 1
        kept_bytes += sizes[place]
        if kept_bytes > KEPT_BYTES:
            break
        if messages[place].role != "tool":
            best = place
    return min(best, _open_turn(messages))


def _open_turn(messages: Sequence[Message]) -> int:
    """The place of the last message whose tool calls are not all answered; the end where there is none."""
    answered = {message.tool_call_id for message in messages if message.role == "tool"}
    for place, message in enumerate(messages):
        if any(call.id not in answered for call in message.tool_calls):
            return place
    return len(messages)


def _parts(messages: Sequence[Message], sizes: Sequence[int]) -> list[tuple[Message, ...]]:
    """The messages in pieces that fit into an object."""
    parts, part, part_bytes = list[tuple[Message, ...]](), list[Message](), 0
    for message, size in zip(messages, sizes, strict=False):
        if part and (part_bytes + size > CHUNK_BYTES or len(part) >= CHUNK_MESSAGES):
            parts.append(tuple(part))
            part, part_bytes = [], 0
        part.append(message)
        part_bytes += size
    return [*parts, tuple(part)] if part else parts


def _chunk(
    run: TaskRun, before: MovedMessages | None, last: ContextChunkSpec | None, messages: tuple[Message, ...]
) -> ContextChunk:
    """The object that has these messages: the same for the same content, whoever makes it."""
    index, previous = (before.count, before.last) if before else (0, None)
    sha = content_sha(previous.sha if previous else run.metadata.uid, messages)
    name = names.context_chunk_name(run.metadata.name, index, sha)
    return ContextChunk(
        metadata=ObjectMeta(
            name=name,
            namespace=run.metadata.namespace,
            labels={names.LABEL_TASK_RUN: names.label_value(run.metadata.name)},
            owner_references=(owner_reference(run),),
        ),
        spec=ContextChunkSpec(
            task_run_ref=LocalObjectReference(name=run.metadata.name),
            index=index,
            previous=previous,
            messages=messages,
            lasting=_repeating(last, previous) if last and previous else None,
            message_count=len(messages),
            size_bytes=sum(len(message.to_json()) for message in messages),
            sha=sha,
        ),
    )


def _repeating(last: ContextChunkSpec, reference: ChunkReference) -> LastingMessages:
    """What a chunk says of the lasting messages before it: it repeats them, or refers to the chunk that has them."""
    messages, before = repeated(last)
    messages = (*messages, *lasting(last.messages))
    if len(messages) <= LASTING_LIMIT and sum(len(message.to_json()) for message in messages) <= LASTING_BYTES:
        return LastingMessages(messages=messages, before=before)
    return LastingMessages(before=ChunkPlace(name=reference.name, sha=reference.sha, index=last.index))


def repeated(spec: ContextChunkSpec) -> tuple[tuple[Message, ...], ChunkPlace | None]:
    """The lasting messages that a chunk repeats of those before it, and which chunk has those before them.

    A chunk of an earlier release repeats none: they are found in the one before it.
    """
    if spec.lasting is not None:
        return spec.lasting.messages, spec.lasting.before
    previous = spec.previous
    return (), ChunkPlace(name=previous.name, sha=previous.sha, index=spec.index - 1) if previous else None


def _after(run: TaskRun, before: MovedMessages | None, chunk: ContextChunk) -> MovedMessages:
    spec, known = chunk.spec, before.lasting_sha if before else run.metadata.uid
    return MovedMessages(
        count=spec.index + 1,
        message_count=(before.message_count if before else 0) + spec.message_count,
        size_bytes=(before.size_bytes if before else 0) + spec.size_bytes,
        last=ChunkReference(name=chunk.metadata.name, sha=spec.sha),
        lasting_sha=lasting_sha(known, spec.messages) if known is not None else None,
    )


def lasting_sha(before: str, messages: Sequence[Message]) -> str:
    """The hash of the lasting ones among messages, and of those before them.

    Args:
        before: The hash of those before them; where there are none, the uid of the run.
    """
    for message in lasting(messages):
        before = content_sha(before, (message,))
    return before


def content_sha(before: str, messages: Sequence[Message]) -> str:
    """The hash of messages and of all that was said before them.

    Keys are sorted: an API server may give the JSON of a provider back in another order.

    Args:
        before: The hash of the chunk before; for the first one the uid of the run.
    """
    digest = hashlib.sha256(before.encode())
    for message in messages:
        digest.update(b"\0" + orjson.dumps(message.to_wire(), option=orjson.OPT_SORT_KEYS))
    return digest.hexdigest()


def flaw(run: TaskRun, chunk: ContextChunk, wanted: ChunkReference, index: int) -> str:
    """Why an object is not the part of the conversation that is referred to; empty when it is.

    Args:
        index: The place that the part has in the conversation.
    """
    spec = chunk.spec
    if spec.index != index or (spec.previous is None) != (index == 0):
        return f'ContextChunk "{wanted.name}" is not part {index} of the conversation'
    before = spec.previous.sha if spec.previous else run.metadata.uid
    if spec.sha != wanted.sha or content_sha(before, spec.messages) != wanted.sha:
        return f'ContextChunk "{wanted.name}" does not have the content that was recorded'
    return ""
