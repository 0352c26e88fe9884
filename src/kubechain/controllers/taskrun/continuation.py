"""Runs that start from the conversation of another one: what they copy of it, and why they cannot yet, or at all. Pure.

The conversation is copied with W1, its older messages as ContextChunks of the new run, so that nothing of the other run
is needed afterwards. What must not go here: how the other run is read (`sources`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kubechain.api import reasons
from kubechain.api.context import RunContext, Summary
from kubechain.api.continuation import ContinuedFrom
from kubechain.api.message import Message
from kubechain.api.taskrun import TaskRun
from kubechain.controllers.frame import Settled, normal
from kubechain.controllers.taskrun import contextsize, conversation
from kubechain.controllers.taskrun.adoption import Unanswered, unanswered
from kubechain.controllers.taskrun.conversation import Transcript
from kubechain.controllers.taskrun.excerpts import Excerpt
from kubechain.controllers.taskrun.rendering import View, rendered
from kubechain.controllers.taskrun.sources import Source
from kubechain.controllers.taskrun.steps import Continued, Fail, Wait
from kubechain.views import windows

OPEN_CALL_SECONDS = 1.0
"""Between two looks at a call of an ended run that is about to end."""

NEVER_ENDED = (
    "outcome unknown: the run that asked for the call ended before the call had a result. "
    "It may or may not have taken effect: verify before repeating it."
)


def trouble(run: TaskRun, source: Source | None) -> Wait | Fail | None:
    """Why a run cannot begin with the conversation that it names; None where it can, or names none."""
    wanted = run.spec.continue_from
    if wanted is None:
        return None
    if source is None:
        text = f'Waiting for TaskRun "{wanted.name}" of spec.continueFrom, which does not exist'
        return Wait(text, is_broken=True)
    if source.is_in_ring:
        return _refused(source, "is one of a ring of runs that continue from each other")
    if source.flaw:
        return Fail(reasons.CONTEXT_CHUNK_BROKEN, f'TaskRun "{wanted.name}" cannot be continued: {source.flaw}')
    if wanted.before_turn is not None:
        return _turn_trouble(source, wanted.before_turn)
    if not source.run.status.is_over:
        return Wait(reasons.waiting_for_run(wanted.name))
    return _end_trouble(run, source)


def _turn_trouble(source: Source, turn: int) -> Wait | Fail | None:
    try:
        windows.before_turn(source.messages, turn, run=source.run)
    except ValueError as error:
        if not source.run.status.is_over:
            return Wait(reasons.waiting_for_run(source.run.metadata.name))
        return _refused(source, f"cannot be continued before turn {turn}: {error}")
    return None


def _end_trouble(run: TaskRun, source: Source) -> Wait | Fail | None:
    """What keeps a run from going on after the end of another one."""
    messages = source.messages
    if not messages:
        return _refused(source, "ended before its conversation began: there is nothing to continue")
    unfinished = [call.metadata.name for call in source.calls.values() if not call.status.is_over]
    if unfinished:
        text = f'Waiting for TaskRunToolCall "{unfinished[0]}" to end'
        return Wait(text, requeue_after_seconds=OPEN_CALL_SECONDS)
    if messages[-1].role == "assistant" and not messages[-1].tool_calls and not run.spec.user_message:
        return _refused(source, "has its answer: set userMessage to go on")
    return None


def _refused(source: Source, why: str) -> Fail:
    return Fail(reasons.CANNOT_CONTINUE, f'TaskRun "{source.run.metadata.name}" {why}')


def opened(run: TaskRun, source: Source) -> tuple[Transcript, Continued]:
    """The conversation that a run begins with, and what it records of where that comes from."""
    copied = _with_system(_copied(run, source), run.spec.system)
    asked = run.spec.user_message
    added = (Message(role="user", content=asked),) if asked else ()
    context, summaries = _context(source, copied, added)
    record = ContinuedFrom(name=source.run.metadata.name, uid=source.run.metadata.uid, message_count=len(copied))
    return Transcript((*copied, *added)), Continued(record, context, summaries)


def recorded(continued: Continued) -> Settled:
    """What W1 says of the run whose conversation the run begins with."""
    record = continued.record
    status: dict[str, Any] = {"continued_from": record}
    if continued.context is not None:
        status |= {"context": continued.context, "summaries": continued.summaries}
    text = f'Begins with {record.message_count} messages of TaskRun "{record.name}"'
    return Settled(status, (normal(reasons.CONTINUED, text),))


def _copied(run: TaskRun, source: Source) -> Sequence[Message]:
    """The messages up to the wanted turn, else all of them, calls that were left open with their results."""
    messages, wanted = source.messages, run.spec.continue_from
    if wanted is not None and wanted.before_turn is not None:
        return windows.before_turn(messages, wanted.before_turn, run=source.run)
    found = unanswered(messages)
    return messages if found is None or not found.is_last else (*messages, *_results(found, source))


def _results(found: Unanswered, source: Source) -> list[Message]:
    """An answer to each call that the run left open: a model is never sent a call without one."""
    answers = list[Message]()
    for _, asked in found.calls:
        call, name = source.calls.get(asked.id), asked.function.name
        if call is None:
            lost = Message(role="tool", tool_call_id=asked.id, name=name, content=NEVER_ENDED, is_error=True)
            answers.append(lost)
        else:
            answers.append(conversation.tool_message(call, name))
    return answers


def _with_system(messages: Sequence[Message], system: str | None) -> Sequence[Message]:
    return messages if system is None else windows.with_system(messages, system)


def _context(
    source: Source, copied: Sequence[Message], added: Sequence[Message]
) -> tuple[RunContext | None, tuple[Summary, ...]]:
    """What the model need not be sent of the conversation, as the other run had it, and how large it is for the model.

    Places in the conversation stay as they are. What the other run was refused or could not summarise counts no more:
    the model may be another one.
    """
    context, summaries = source.run.status.context, source.run.status.summaries
    if context is None or not copied or copied[0].role != "system":
        return None, ()
    if summaries and summaries[-1].through_message > len(copied):
        summaries = ()  # only the newest has its text
    kept = RunContext(
        trimmed_before=min(context.trimmed_before, len(copied)),
        cut_before=min(context.cut_before, len(copied)),
        cut_bytes=context.cut_bytes,
    )
    sent = rendered(Excerpt((*copied, *added)), View.of(kept, summaries), source.run.metadata.name)
    estimate = contextsize.size_bytes(sent) // contextsize.BYTES_PER_TOKEN
    return kept.with_changes(tokens=contextsize.bounded(estimate)), summaries
