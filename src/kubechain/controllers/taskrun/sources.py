"""The run that another one continues, with all of its conversation, read once before the other begins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kubechain.api.continuation import ContinueFrom
from kubechain.api.message import Message
from kubechain.api.taskrun import TaskRun
from kubechain.api.taskruntoolcall import TaskRunToolCall
from kubechain.controllers.continued import is_unbegun
from kubechain.controllers.taskrun.chunkstore import ChunkBroken, ChunkStore, ChunkUnread
from kubechain.controllers.taskrun.claims import object_name
from kubechain.controllers.taskrun.conversation import Transcript
from kubechain.runtime.errors import RetryableError
from kubechain.runtime.store import Lister

UNREAD_SECONDS = 1.0
"""Before a ContextChunk that the server did not give is read again."""


@dataclass(frozen=True, slots=True)
class Source:
    """The run whose conversation another one starts from.

    Attributes:
        earlier: Its messages that are in ContextChunks; read only once the conversation can be copied.
        calls: The objects of the calls that it left open, by the id of the call.
        flaw: Why the messages in ContextChunks cannot be read any more.
        is_in_ring: Whether it waits, itself or by others, for a run that waits for it.
    """

    run: TaskRun
    earlier: tuple[Message, ...] = ()
    calls: Mapping[str, TaskRunToolCall] = field(default_factory=dict[str, TaskRunToolCall])
    flaw: str = ""
    is_in_ring: bool = False

    @property
    def messages(self) -> tuple[Message, ...]:
        """The whole conversation."""
        return Transcript.of(self.run).whole(self.earlier).messages


@dataclass(frozen=True, slots=True)
class SourceReader:
    """Reads the runs that others continue from."""

    runs: Lister[TaskRun]
    tool_calls: Lister[TaskRunToolCall]
    chunks: ChunkStore

    async def of(self, run: TaskRun) -> Source | None:
        """The run that this one continues; None where it names none, needs it no more, or it does not exist.

        Raises:
            RetryableError: The server does not give a ContextChunk.
        """
        wanted = run.spec.continue_from
        if wanted is None or not is_unbegun(run):
            return None
        found = self.runs.get(run.metadata.namespace, wanted.name)
        if found is None:
            return None
        if not _may_be_copied(found, wanted):
            return Source(found, is_in_ring=self._is_in_ring(run))
        try:
            earlier = tuple(await self.chunks.messages(found))
        except ChunkUnread as error:
            raise RetryableError(str(error), retry_after_seconds=UNREAD_SECONDS) from error
        except ChunkBroken as error:
            return Source(found, flaw=str(error))
        return Source(found, earlier, self._open_calls(found))

    def _open_calls(self, run: TaskRun) -> dict[str, TaskRunToolCall]:
        found = (
            self.tool_calls.get(run.metadata.namespace, object_name(run, pending))
            for pending in run.status.pending_turn
        )
        return {call.spec.tool_call_id: call for call in found if call is not None}

    def _is_in_ring(self, run: TaskRun) -> bool:
        """Whether runs that have not begun continue from each other: none of them ever would."""
        seen, at = set[str](), run
        while at.metadata.name not in seen:
            seen.add(at.metadata.name)
            named = at.spec.continue_from
            following = self.runs.get(run.metadata.namespace, named.name) if named else None
            if following is None or following.status.pinned is not None or following.status.is_over:
                return False
            at = following
        return True


def _may_be_copied(run: TaskRun, wanted: ContinueFrom) -> bool:
    """Whether all or, of a run that goes on, the wanted part of the conversation may be there."""
    return run.status.is_over or (wanted.before_turn is not None and run.status.pinned is not None)
