"""HumanRequest: something that a person decides before a run goes on.

The manager writes `spec.request`, a person `spec.decision`, with kubectl alone if they like. Both are written once.
What was asked is bound to its answer by a digest, so that nothing else is carried out than what a person saw.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from kubechain.api.approval import ANSWERING, Comment, DecisionChoice, DecisionIdentity, Digest, Person
from kubechain.api.budget import OF_AGENT, OF_BUDGET
from kubechain.api.meta import KubeModel, MicroTime, StatusBase, StatusObject, Time
from kubechain.api.references import LocalObjectReference
from kubechain.api.schema import (
    Json,
    Name,
    NonNegativeInt,
    Rule,
    Schema,
    ShortText,
    Text,
    Url,
    final_phase_rule,
    was_over,
)

DECIDED = "Decided"
"""Condition of a request: a person decided, and the decision is recorded in what asked."""

REMINDED = "Reminded"
"""Condition of a request: nobody had decided for some time, and people were reminded."""

DELIVERED = "Delivered"
"""Condition of a request: it was sent to its contact channel."""

SHOWN_ARGUMENTS_LIMIT = 64 * 1024
"""Longest arguments that a request shows whole, in characters."""

_Arguments = Annotated[str, Schema(max_length=SHOWN_ARGUMENTS_LIMIT)]


class HumanRequestType(StrEnum):
    """What a person is asked for."""

    APPROVAL = "Approval"
    QUESTION = "Question"
    FORM = "Form"
    URL = "Url"
    BUDGET = "Budget"
    OUTCOME = "Outcome"


class HumanRequestPhase(StrEnum):
    """The phase of a request; all but Open are final."""

    OPEN = "Open"
    DECIDED = "Decided"
    EXPIRED = "Expired"
    WITHDRAWN = "Withdrawn"

    @property
    def is_terminal(self) -> bool:
        """Whether nobody waits for a decision any more."""
        return self in TERMINAL_HUMAN_REQUEST_PHASES


TERMINAL_HUMAN_REQUEST_PHASES = frozenset(
    {HumanRequestPhase.DECIDED, HumanRequestPhase.EXPIRED, HumanRequestPhase.WITHDRAWN}
)

SubjectResource = Literal["mcpservers", "tools", "agents", "contactchannels", "budgets"]


class RequestSubject(KubeModel):
    """The object that the request is about: who has the verb approve on it may decide."""

    resource: SubjectResource = Field(description="Resource of the object, as RBAC names it.")
    name: Name = Field(description="Name of the object, in the same namespace.")


class RequestContent(KubeModel):
    """What is asked. Written by the manager, once."""

    type: HumanRequestType = Field(description="What is asked for.")
    subject: RequestSubject = Field(
        description="Object that the request is about: who has the verb approve on it may decide."
    )
    task_run_ref: LocalObjectReference = Field(description="TaskRun that waits for the decision.")
    tool: Annotated[str, Schema(max_length=256)] | None = Field(
        default=None, description="Tool that is to be called, by the name under which the model knows it."
    )
    arguments: _Arguments | None = Field(
        default=None,
        description="Arguments of the call as JSON text, byte for byte; the start and the end of longer ones.",
    )
    digest: Digest = Field(
        description="SHA-256 over type, subject, tool, the whole arguments, message, schema and url; a decision "
        "repeats it. That of an Approval is without the message, which only lays out the rest."
    )
    message: Text | None = Field(default=None, description="What is asked, or why.")
    schema_: Json | None = Field(
        default=None,
        description="Form: JSON schema of the answer, flat, as MCP servers send it.",
    )
    url: Url | None = Field(default=None, description="Url: the address that a person is asked to open.")
    choices: Annotated[tuple[DecisionChoice, ...], Schema(min_items=1, max_items=8)] = Field(
        description="What a person may choose."
    )
    requested_by: Person | None = Field(
        default=None,
        description="User who created the TaskRun, where an admission policy recorded it; they may not decide.",
    )
    policy_hash: Annotated[str, Schema(max_length=64)] | None = Field(
        default=None, description="SHA-256 of the ApprovalPolicies that applied."
    )
    expires_at: Time | None = Field(default=None, description="When the request expires. Not set: never.")

    @property
    def is_beyond_budget(self) -> bool:
        """Whether a Budget of the namespace is spent, and not a limit of the run's Agent reached."""
        return self.subject.resource == "budgets"

    @property
    def addable(self) -> tuple[str, ...]:
        """The fields that an answer to a request of type Budget may have."""
        return OF_BUDGET if self.is_beyond_budget else OF_AGENT


class Decision(KubeModel):
    """What a person decided. Written once."""

    choice: DecisionChoice = Field(description="One of the choices of the request.")
    digest: Digest = Field(description="The digest of the request, as a proof of what was decided about.")
    by: Person | None = Field(
        default=None,
        description="User who decides: filled in, or compared, where the admission policies are installed.",
    )
    through: Annotated[str, Schema(max_length=512)] | None = Field(
        default=None, description="Channel that carried the decision. Set by the manager alone."
    )
    comment: Comment | None = Field(
        default=None, description="What the person adds; the model reads it when the call is rejected."
    )
    arguments: _Arguments | None = Field(
        default=None, description="Approval: arguments as JSON text to call the tool with instead, with choice Approve."
    )
    answer: Annotated[str, Schema(max_length=SHOWN_ARGUMENTS_LIMIT)] | None = Field(
        default=None,
        description="Question: the answer. Form: the fields as a JSON object. Budget: what is added to the limits, as "
        "a JSON object. Outcome, with choice Happened: the result of the call.",
    )


