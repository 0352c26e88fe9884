"""Creates the ContextChunks of a run and reads them: one at a time by name, when a model is to be asked.

No informer follows them: their content would fill the memory of every replica.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace

from kubechain.api.contextchunk import ChunkReference, ContextChunk, ContextChunkSpec
from kubechain.api.message import Message
from kubechain.api.taskrun import TaskRun
from kubechain.controllers.frame import Settled
from kubechain.controllers.refusals import creating
from kubechain.controllers.resources import CONTEXT_CHUNKS
from kubechain.controllers.taskrun import chunkreading, chunks
from kubechain.controllers.taskrun.chunkreading import Reader, Wanted
from kubechain.controllers.taskrun.conversation import Transcript
from kubechain.controllers.taskrun.excerpts import Excerpt
from kubechain.runtime.client import Client
from kubechain.runtime.errors import AlreadyExists, ApiError, NotFound, TransportError, WriteRefused

CACHE_BYTES = 32 * 1024 * 1024


class ChunkUnread(Exception):
    """A chunk cannot be read now."""


class ChunkBroken(Exception):
    """A chunk is gone, or is not what the run recorded."""


@dataclass(slots=True)
class ChunkCache:
    """The chunks that were read last, up to a number of bytes. They are immutable: their hash is the key."""

    limit_bytes: int = CACHE_BYTES
    size_bytes: int = 0
    _held: OrderedDict[str, ContextChunkSpec] = field(default_factory=OrderedDict[str, ContextChunkSpec])

    def get(self, sha: str) -> ContextChunkSpec | None:
        """The chunk of this hash; None where it is not held."""
        found = self._held.get(sha)
        if found is not None:
            self._held.move_to_end(sha)
        return found

    def hold(self, spec: ContextChunkSpec) -> None:
        """Hold a chunk that was verified, and drop those that were not used for longest."""
        if spec.sha in self._held or spec.size_bytes > self.limit_bytes:
            return
        self._held[spec.sha] = spec
        self.size_bytes += spec.size_bytes
        while self.size_bytes > self.limit_bytes:
            _, dropped = self._held.popitem(last=False)
            self.size_bytes -= dropped.size_bytes


@dataclass(frozen=True, slots=True)
class ChunkStore:
    """The chunks of all runs, on the API server."""

    client: Client
    cache: ChunkCache

    async def shortened(self, run: TaskRun, settled: Settled) -> Settled:
        """The same changes, with a conversation that fits: its older messages are in chunks that exist now.

        Raises:
            WriteRefused: The server does not take a chunk.
        """
        transcript = Transcript.written(run, settled.status)
        if transcript is None or not chunks.is_too_long(transcript):
            return settled
        transcript, last = await self._followed(run, transcript)
        moved = chunks.moved(run, transcript, last)
        if moved is None:
            return settled
        for chunk in moved.chunks:
            await self._create(run, chunk)
        return replace(settled, status={**settled.status, **moved.rest.status()})

    async def _followed(self, run: TaskRun, transcript: Transcript) -> tuple[Transcript, ContextChunkSpec | None]:
        """The conversation that a new chunk goes on with, and the newest chunk of it; None where it cannot be read now.

        An earlier release recorded no hash of lasting messages: it is computed once.
        """
        moved = transcript.moved
        if moved is None:
            return transcript, None
        try:
            last = await self._verified(run, Wanted(moved.last, moved.count - 1))
            if moved.lasting_sha is None:
                sha = chunks.lasting_sha(run.metadata.uid, await self.messages(run))
                moved = moved.with_changes(lasting_sha=sha)
        except (ChunkUnread, ChunkBroken):
            return transcript, None
        return replace(transcript, moved=moved), last

    async def _create(self, run: TaskRun, chunk: ContextChunk) -> None:
        """Create a chunk, or adopt the one that an earlier try created."""
        wanted = ChunkReference(name=chunk.metadata.name, sha=chunk.spec.sha)
        try:
            with creating(chunk):
                await self.client.create(CONTEXT_CHUNKS, chunk)
        except AlreadyExists as error:
            found = await self.client.get(CONTEXT_CHUNKS, chunk.metadata.namespace, wanted.name)
            if chunks.flaw(run, found, wanted, chunk.spec.index):
                raise WriteRefused(f'ContextChunk "{wanted.name}"', error, is_create=True) from error
            chunk = found
        self.cache.hold(chunk.spec)

    async def messages(self, run: TaskRun) -> Sequence[Message]:
        """The messages of a run that are in chunks, in order.

        Raises:
            ChunkUnread: The server does not answer.
            ChunkBroken: The conversation cannot be read any more.
        """
        return (await self._read(run, chunkreading.everything(run))).messages

    async def needed(self, run: TaskRun) -> Excerpt:
        """The messages in chunks that a request of a run needs.

        Raises:
            ChunkUnread: The server does not answer.
            ChunkBroken: That part of the conversation cannot be read any more.
        """
        return await self._read(run, chunkreading.needed(run))

    async def backwards(self, run: TaskRun) -> AsyncIterator[ContextChunkSpec]:
        """Yield the chunks of a run, each verified, the newest first.

        Raises:
            ChunkUnread: The server does not answer.
            ChunkBroken: The next one is gone, or is not what was recorded.
        """
        moved = Transcript.of(run).moved
        if moved is None:
            return
        wanted = moved.last
        for index in reversed(range(moved.count)):
            spec = await self._verified(run, Wanted(wanted, index))
            yield spec
            wanted = spec.previous or wanted

    async def _read(self, run: TaskRun, reader: Reader) -> Excerpt:
        """Give a reader the chunks that it wants."""
        spec: ContextChunkSpec | None = None
        try:
            while True:
                wanted = reader.send(spec) if spec is not None else next(reader)
                spec = await self._verified(run, wanted)
        except StopIteration as end:
            return end.value

    async def _verified(self, run: TaskRun, wanted: Wanted) -> ContextChunkSpec:
        """A chunk as it was recorded: held, or read."""
        held = self.cache.get(wanted.reference.sha)
        if held is not None:
            return held
        name = wanted.reference.name
        try:
            found = await self.client.get(CONTEXT_CHUNKS, run.metadata.namespace, name)
        except NotFound:
            raise ChunkBroken(f'ContextChunk "{name}" is gone') from None
        except (ApiError, TransportError) as error:
            raise ChunkUnread(f'cannot read ContextChunk "{name}": {error}') from error
        if trouble := chunks.flaw(run, found, wanted.reference, wanted.index):
            raise ChunkBroken(trouble)
        self.cache.hold(found.spec)
        return found.spec
