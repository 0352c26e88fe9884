"""Mutants of how a long conversation is kept: each must be caught."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from kubechain.api.contextchunk import ChunkPlace, ContextChunk, ContextChunkSpec
from kubechain.api.message import Message
from kubechain.api.taskrun import LLMClaim, TaskRun
from kubechain.controllers.frame import Settled
from kubechain.controllers.taskrun import chunks, chunkstore, effects, growth, reconciler, rendering, summarising
from kubechain.controllers.taskrun.chunks import Moved
from kubechain.controllers.taskrun.conversation import Transcript
from kubechain.controllers.taskrun.excerpts import NOTHING, Excerpt
from kubechain.controllers.taskrun.rendering import View
from kubechain.controllers.taskrun.steps import Summarise
from test.simulation.mutant import Mutant


async def _create_nothing(self: chunkstore.ChunkStore, run: TaskRun, chunk: ContextChunk) -> None:
    """The reference comes before the chunk."""
    del self, run, chunk


async def _read_nothing(self: chunkstore.ChunkStore, run: TaskRun) -> Excerpt:
    """The model is asked without what was moved."""
    del self, run
    return NOTHING


def _repeat_nothing(spec: ContextChunkSpec) -> tuple[tuple[Message, ...], ChunkPlace | None]:
    """What is lasting in the chunks before one is neither repeated nor looked for."""
    del spec
    return (), None


def _always_the_same(before: str, messages: Sequence[Message]) -> str:
    """What was read of what is lasting is compared with nothing."""
    del before, messages
    return ""


_moved = chunks.moved


def _lose_one(run: TaskRun, transcript: Transcript, last: ContextChunkSpec | None = None) -> Moved | None:
    """The message at the border is in neither place."""
    found = _moved(run, replace(transcript, messages=transcript.messages[1:]), last)
    return found or _moved(run, transcript, last)


def _claim_nothing(run: TaskRun, claim: LLMClaim) -> Settled:
    """The summary is asked for, and nothing in the status says so."""
    del run, claim
    return Settled()


def _holds_always(run: TaskRun, claim: LLMClaim) -> bool:
    del run, claim
    return True


_through = growth._before_users  # pyright: ignore[reportPrivateUsage]


def _cut_a_turn_apart(said: Excerpt, place: int) -> int:
    """The summary replaces a call, and not its result."""
    return _through(said, place) + 1


_rendered = rendering.rendered


def _forget_the_question(said: Excerpt, view: View, run_name: str) -> list[Message]:
    """What the user said is summarised with the rest."""
    sent = _rendered(said, view, run_name)
    return [sent[0], *sent[2:]] if view.through else sent


def _forget_what_was_summarised(
    run: TaskRun, text: str, step: Summarise, used: dict[str, Any], now: datetime
) -> Settled:
    """The second summary is said to be about the whole, and has not read the first."""
    settled = _recorded(run, text, step, used, now)
    summaries = settled.status["summaries"]
    return replace(settled, status=settled.status | {"summaries": summaries[-1:]})


_recorded = summarising._recorded  # pyright: ignore[reportPrivateUsage]

_WITHOUT_A_CLAIM = (
    (summarising, "claimed", _claim_nothing),
    (reconciler, "holds", _holds_always),
    (effects, "holds", _holds_always),
)

_WITHOUT_WHAT_IS_LASTING = ((chunks, "repeated", _repeat_nothing), (chunks, "lasting_sha", _always_the_same))

ALL: tuple[Mutant, ...] = (
    Mutant("summary-without-claim", _WITHOUT_A_CLAIM, "summarised"),
    Mutant("summary-cuts-a-turn-apart", ((growth, "_before_users", _cut_a_turn_apart),), "summarised"),
    Mutant("summary-of-the-user", ((rendering, "rendered", _forget_the_question),), "summarised"),
    Mutant("summary-forgets-summary", ((summarising, "_recorded", _forget_what_was_summarised),), "summarised"),
    Mutant("reference-before-chunk", ((chunkstore.ChunkStore, "_create", _create_nothing),), "long-conversation"),
    Mutant("forgets-chunks", ((chunkstore.ChunkStore, "needed", _read_nothing),), "long-conversation"),
    Mutant("forgets-what-is-lasting", _WITHOUT_WHAT_IS_LASTING, "summarised"),
    Mutant("loses-a-message", ((chunks, "moved", _lose_one),), "long-conversation"),
)