_ONCE = Rule(
    "!has(oldSelf.decision) || (has(self.decision) && self.decision == oldSelf.decision)",
    "the request is decided: a decision is made once and stays",
    ".decision",
)
_SAME_DIGEST = Rule(
    "!has(self.decision) || self.decision.digest == self.request.digest",
    "decision.digest must be the digest of this request: it says what was decided about",
    ".decision",
)
_KNOWN_CHOICE = Rule(
    "!has(self.decision) || self.decision.choice in self.request.choices",
    "decision.choice must be one of request.choices",
    ".decision",
)
_ARGUMENTS_WITH_APPROVE = Rule(
    "!has(self.decision) || !has(self.decision.arguments) || self.decision.choice == 'Approve'",
    "other arguments go with choice Approve only: they are for this one call",
    ".decision",
)


_ANSWER_WITH_ANSWERING = Rule(
    "!has(self.decision) || !has(self.decision.answer) || "
    f"self.decision.choice in [{', '.join(repr(choice.value) for choice in sorted(ANSWERING))}]",
    f"an answer goes with choice {', '.join(sorted(ANSWERING))} only",
    ".decision",
)


class HumanRequestSpec(KubeModel):
    """What is asked, and what was decided."""

    crd_rules = (
        Rule("self.request == oldSelf.request", "a request is immutable: it is what people decide about", ".request"),
        _ONCE,
        _SAME_DIGEST,
        _KNOWN_CHOICE,
        _ARGUMENTS_WITH_APPROVE,
        _ANSWER_WITH_ANSWERING,
    )

    request: RequestContent = Field(description="What is asked.")
    decision: Decision | None = Field(default=None, description="What a person decided; absent until then.")


class DeliveryState(StrEnum):
    """What became of a request at its channel."""

    SENDING = "Sending"
    SENT = "Sent"
    FAILED = "Failed"
    UNCLEAR = "Unclear"
    CLOSED = "Closed"


class Delivery(KubeModel):
    """The request at one contact channel."""

    channel: Name = Field(description="ContactChannel that carries the request.")
    state: DeliveryState = Field(
        description="Sending: claimed by a manager, until nextAttemptAt. Sent: people can read it. Failed: it was not "
        "sent. Unclear: it may have been sent, and is looked up first. Closed: the channel says how it ended."
    )
    reminder: bool = Field(default=False, description="Whether it is the reminder, which comes after a first message.")
    attempts: NonNegativeInt = Field(default=0, description="How many times it was tried.")
    sent_at: MicroTime | None = Field(default=None, description="When it was sent.")
    external_id: Annotated[str, Schema(max_length=512)] | None = Field(
        default=None, description="What the channel calls the message."
    )
    next_attempt_at: MicroTime | None = Field(default=None, description="When it is tried again.")
    error: ShortText | None = Field(default=None, description="Why the last attempt failed.")


class HumanRequestStatus(StatusBase):
    """What became of the request."""

    condition_types: ClassVar[Mapping[str, str]] = {
        DECIDED: "True once a person decided in time",
        DELIVERED: "True once the request was sent to its contact channel; kubectl works with and without one",
        REMINDED: "True once people were reminded, where the tool's terms want that",
    }

    phase: HumanRequestPhase | None = Field(default=None, description="Phase of the request. All but Open are final.")
    deliveries: Annotated[tuple[Delivery, ...], Schema(max_items=16)] = Field(
        default=(), description="Where the request was sent."
    )
    decided_at: MicroTime | None = Field(default=None, description="When the manager saw the decision.")
    identity: DecisionIdentity | None = Field(
        default=None,
        description="Verified: the API server compared decision.by with the user who wrote it. Delegated: a channel "
        "vouches for it. Claimed: nobody compared, because the admission policies are not installed.",
    )

    @property
    def is_over(self) -> bool:
        """Whether the phase is the last one."""
        return self.phase is not None and self.phase.is_terminal


class HumanRequest(StatusObject[HumanRequestSpec, HumanRequestStatus]):
    """Something that a person decides before a run goes on."""

    crd_rules = (
        final_phase_rule(TERMINAL_HUMAN_REQUEST_PHASES, "the request is over: its phase is final"),
        Rule(
            f"!({was_over(TERMINAL_HUMAN_REQUEST_PHASES)}) || has(self.spec.decision) == has(oldSelf.spec.decision)",
            "the request is over, and nobody waits for a decision: status.phase says how it ended",
            ".spec.decision",
        ),
    )

    kind: str = "HumanRequest"
    status: Annotated[HumanRequestStatus, Schema(extra={"default": {"phase": HumanRequestPhase.OPEN.value}})] = Field(
        default_factory=HumanRequestStatus
    )


def request_digest(
    type: HumanRequestType,
    subject: RequestSubject,
    *,
    tool: str = "",
    arguments: str = "",
    message: str = "",
    detail: str = "",
) -> str:
    """Return the digest that binds a decision to what was asked.

    The canonical form is a JSON array of six strings (type, the subject's resource and name, tool, arguments, message)
    without spaces and in ASCII, other characters escaped; what is absent is the empty string. Arguments are taken
    as text, byte for byte and whole, however much of them a request shows. A request with a schema or a url has it as
    a seventh string. That of an Approval is without its message.

    Args:
        detail: The url, or the schema as JSON text; the caller writes the same schema the same way each time.
    """
    parts = [type.value, subject.resource, subject.name, tool, arguments, message, *([detail] if detail else [])]
    canonical = json.dumps(parts, separators=(",", ":"), ensure_ascii=True)
    return f"sha256:{hashlib.sha256(canonical.encode('ascii')).hexdigest()}"
