"""What can be done about a TaskRun: one frozen value for each, named by its verb."""

from __future__ import annotations

from dataclasses import dataclass

from kubechain.api.message import Message
from kubechain.api.taskrun import PendingToolCall, Pinned, PlanStep
from kubechain.controllers.offers import Offer


@dataclass(frozen=True, slots=True)
class Rest:
    """Nothing to do: the run is over, or its next moment is known.

    Attributes:
        requeue_after_seconds: None waits for a watch event.
    """

    requeue_after_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """Something that the run needs is not there; a watch brings the run back."""

    detail: str


@dataclass(frozen=True, slots=True)
class Begin:
    """W1: pin what the run means, and start the conversation."""

    pinned: Pinned
    context_window: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class SendToLLM:
    """W2: claim the model call of this turn, then make it."""

    turn: int
    attempt: int
    offers: tuple[Offer, ...] = ()
    """What the model may call."""


@dataclass(frozen=True, slots=True)
class CreateToolCalls:
    """W4: make the objects of the turn's tool calls that are not there yet."""

    missing: tuple[PendingToolCall, ...]


@dataclass(frozen=True, slots=True)
class AnswerToolCalls:
    """W5: the answers to all tool calls of the turn, in order.

    Attributes:
        plan: The agent's newest plan; None when it did not touch it in this turn.
    """

    messages: tuple[Message, ...]
    plan: tuple[PlanStep, ...] | None = None


@dataclass(frozen=True, slots=True)
class Fail:
    """The run ends without an answer, with the reason recorded."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Cancel:
    """A person stopped the run."""


@dataclass(frozen=True, slots=True)
class Delete:
    """The finished run has outlived its time."""


Step = Rest | Wait | Begin | SendToLLM | CreateToolCalls | AnswerToolCalls | Fail | Cancel | Delete
