"""What a TaskRun does next: one frozen value for each step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from kubechain.api.budget import BudgetRequest
from kubechain.api.context import RunContext, Summary
from kubechain.api.continuation import ContinuedFrom
from kubechain.api.grant import Grant
from kubechain.api.humanrequest import HumanRequest
from kubechain.api.llm import LLM
from kubechain.api.message import Message
from kubechain.api.taskrun import PendingToolCall, Pinned
from kubechain.api.usage import Spending
from kubechain.controllers.inquiries import Inquiry
from kubechain.controllers.taskrun.conversation import Transcript
from kubechain.controllers.taskrun.fallbacks import Choice
from kubechain.controllers.toolkinds.model import Offer


@dataclass(frozen=True, slots=True)
class Wait:
    """Something that the run needs is missing; a watch event requeues the run.

    Attributes:
        requeue_after_seconds: When to reconcile without one; None for never.
        is_broken: Whether waiting alone will not help: a person has to act.
        blocked_since: Where the wait has a limit: since when.
        budget: Name of the Budget that is waited for, if one is.
    """

    detail: str
    requeue_after_seconds: float | None = None
    is_broken: bool = False
    blocked_since: datetime | None = None
    budget: str | None = None


@dataclass(frozen=True, slots=True)
class Continued:
    """Where the conversation that a run begins with comes from.

    Attributes:
        context: What of it the model need not be sent.
        summaries: What it is sent in place of older messages.
    """

    record: ContinuedFrom
    context: RunContext | None = None
    summaries: tuple[Summary, ...] = ()


@dataclass(frozen=True, slots=True)
class Begin:
    """W1: pin Agent, LLM and tools, and start the conversation, or go on with one of an earlier release.

    Attributes:
        pending: Tool calls of an earlier release whose results the conversation lacks.
        turn: How many answers of the model the conversation has.
        is_adopted: Whether an earlier release began the run.
        continued: The run whose conversation this one begins with.
    """

    pinned: Pinned
    transcript: Transcript
    pending: tuple[PendingToolCall, ...] = ()
    turn: int = 0
    is_adopted: bool = False
    continued: Continued | None = None


@dataclass(frozen=True, slots=True)
class SendToLLM:
    """W2: claim the model call of this turn, then make it; W3: record its answer.

    Attributes:
        attempt: How many times the turn's call was started before.
        choice: The LLM that is called.
        offers: What the model may call.
        near: Which limits are nearly reached.
        is_closing: Whether the conversation is nearly too large, so that the model is asked for its answer.
        context: What is left out of the request from now on; None where that stays as it is.
    """

    turn: int
    attempt: int
    choice: Choice
    offers: tuple[Offer, ...] = ()
    near: Sequence[str] = ()
    is_closing: bool = False
    context: RunContext | None = None

    @property
    def llm(self) -> LLM:
        """The LLM that is called."""
        return self.choice.llm


@dataclass(frozen=True, slots=True)
class Summarise:
    """Claim the model call for a summary of old turns, make it, and record the summary.

    Attributes:
        llm: Who writes it.
        attempt: How many times this call was started before.
        through: The first message that it does not replace.
        limit_bytes: Most bytes of it.
        request_bytes: Most bytes of what the model is sent.
        rest_tokens: Size of the next request of the run without the summary.
        choice: The LLM that the turn calls after it.
    """

    llm: LLM
    turn: int
    attempt: int
    through: int
    limit_bytes: int
    request_bytes: int
    rest_tokens: int
    choice: Choice


@dataclass(frozen=True, slots=True)
class CreateToolCalls:
    """W4: create the objects of the turn's tool calls that do not exist yet."""

    missing: tuple[PendingToolCall, ...]


@dataclass(frozen=True, slots=True)
class AnswerToolCalls:
    """W5: append the results of all tool calls of the turn, in order.

    Attributes:
        spent: By the runs of other Agents that answered calls; None when there were none.
        grants: What people approved for the rest of the run.
    """

    messages: tuple[Message, ...]
    spent: Spending | None = None
    grants: tuple[Grant, ...] = ()


@dataclass(frozen=True, slots=True)
class Fail:
    """The run ends without an answer, for a recorded reason.

    Attributes:
        asked: What a person was asked about a limit, with what became of it.
    """

    reason: str
    message: str
    asked: BudgetRequest | None = None


@dataclass(frozen=True, slots=True)
class AskForBudget:
    """The run waits for a person to add to a limit; recorded before they are asked.

    Attributes:
        reached: The limit, in words.
    """

    asked: BudgetRequest
    reached: str


@dataclass(frozen=True, slots=True)
class CreateBudgetRequest:
    """Ask the person.

    Attributes:
        ask: What was recorded before, to be told again where the API server had refused the request.
    """

    request: HumanRequest
    inquiry: Inquiry
    ask: AskForBudget


@dataclass(frozen=True, slots=True)
class WaitAbove:
    """A limit of a run above is reached; that run asks, and its answer wakes this one."""

    detail: str


@dataclass(frozen=True, slots=True)
class GoOn:
    """The run waits no longer at a limit.

    Attributes:
        asked: What it had asked, with what became of it; None where another run asked.
    """

    reason: str
    detail: str
    asked: BudgetRequest | None = None


@dataclass(frozen=True, slots=True)
class HoldForBudgets:
    """Add the finalizer that holds a deleted run until the Budgets that count it have recorded what it spent."""


@dataclass(frozen=True, slots=True)
class Cancel:
    """The run is cancelled by its spec."""


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete a finished run whose time to live is over."""


@dataclass(frozen=True, slots=True)
class Confirm:
    """The spec of a finished run was edited: its conditions hold for that one too."""


Step = (
    Wait
    | Begin
    | SendToLLM
    | Summarise
    | CreateToolCalls
    | AnswerToolCalls
    | AskForBudget
    | CreateBudgetRequest
    | WaitAbove
    | GoOn
    | HoldForBudgets
    | Fail
    | Cancel
    | Confirm
    | Delete
)
