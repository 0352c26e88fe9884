"""Mutants of how a long conversation is kept: each must be caught."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from kubechain.api.contextchunk import ContextChunk
from kubechain.api.message import Message
from kubechain.api.taskrun import TaskRun
from kubechain.controllers.taskrun import chunks, chunkstore
from kubechain.controllers.taskrun.chunks import Moved
from kubechain.controllers.taskrun.conversation import Transcript
from test.simulation.mutant import Mutant


async def _create_nothing(self: chunkstore.ChunkStore, run: TaskRun, chunk: ContextChunk) -> None:
    """The reference comes before the chunk."""
    del self, run, chunk


async def _read_nothing(self: chunkstore.ChunkStore, run: TaskRun) -> Sequence[Message]:
    """The model is asked without what was moved."""
    del self, run
    return ()


_moved = chunks.moved


def _lose_one(run: TaskRun, transcript: Transcript) -> Moved | None:
    """The message at the border is in neither place."""
    found = _moved(run, replace(transcript, messages=transcript.messages[1:]))
    return found or _moved(run, transcript)


ALL: tuple[Mutant, ...] = (
    Mutant("reference-before-chunk", ((chunkstore.ChunkStore, "_create", _create_nothing),), "long-conversation"),
    Mutant("forgets-chunks", ((chunkstore.ChunkStore, "messages", _read_nothing),), "long-conversation"),
    Mutant("loses-a-message", ((chunks, "moved", _lose_one),), "long-conversation"),
)
