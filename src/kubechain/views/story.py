"""The story of a run: what was said and called, by whom it waits, what it cost. Values, without the objects behind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal

from kubechain.api.approval import DecisionChoice, DecisionIdentity
from kubechain.api.humanrequest import RequestContent
from kubechain.api.planstep import PlanStep
from kubechain.api.taskrun import TaskRunPhase, ToolCallType
from kubechain.api.taskruntoolcall import ToolCallPhase
from kubechain.api.usage import Spending, Usage


class WaitKind(StrEnum):
    """What something waits for."""

    PERSON = "Person"
    MODEL = "Model"
    QUEUE = "Queue"
    RETRY = "Retry"
    TOOL = "Tool"
    OBJECT = "Object"
    MANAGER = "Manager"
    CANCELLATION = "Cancellation"


@dataclass(frozen=True, slots=True)
class Wait:
    """What a run, a call or another object waits for, and what would end the wait.

    Attributes:
        who: What waits, such as `taskrun/hello-1`.
        what: What it waits for, after the word "waits".
        ends: What would end the wait, in a sentence.
        commands: What a person types to end it, or to learn more.
        since: When the wait began; None where that is not known.
        until: When it ends by itself.
    """

    kind: WaitKind
    who: str
    what: str
    ends: str = ""
    commands: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """A message of the system or the user.

    Attributes:
        is_earlier: Whether it is of the conversation that the run started from.
    """

    role: Literal["system", "user"]
    text: str
    is_earlier: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person was asked about a call or a run, and what they decided.

    Attributes:
        since: When the question was asked; None where the request is gone.
    """

    request: str
    choice: DecisionChoice | None = None
    by: str | None = None
    identity: DecisionIdentity | None = None
    comment: str | None = None
    at: datetime | None = None
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """A HumanRequest that nobody has decided yet.

    Attributes:
        request: Its name.
    """

    request: str
    content: RequestContent
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """One tool call.

    Attributes:
        name: Of its TaskRunToolCall; empty where there is none, or it is gone.
        phase: None where that is not known.
        result: What the model read, or will read; None while there is none.
        is_error: Whether the call failed, was refused or has no outcome.
        child: The run of another agent that answers it.
    """

    id: str
    name: str
    tool: str
    arguments: str
    type: ToolCallType | None = None
    phase: ToolCallPhase | None = None
    detail: str = ""
    result: str | None = None
    is_error: bool = False
    started_at: datetime | None = None
    ended_at: datetime | None = None
    asked: tuple[Asked, ...] = ()
    child: Story | None = None
    waits: tuple[Wait, ...] = ()

    @property
    def is_over(self) -> bool:
        """Whether the call has its result."""
        return self.result is not None or (self.phase is not None and self.phase.is_terminal)


@dataclass(frozen=True, slots=True)
class Turn:
    """One answer of the model, and the calls that it asked for.

    Attributes:
        number: From 1; 0 for an answer of the conversation that the run started from.
        llm: That answered, where it is not the run's own.
        spent: By the model call that was answered; None where no record of the turn is kept, as of its times.
    """

    number: int
    text: str
    calls: tuple[Call, ...] = ()
    llm: str = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    spent: Usage | None = None


Entry = Said | Turn


_NOTHING = Spending()


@dataclass(frozen=True, slots=True)
class Story:
    """One run, and the runs below it.

    Attributes:
        parent: The TaskRunToolCall that this run answers; None for a run that a person started.
        continues: The run whose conversation this one starts from.
        turn_count: Model calls whose answer was processed.
        spent: By this run alone.
        total: With all runs below it.
        waits: What it waits for, the runs below it included; empty once it is over.
        questions: What people can decide about now, without those of the runs below it.
        gaps: What of the story cannot be told, such as messages whose ContextChunk is gone.
    """

    namespace: str
    name: str
    agent: str
    phase: TaskRunPhase | None
    llm: str = ""
    task: str | None = None
    parent: str | None = None
    continues: str | None = None
    detail: str = ""
    error: str | None = None
    question: str = ""
    output: str = ""
    entries: tuple[Entry, ...] = ()
    turn_count: int = 0
    created_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    spent: Spending = _NOTHING
    total: Spending = _NOTHING
    plan: tuple[PlanStep, ...] = ()
    asked: tuple[Asked, ...] = ()
    waits: tuple[Wait, ...] = ()
    gaps: tuple[str, ...] = ()
    questions: tuple[Question, ...] = ()

    @property
    def is_over(self) -> bool:
        """Whether the run has ended."""
        return self.phase is not None and self.phase.is_terminal

    @property
    def waits_for_people_alone(self) -> bool:
        """Whether nothing but a person moves the run."""
        return bool(self.waits) and all(wait.kind is WaitKind.PERSON for wait in self.waits)

    @property
    def calls(self) -> Sequence[Call]:
        """Its tool calls, in order."""
        return [call for entry in self.entries if isinstance(entry, Turn) for call in entry.calls]

    def tree(self) -> Iterator[Story]:
        """Yield the run, and then those below it."""
        yield self
        for call in self.calls:
            if call.child is not None:
                yield from call.child.tree()
