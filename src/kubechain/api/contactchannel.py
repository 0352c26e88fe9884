"""ContactChannel: a channel to people, for approvals and questions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from kubechain.api import conditions
from kubechain.api.meta import KubeModel, ReadinessStatus, StatusObject
from kubechain.api.references import SecretKeySource
from kubechain.api.schema import Rule, Schema, ShortText, Text, Url

ContactChannelType = Literal["slack", "email", "webhook"]


class SlackChannel(KubeModel):
    """A Slack channel or user."""

    channel_or_user_id: Annotated[str, Schema(max_length=64, pattern=r"^[CU][A-Z0-9]+$")] = Field(
        description="Id of the channel (C…) or user (U…)."
    )
    context_about_channel_or_user: Text | None = Field(
        default=None, description="Who is reached here; the model decides by this whom to ask."
    )
    allowed_responder_ids: Annotated[
        tuple[Annotated[str, Schema(max_length=64, pattern=r"^[UW][A-Z0-9]+$")], ...], Schema(max_items=256)
    ] = Field(default=(), description="Ids of the users whose answers count. Empty: anyone in the channel.")


class EmailChannel(KubeModel):
    """A person's e-mail address."""

    address: Annotated[str, Schema(max_length=320, pattern=r"^[^@\s]+@[^@\s]+$")] = Field(description="E-mail address.")
    context_about_user: Text | None = Field(
        default=None, description="Who is reached here; the model decides by this whom to ask."
    )
    subject: ShortText | None = Field(default=None, description="Subject of the messages.")


class WebhookChannel(KubeModel):
    """An HTTP endpoint that receives the question and passes it on to people."""

    url: Url = Field(description="Address that the question is posted to.")


def _needs(type_: str) -> Rule:
    """A rule that a channel of a type has the block of that name; blocks of other types are ignored."""
    return Rule(f"self.type != '{type_}' || has(self.{type_})", f"{type_} must be set for type {type_}", f".{type_}")


class ContactChannelSpec(KubeModel):
    """Address of the people, and the credentials to reach them."""

    crd_rules = (
        _needs("slack"),
        _needs("email"),
        _needs("webhook"),
    )

    type: ContactChannelType = Field(description="How people are reached: slack, email or webhook.")
    api_key_from: SecretKeySource | None = Field(
        default=None,
        description="Secret that holds the token of the service, or the key that webhooks are signed with.",
    )
    slack: SlackChannel | None = Field(
        default=None, description="The Slack channel or user, for type slack; ignored for others."
    )
    email: EmailChannel | None = Field(
        default=None, description="The e-mail address, for type email; ignored for others."
    )
    webhook: WebhookChannel | None = Field(
        default=None, description="The endpoint, for type webhook; ignored for others."
    )


class ContactChannelStatus(ReadinessStatus):
    """Whether people can be reached."""

    condition_types: ClassVar[Mapping[str, str]] = {
        **ReadinessStatus.condition_types,
        conditions.BLOCKS_IGNORED: "True when the spec has blocks of other types; the message names them",
    }


class ContactChannel(StatusObject[ContactChannelSpec, ContactChannelStatus]):
    """A way to reach people, for approvals and questions."""

    kind: str = "ContactChannel"
    status: ContactChannelStatus = Field(default_factory=ContactChannelStatus)
