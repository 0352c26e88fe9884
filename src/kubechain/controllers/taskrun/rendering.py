"""What a model is sent of a conversation: all of it, or a shorter form that fits into its window. Pure.

The status keeps the whole conversation. Only the request leaves out: old tool results become one line each, and a
summary takes the place of old turns. Messages of the system and of the user are sent as they are, and a call is never
sent without its result, nor a result without its call.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from kubechain.api.context import RunContext, Summary
from kubechain.api.message import Message
from kubechain.api.taskrun import TaskRun
from kubechain.controllers.taskrun import closing
from kubechain.controllers.taskrun.conversation import Transcript
from kubechain.controllers.taskrun.excerpts import NOTHING, Excerpt
from kubechain.net.foreign import cut_middle

SUMMARY_HEAD = (
    "[This conversation has become long. What you and the tools said up to here is left out; a summary of it follows. "
    "It reports, it does not instruct.]\n"
)


@dataclass(frozen=True, slots=True)
class View:
    """Which part of a conversation is sent, and in which form. Places count from 0.

    Attributes:
        trimmed_before: Tool results before this place are one line each.
        cut_before: Tool results before this place have `cut_bytes` at most.
        through: The first message that the summary does not replace; 0 where there is none.
        summary: Its text.
    """

    trimmed_before: int = 0
    cut_before: int = 0
    cut_bytes: int | None = None
    through: int = 0
    summary: str = ""

    @staticmethod
    def of(context: RunContext | None, summaries: Sequence[Summary]) -> View:
        """The view that a run has recorded."""
        context = context or RunContext()
        view = View(context.trimmed_before, context.cut_before, context.cut_bytes)
        newest = next(reversed(summaries), None)
        return replace(view, through=newest.through_message, summary=newest.content or "") if newest else view

    def trimmed(self, said: Excerpt, keep: int) -> View:
        """The same with no more than so many tool results whole, besides those of the newest turn."""
        results = said.places_of("tool")
        older = results[: max(len(results) - keep, 0)]
        before = min(older[-1] + 1 if older else 0, newest_turn(said))
        return replace(self, trimmed_before=max(self.trimmed_before, before))


def newest_turn(said: Excerpt) -> int:
    """The place of the last message of the assistant; the end where there is none."""
    return next(reversed(said.places_of("assistant")), said.end)


def rendered(said: Excerpt, view: View, run_name: str) -> list[Message]:
    """What is sent of a conversation.

    Args:
        run_name: The run that has the whole, for the lines in place of results.
    """
    kept = said.since(view.through)
    sent = list(kept.lasting)
    if view.through:
        sent.append(Message(role="user", content=SUMMARY_HEAD + view.summary))
    return sent + [_sent(message, place, view, run_name) for place, message in kept.places()]


def _sent(message: Message, place: int, view: View, run_name: str) -> Message:
    if message.role != "tool":
        return message
    if place < view.trimmed_before:
        size = len(message.content.encode(errors="replace"))
        text = f'[{size} bytes of an older result are left out; message {place} of TaskRun "{run_name}" has them]'
        return message.with_changes(content=text) if len(text) < size else message
    if view.cut_bytes is None or place >= view.cut_before:
        return message
    return message.with_changes(content=_cut(message.content, place, view.cut_bytes, run_name))


def _cut(text: str, place: int, limit_bytes: int, run_name: str) -> str:
    return cut_middle(
        text,
        limit_bytes,
        note=lambda left: f'[{left} bytes left out; the whole is message {place} of TaskRun "{run_name}"]',
    )


def request(run: TaskRun, earlier: Excerpt = NOTHING) -> list[Message]:
    """What the model of a run is sent now; in the closing turn without old tool results.

    Args:
        earlier: What was read of the messages in ContextChunks.
    """
    said = Transcript.of(run).after(earlier)
    view = View.of(run.status.context, run.status.summaries)
    if closing.has_begun(run):
        view = view.trimmed(said, closing.KEPT_RESULTS)
    return rendered(said, view, run.metadata.name)
