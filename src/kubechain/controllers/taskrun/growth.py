"""When a conversation outgrows the window of its model, and what is left out of the next request then. Pure.

Called from `decide`. Nothing is left out before it is necessary, and each step is taken only where the one before it is
not enough: old tool results become one line each; a summary takes the place of old turns; fewer results are kept, and
those are truncated. Sizes in tokens are the provider's own count of the last request, in proportion to the bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from kubechain.api import reasons
from kubechain.api.context import (
    DEFAULT_KEEP_TOOL_RESULTS,
    DEFAULT_KEEP_TURNS,
    SUMMARY_BYTES,
    ContextPolicy,
    RunContext,
)
from kubechain.api.llm import LLM
from kubechain.api.meta import StatusType
from kubechain.api.taskrun import TaskRun
from kubechain.controllers.taskrun import contextsize, conversation
from kubechain.controllers.taskrun.contextsize import size_bytes
from kubechain.controllers.taskrun.conversation import RESULT_LIMITS_BYTES, Transcript
from kubechain.controllers.taskrun.excerpts import Excerpt
from kubechain.controllers.taskrun.fallbacks import Choice
from kubechain.controllers.taskrun.observe import Observed
from kubechain.controllers.taskrun.rendering import View, rendered
from kubechain.controllers.taskrun.steps import Fail, Summarise

SHORTENED_TO = 0.6
"""Share of the size from which the policy acts that a shortened request has at most: the next turns shall fit too, and
a request whose beginning stays the same is cheaper."""

WORTH_IT = 0.9
"""A shortened request has at most this share of the size before, else it is not worth a summary or another try."""

FULL = 0.95
"""From this share of the window on, results are left out or truncated that should be kept."""

SUMMARY_PAUSE_TURNS = 4
"""After a summary that could not be made, unless nothing else helps."""


@dataclass(frozen=True, slots=True)
class Room:
    """A conversation, and how large the next request may be.

    Attributes:
        said: The conversation, as far as it was read, with what the user has said since.
        now_bytes: Size of the request as it would be now.
        tokens: The same in tokens.
        target_bytes: What it shall have at most.
        full_bytes: From here on it will be refused.
    """

    run: TaskRun
    said: Excerpt
    view: View
    context: RunContext
    now_bytes: int
    tokens: int
    target_bytes: float
    full_bytes: float

    def size(self, view: View) -> int:
        """The bytes of a request."""
        return size_bytes(rendered(self.said, view, self.run.metadata.name))

    def tokens_of(self, request_bytes: int) -> int:
        """The tokens of a request of so many bytes."""
        return contextsize.bounded(round(self.tokens * request_bytes / max(self.now_bytes, 1)))


def next_step(observed: Observed, choice: Choice, attempt: int) -> RunContext | Summarise | Fail | None:
    """What is to be done before the model is asked; None where it is asked as it is.

    Args:
        choice: The LLM that is called, whose window counts; it writes summaries where the Agent names no other.
        attempt: Of the claim for a summary.

    Returns:
        The context to be recorded with the claim, a summary to be made first, or the end of the run.
    """
    run, llm = observed.run, choice.llm
    if not contextsize.is_due(run, llm):
        return None
    if contextsize.policy(run) is ContextPolicy.FAIL:
        return Fail(reasons.MODEL_WINDOW_EXCEEDED, _exceeded(observed, llm, "the Agent's context.policy is Fail"))
    room = _room(observed, llm)
    gentle = room.view.trimmed(room.said, _kept_results(run))
    if room.size(gentle) <= room.target_bytes:
        return _shortened(room, gentle)
    context = room.context
    if contextsize.policy(run) is ContextPolicy.SUMMARISE and _may_summarise(run, context):
        if (trouble := _summariser_trouble(observed)) is None:
            if (step := _summary(observed, choice, room, gentle, attempt)) is not None:
                return step
        else:
            room = replace(room, context=contextsize.failed_summary(run, context, trouble))
    return _without_summary(observed, llm, room, gentle)


def _without_summary(observed: Observed, llm: LLM, room: Room, gentle: View) -> RunContext | Fail | None:
    """Leave out old results; where the request would be refused, also those that should be kept."""
    is_full = room.context.too_long or room.size(gentle) >= room.full_bytes
    view = _tight(room, gentle) if is_full else gentle
    if room.context.too_long and room.size(view) > WORTH_IT * room.now_bytes:
        failure = room.context.summary_failure
        why = f"; no summary could be made: {failure.message}" if failure else ""
        return Fail(reasons.MODEL_WINDOW_EXCEEDED, _exceeded(observed, llm, f"nothing more can be left out{why}"))
    is_new = view != room.view or room.context != observed.run.status.context
    return _shortened(room, view) if is_new else None


def _room(observed: Observed, llm: LLM) -> Room:
    run = observed.run
    context, view = run.status.context or RunContext(), View.of(run.status.context, run.status.summaries)
    unread = conversation.unread(run)
    said = Transcript.of(run).after(observed.earlier).appended(*unread)
    now_bytes = size_bytes(rendered(said, view, run.metadata.name))
    tokens = max(context.tokens or now_bytes // contextsize.BYTES_PER_TOKEN, 1)
    window = contextsize.window_tokens(llm) or tokens
    limit = min(window, tokens) if context.too_long else window
    return Room(
        run=run,
        said=said,
        view=view,
        context=context,
        now_bytes=now_bytes,
        tokens=tokens,
        target_bytes=now_bytes * SHORTENED_TO * contextsize.from_tokens(run, limit) / tokens,
        full_bytes=now_bytes * FULL * limit / tokens,
    )


def _kept_results(run: TaskRun) -> int:
    kept = contextsize.settings(run).keep_tool_results
    return DEFAULT_KEEP_TOOL_RESULTS if kept is None else kept


def _tight(room: Room, gentle: View) -> View:
    """The first view that has the wanted size, from the one that leaves out least on; else the smallest."""
    view = gentle
    for keep in reversed(range(_kept_results(room.run))):
        view = view.trimmed(room.said, keep)
        if room.size(view) <= room.target_bytes:
            return view
    for limit in RESULT_LIMITS_BYTES:
        view = replace(view, cut_before=room.said.end, cut_bytes=limit)
        if room.size(view) <= room.target_bytes:
            break
    return view


def _shortened(room: Room, view: View) -> RunContext:
    return room.context.with_changes(
        tokens=room.tokens_of(room.size(view)),
        too_long=False,
        shortened=room.context.shortened + 1,
        trimmed_before=view.trimmed_before,
        cut_before=view.cut_before,
        cut_bytes=view.cut_bytes,
    )


def _may_summarise(run: TaskRun, context: RunContext) -> bool:
    failure = context.summary_failure
    if failure is None:
        return True
    return run.status.turn - failure.turn >= (1 if context.too_long else SUMMARY_PAUSE_TURNS)


def _summariser_trouble(observed: Observed) -> str | None:
    """Why the Agent's summariser cannot be asked."""
    wanted = contextsize.settings(observed.run).summariser
    if wanted is None:
        return None
    llm, name = observed.summariser, wanted.llm_ref.name
    if llm is None:
        return f'LLM "{name}" of context.summariser does not exist'
    if llm.status.status != StatusType.READY:
        return reasons.with_cause(f'LLM "{name}" of context.summariser is not ready', llm.status.status_detail)
    return None


