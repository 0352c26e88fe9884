"""The end of a conversation that is nearly as large as its object may be: the model is asked for its answer.

Without it, a run whose conversation no longer fits would end without what it had reached. Pure functions, called from
`decide`, `settle` and `rendering`; the size itself is counted by `conversation.Transcript`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from kubechain.api import conditions, reasons
from kubechain.api.message import Message
from kubechain.api.meta import Condition
from kubechain.api.taskrun import TaskRun
from kubechain.controllers.frame import Event, warning
from kubechain.controllers.taskrun.conversation import (
    CONTEXT_WINDOW_MAX_BYTES,
    RESULT_LIMITS_BYTES,
    Transcript,
)

FROM_BYTES = 1_000_000
"""From this size on the model is asked for its answer; the rest is for the results of one more turn and the answer."""

RESULTS_UNTIL_BYTES = 950_000
"""Results are truncated so that the messages in the status stay below this size until they are moved."""

KEPT_RESULTS = 5
"""The newest tool results that the model still reads in the closing turn; older ones are left out of the request."""

QUESTION = (
    "This conversation has nearly reached the largest size that can be stored. Do not call any more tools. "
    "Answer now with what you have found so far, and say what is still open."
)


NO_ANSWER = "the conversation is as large as can be stored, and the model asked for tool calls in place of its answer"


def is_due(run: TaskRun, transcript: Transcript) -> bool:
    """Whether the next turn is to be the last."""
    return transcript.size_bytes > FROM_BYTES or has_begun(run)


def asked(transcript: Transcript) -> Transcript:
    """The conversation with the question for the answer at its end, once."""
    is_asked = any(message.role == "user" and message.content == QUESTION for message in transcript.messages)
    return transcript if is_asked else transcript.appended(Message(role="user", content=QUESTION))


def has_begun(run: TaskRun) -> bool:
    """Whether the model was asked for its answer."""
    return conditions.is_true(run.status.conditions, conditions.WINDOW_FULL)


def told(
    run: TaskRun, known: Sequence[Condition], events: Sequence[Event], now: datetime
) -> tuple[Sequence[Condition], Sequence[Event]]:
    """The condition of a run that is being closed, and the event that tells of it once.

    Args:
        known: The conditions to add it to.
        events: The events to add it to.
    """
    if has_begun(run):
        return known, events
    size = Transcript.of(run).size_bytes
    text = f"the conversation has {size} of {CONTEXT_WINDOW_MAX_BYTES} bytes: the model is asked for its answer"
    full = conditions.with_condition(
        known,
        type=conditions.WINDOW_FULL,
        status=True,
        reason=reasons.CONTEXT_WINDOW_FULL,
        message=text,
        now=now,
        observed_generation=run.metadata.generation,
    )
    return full, (*events, warning(reasons.CONTEXT_WINDOW_FULL, text))


def results(transcript: Transcript, make: Callable[[int], tuple[Message, ...]]) -> tuple[Message, ...]:
    """The results of a turn, each as long as the conversation leaves room for.

    Args:
        make: The messages with results of at most so many bytes.
    """
    made: tuple[Message, ...] = ()
    for limit in RESULT_LIMITS_BYTES:
        made = make(limit)
        if transcript.appended(*made).size_bytes <= RESULTS_UNTIL_BYTES:
            break
    return made
