"""What several kinds say about approvals: how an object asks for them, and how a decision is recorded."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from kubechain.api.globs import Glob
from kubechain.api.meta import KubeModel, MicroTime, Time
from kubechain.api.references import LocalObjectReference
from kubechain.api.schema import Duration, Name, Rule, Schema

DEFAULT_EXPIRE_AFTER = "168h"
"""Seven days."""

NEVER = "never"

Expiry = Annotated[str, Schema(max_length=32, pattern=r"^(never|([0-9]+(\.[0-9]+)?(ms|s|m|h))+)$")]
"""A duration as Go programs write it, or `never`."""

Digest = Annotated[str, Schema(max_length=71, pattern=r"^sha256:[0-9a-f]{64}$")]

Person = Annotated[str, Schema(min_length=1, max_length=512)]
"""A user name as the API server knows it, or an id at a channel such as `slack:U123`."""

Comment = Annotated[str, Schema(max_length=4096)]


class DecisionChoice(StrEnum):
    """What a person may choose."""

    APPROVE = "Approve"
    REJECT = "Reject"
    APPROVE_FOR_RUN = "ApproveForRun"
    ANSWER = "Answer"
    DONE = "Done"
    HAPPENED = "Happened"
    DID_NOT_HAPPEN = "DidNotHappen"
    UNKNOWN = "Unknown"


ANSWERING = frozenset({DecisionChoice.ANSWER, DecisionChoice.APPROVE, DecisionChoice.HAPPENED})
"""Choices that an answer goes with: the text of a question, the fields of a form, what a budget gets, a result."""


class DecisionIdentity(StrEnum):
    """How sure it is that a decision was made by the person that it names.

    Verified: the API server compared the name with the user who wrote it. Delegated: a channel vouches for the name.
    Claimed: nobody compared.
    """

    VERIFIED = "Verified"
    DELEGATED = "Delegated"
    CLAIMED = "Claimed"


class AskedOfPerson(KubeModel):
    """What a person is asked, and what they decided, as the object that asks records it."""

    digest: Digest = Field(description="Digest of what the person is asked; only a decision with this digest counts.")
    request_name: Name = Field(description="HumanRequest that asks.")
    expires_at: Time | None = Field(default=None, description="When the request expires. Not set: never.")
    choice: DecisionChoice | None = Field(default=None, description="The decision; the first one counts.")
    by: Person | None = Field(default=None, description="Who decided.")
    through: Annotated[str, Schema(max_length=512)] | None = Field(
        default=None, description="Channel that carried the decision, if one did."
    )
    at: MicroTime | None = Field(default=None, description="When the manager saw the decision.")
    identity: DecisionIdentity | None = Field(
        default=None,
        description="Verified: the API server compared by with the user who wrote the decision. Delegated: a channel "
        "vouches for it. Claimed: nobody compared.",
    )
    comment: Comment | None = Field(default=None, description="What the person added.")


class Escalation(KubeModel):
    """Who is asked as well when nobody decides."""

    channel: Name = Field(description="ContactChannel that the request is sent to as well.")
    after: Duration = Field(description='How long after the request, a duration such as "4h".')


class ApprovalTerms(KubeModel):
    """How calls of a tool are approved."""

    expire_after: Expiry | None = Field(
        default=None,
        description='How long a person has to decide: a duration such as "30m" or "72h", or "never". After it the call '
        f"is rejected. Default: {DEFAULT_EXPIRE_AFTER}, which is seven days.",
    )
    on_expiry: Literal["Reject"] | None = Field(
        default=None, description="What becomes of a call about which nobody decided in time: it is rejected."
    )
    remind_after: Duration | None = Field(
        default=None,
        description='How long after the request people are reminded, once, a duration such as "24h": by an event of '
        "the request, and by a second message where it has a channel. Not set: never.",
    )
    escalate_to: Escalation | None = Field(
        default=None, description="A second channel that is asked when nobody has decided for some time."
    )


class PinnedApproval(KubeModel):
    """The approval that a tool asked for when the run began."""

    expire_after: Expiry | None = Field(
        default=None, description='How long a person has to decide, or "never". Not set: the default.'
    )
    channel: Annotated[str, Schema(max_length=253)] | None = Field(
        default=None, description="ContactChannel that was named for it."
    )
    remind_after: Duration | None = Field(default=None, description="When people are reminded. Not set: never.")
    escalate_to: Escalation | None = Field(default=None, description="Who is asked as well when nobody decides.")

    @classmethod
    def of(cls, terms: ApprovalTerms | None, channel: LocalObjectReference | None) -> PinnedApproval:
        """What is pinned of the terms and the channel that a spec has."""
        named = {} if channel is None else {"channel": channel.name}
        own = ("expire_after", "remind_after", "escalate_to")
        said = {} if terms is None else {name: getattr(terms, name) for name in own if getattr(terms, name) is not None}
        return cls(**named, **said)


class MCPApprovalTerms(ApprovalTerms):
    """How calls of a server's tools are approved, and which of them need it."""

    tools: Annotated[tuple[Glob, ...], Schema(max_items=256)] = Field(
        default=(),
        description="Names of the tools whose calls must be approved, as the server has them; * stands for any text "
        "and ? for one character. Empty: all tools of the server.",
    )
    except_read_only: bool | None = Field(
        default=None,
        description="Whether tools that only read, as the server's annotations say, are called without approval. It "
        "counts where trustAnnotations is true.",
    )


def terms_need_approval(asks: str) -> Rule:
    """A rule that `approval` is set only where calls are approved at all.

    Args:
        asks: Expression, true where a call must be approved.
    """
    return Rule(
        f"!has(self.approval) || {asks}",
        "approval says how calls are approved, not that they are: set requiresApproval to true as well, or "
        "approvalContactChannel",
        ".approval",
    )