def _summary(observed: Observed, choice: Choice, room: Room, gentle: View, attempt: int) -> Summarise | None:
    """The summary that makes the request short enough; None where it would not be worth it."""
    limit_bytes = int(min(SUMMARY_BYTES, max(room.target_bytes / 4, RESULT_LIMITS_BYTES[-1])))
    view = _summarised(room, gentle, limit_bytes)
    if view is None:
        return None
    left = room.size(replace(view, summary=""))
    if left + limit_bytes > WORTH_IT * room.now_bytes and not room.context.too_long:
        return None
    return Summarise(
        llm=observed.summariser or choice.llm,
        turn=observed.run.status.turn,
        attempt=attempt,
        through=view.through,
        limit_bytes=limit_bytes,
        request_bytes=max(_summary_request_bytes(observed, room), limit_bytes),
        rest_tokens=room.tokens_of(left),
        choice=choice,
    )


def _summary_request_bytes(observed: Observed, room: Room) -> int:
    """Most bytes of what the summariser is sent: what a request of the run shall have, or what its own window takes."""
    window = contextsize.window_tokens(observed.summariser)
    if window is None:
        return int(room.target_bytes)
    return int(room.now_bytes * SHORTENED_TO * window / room.tokens)


def _summarised(room: Room, gentle: View, limit_bytes: int) -> View | None:
    """The view with the longest part of the newest turns that fits; None where no turn is left to be summarised."""
    turns = room.said.places_of("assistant")
    wanted = min(contextsize.settings(room.run).keep_turns or DEFAULT_KEEP_TURNS, len(turns))
    best: View | None = None
    for keep in range(1, wanted + 1):
        through = _before_users(room.said, turns[-keep])
        view = replace(gentle, through=through, summary=" " * limit_bytes)
        if not any(message.role == "assistant" for message in room.said.between(gentle.through, through)):
            break
        if best is not None and room.size(view) > room.target_bytes:
            break
        best = view
    return best


def _before_users(said: Excerpt, place: int) -> int:
    """The place of the messages of the user that lead to a turn."""
    while any(message.role == "user" for message in said.between(place - 1, place)):
        place -= 1
    return place


def _exceeded(observed: Observed, llm: LLM, why: str) -> str:
    run = observed.run
    context, window = run.status.context or RunContext(), contextsize.window_tokens(llm)
    name = llm.metadata.name
    if context.too_long:
        return f"the conversation is too long for the model, and {why}: {run.status.error or 'the provider refused it'}"
    return f'the conversation has {context.tokens} tokens, LLM "{name}" takes {window}, and {why}'
