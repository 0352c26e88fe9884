"""Which ContextChunks of a run are read, and what is made of them. Pure: a reader yields what it wants and is sent it.

The messages that a request needs are those since the newest summary, which the newest chunks have, and the lasting ones
before them. Chunks repeat the lasting messages of those before them, up to a size; what does not fit is found by
reference. So the number of reads depends on what is sent, not on how long the conversation is.

Chunks of an earlier release repeat nothing: behind one of them every chunk is read.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

from kubechain.api.contextchunk import ChunkReference, ContextChunkSpec, MovedMessages
from kubechain.api.message import Message
from kubechain.api.taskrun import TaskRun
from kubechain.controllers.taskrun import chunks
from kubechain.controllers.taskrun.conversation import Transcript
from kubechain.controllers.taskrun.excerpts import Excerpt, lasting


@dataclass(frozen=True, slots=True)
class Wanted:
    """A chunk that is read next, verified.

    Attributes:
        index: The place that it has in the conversation.
    """

    reference: ChunkReference
    index: int


Reader = Generator[Wanted, ContextChunkSpec, Excerpt]
"""Returns the messages in chunks that were asked for."""


def everything(run: TaskRun) -> Reader:
    """Read all chunks of a run, the newest first."""
    return (yield from _newest(Transcript.of(run).moved, through=0))


def needed(run: TaskRun) -> Reader:
    """Read the chunks that a request of a run needs.

    What they repeat of others is compared with the hash that the run recorded; where it is not that, all are read.
    """
    moved, summaries = Transcript.of(run).moved, run.status.summaries
    through = summaries[-1].through_message if summaries else 0
    if moved is not None and through and moved.lasting_sha is not None:
        found = yield from _newest(moved, through)
        if chunks.lasting_sha(run.metadata.uid, found.all_lasting) == moved.lasting_sha:
            return found
    return (yield from everything(run))


def _newest(moved: MovedMessages | None, through: int) -> Reader:
    """Read from the newest chunk back to the one that has a place, then for what is lasting before it."""
    if moved is None:
        return Excerpt()
    start, parts, wanted = moved.message_count, list[tuple[Message, ...]](), Wanted(moved.last, moved.count - 1)
    while True:
        spec = yield wanted
        start -= len(spec.messages)
        parts.append(spec.messages)
        if start <= through or spec.previous is None:
            break
        wanted = Wanted(spec.previous, spec.index - 1)
    messages = _joined(parts)
    before = (yield from _lasting_before(spec)) if start else ()
    return Excerpt(messages, start, before).since(through)


def _lasting_before(spec: ContextChunkSpec) -> Generator[Wanted, ContextChunkSpec, tuple[Message, ...]]:
    """The lasting messages of the chunks before one."""
    parts = list[tuple[Message, ...]]()
    while True:
        carried, before = chunks.repeated(spec)
        parts.append(carried)
        if before is None:
            return _joined(parts)
        spec = yield Wanted(before, before.index)
        parts.append(lasting(spec.messages))


def _joined(parts: list[tuple[Message, ...]]) -> tuple[Message, ...]:
    """Parts that were read from the newest to the oldest, in order."""
    return tuple(message for part in reversed(parts) for message in part)
