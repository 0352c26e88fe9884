"""What a tool call does next: one frozen value for each step.

`Execute`, `Delegate`, `Wait` and `Fail` are planned by the sort of the tool (`kubechain.controllers.toolkinds`).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from kubechain.api.humanrequest import HumanRequest
from kubechain.api.taskruntoolcall import Approval, Elicitation, Execution, HumanInput
from kubechain.controllers.frame import Done
from kubechain.controllers.inquiries import Inquiry
from kubechain.controllers.toolkinds.model import Delegate, Execute, Fail, Wait

__all__ = [
    "Approve",
    "Ask",
    "Cancel",
    "CreateRequest",
    "Delegate",
    "Done",
    "Execute",
    "Fail",
    "Follow",
    "GoOn",
    "Hold",
    "LookForChild",
    "Proceed",
    "Reject",
    "Release",
    "ReportUnknown",
    "Step",
    "TakeAnswer",
    "TakeReply",
    "Wait",
]


@dataclass(frozen=True, slots=True)
class Ask:
    """T1: record that a person is asked, and until when they may decide."""

    asked: Approval | HumanInput


@dataclass(frozen=True, slots=True)
class CreateRequest:
    """Create the request that T1 announced: the caches have none, or another one of its name.

    Attributes:
        inquiry: What it asks: a request of its name that shows anything else is not it.
    """

    request: HumanRequest = field(repr=False)
    inquiry: Inquiry = field(repr=False)


@dataclass(frozen=True, slots=True)
class Approve:
    """T3: record that a person approved the call."""

    approval: Approval


@dataclass(frozen=True, slots=True)
class Reject:
    """T3: the call is not made, since a person, a policy or the time is against it.

    Attributes:
        message: Why; the model reads it.
        asked: With the decision, where there is one.
    """

    message: str
    asked: Approval | HumanInput | None = None


@dataclass(frozen=True, slots=True)
class TakeReply:
    """T3: a person told the result of the call: the answer to its question, or what it led to.

    Attributes:
        input: With the decision.
        result: What the model reads.
    """

    input: HumanInput
    result: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Proceed:
    """T3: a person replied to what the MCP server asks: ask for the next thing, or make the call again.

    Attributes:
        input: With the decision.
        elicitation: With the reply, or with what was wrong with it.
    """

    input: HumanInput
    elicitation: Elicitation = field(repr=False)


@dataclass(frozen=True, slots=True)
class GoOn:
    """T3: a person answered, and another attempt of the call may be made.

    Attributes:
        input: With the decision.
        detail: What the status says.
    """

    input: HumanInput
    detail: str


@dataclass(frozen=True, slots=True)
class LookForChild:
    """Read the other Agent's run from the server: it was created and is not in the cache."""


@dataclass(frozen=True, slots=True)
class TakeAnswer:
    """The other Agent's run has ended with an answer."""

    output: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Follow:
    """T6: what an interrupted attempt started goes on by itself: claim it, and wait for its end. Starts nothing.

    Attributes:
        execution: Claim of the attempt.
    """

    execution: Execution


@dataclass(frozen=True, slots=True)
class ReportUnknown:
    """T6: the call was interrupted and is not safe to repeat.

    Attributes:
        message: Why it is not known whether it took effect.
        input: What a person was asked about it, where they do not know either or said nothing; None where nobody was
            asked yet.
    """

    message: str
    input: HumanInput | None = None


@dataclass(frozen=True, slots=True)
class Cancel:
    """No run waits for the call any more."""

    message: str


@dataclass(frozen=True, slots=True)
class Hold:
    """Add the finalizer: a call that acts outside must not vanish before its run has read the result."""


@dataclass(frozen=True, slots=True)
class Release:
    """The call is over and its run needs the object no longer: drop the finalizer."""


Verdict = Ask | Approve | Reject | GoOn

Step = (
    Execute
    | Delegate
    | Wait
    | Fail
    | Verdict
    | CreateRequest
    | TakeReply
    | Proceed
    | Follow
    | LookForChild
    | TakeAnswer
    | ReportUnknown
    | Cancel
    | Hold
    | Release
)
