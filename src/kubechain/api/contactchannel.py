"""ContactChannel: a channel to people, for approvals and questions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from kubechain.api import conditions
from kubechain.api.approval import Person
from kubechain.api.meta import UNSEEN, KubeModel, ReadinessStatus, StatusObject
from kubechain.api.references import SecretKeySource
from kubechain.api.schema import Rule, Schema, ShortText, Text, Url

ContactChannelType = Literal["slack", "email", "webhook"]

SLACK_API = "https://slack.com/api/"

_Host = Annotated[str, Schema(min_length=1, max_length=253, pattern=r"^[^\s/@]+$")]
_Address = Annotated[str, Schema(max_length=320, pattern=r"^[^@\s]+@[^@\s]+$")]


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
    signing_secret_from: SecretKeySource | None = Field(
        default=None,
        description="Secret that holds the app's signing secret: answers come by HTTP to "
        "/contact/slack of the inbound port.",
    )
    app_token_from: SecretKeySource | None = Field(
        default=None,
        description="Secret that holds the app-level token (xapp-…, scope connections:write): answers come by Socket "
        "Mode, over a connection that the manager opens, so that no inbound port is needed.",
    )
    api_url: Annotated[str, Schema(max_length=2048, pattern=r"^https?://[^\s]+/$")] | None = Field(
        default=None, description=f"Address of the Web API, where it is not {SLACK_API} itself."
    )


class SmtpServer(KubeModel):
    """The mail server that messages are handed to."""

    host: _Host = Field(description="Name or address of the server.")
    port: Annotated[int, Schema(minimum=1, maximum=65535)] = Field(default=587, description="Port of the server.")
    tls: Literal["StartTLS", "TLS", "None"] = Field(
        default="StartTLS",
        description="StartTLS: the connection is encrypted before anything is sent. TLS: it is from the start, as on "
        "port 465. None: in clear, for a relay on the same node.",
    )
    from_address: _Address = Field(description="Sender of the messages.")
    username: ShortText | None = Field(default=None, description="User to log in as. Not set: no login.")
    password_from: SecretKeySource | None = Field(default=None, description="Secret that holds the password.")


class EmailChannel(KubeModel):
    """A person's e-mail address."""

    address: _Address = Field(description="E-mail address.")
    context_about_user: Text | None = Field(
        default=None, description="Who is reached here; the model decides by this whom to ask."
    )
    subject: ShortText | None = Field(default=None, description="Subject of the messages.")
    smtp: SmtpServer | None = Field(
        default=None, description="The mail server that messages are handed to. Without it no mail can be sent."
    )


class WebhookChannel(KubeModel):
    """An HTTP endpoint that receives the question and passes it on to people."""

    url: Url = Field(description="Address that the question is posted to.")


class Links(KubeModel):
    """Links by which a person decides in a browser."""

    base_url: Url = Field(
        description="Address under which people reach the inbound port of the manager, such as "
        "https://kubechain.example.com."
    )
    key_from: SecretKeySource = Field(
        description="Secret that holds the key that links are signed with: at least 32 random characters."
    )


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
    links: Links | None = Field(
        default=None,
        description="Links by which a person decides in a browser. They are in every e-mail and webhook; without them, "
        "an e-mail only says how to decide with kubectl.",
    )
    identities: Annotated[dict[str, Person], Schema(max_properties=1024)] = Field(
        default_factory=dict[str, Person],
        description="Users of the cluster by their id at the channel (U0123456789, alice@example.com). A decision of "
        "one counts where that user has the verb approve on what the request is about, and did not create the run. "
        "Not empty: answers of other ids count only where allowedResponderIDs lists them.",
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
        conditions.LISTENING: "Slack with appTokenFrom: True while answers come by Socket Mode; else the message says "
        "why not",
    }


class ContactChannel(StatusObject[ContactChannelSpec, ContactChannelStatus]):
    """A way to reach people, for approvals and questions."""

    kind: str = "ContactChannel"
    status: Annotated[ContactChannelStatus, UNSEEN] = Field(default_factory=ContactChannelStatus)
