"""People: a call asks a question, through a ContactChannel or without one, and its answer is the result."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Protocol

from kubechain.api import names
from kubechain.api.agent import Agent
from kubechain.api.contactchannel import ContactChannel
from kubechain.api.schema import JsonObject
from kubechain.api.taskrun import PinnedTool, ToolCallType
from kubechain.controllers.toolkinds.model import AskPerson, Found, Offer, Plan, ToolKind, ToolOrigin, not_ready

QUESTION_MAX_CHARACTERS = 16_384
"""Longest question: a HumanRequest shows it whole."""

PARAMETERS: JsonObject = {
    "type": "object",
    "properties": {
        "message": {
            "type": "string",
            "minLength": 1,
            "maxLength": QUESTION_MAX_CHARACTERS,
            "description": "The question, with all that the person needs to answer it.",
        }
    },
    "required": ["message"],
    "additionalProperties": False,
}

ASK_HUMAN = Offer(
    name="ask_human",
    origin=ToolOrigin.CONTACT_CHANNEL,
    object="",
    tool="ask_human",
    description="Ask a person a question and wait for the answer.",
    parameters=PARAMETERS,
    call_type=ToolCallType.HUMAN_CONTACT,
)

_WAYS = {"slack": "in Slack", "email": "by e-mail", "webhook": "by a webhook"}


class ChannelReader(Protocol):
    """Looks ContactChannels up."""

    def get(self, namespace: str, name: str) -> ContactChannel | None:
        """The channel; None when there is none."""
        ...


def tool_kind(channels: ChannelReader) -> ToolKind:
    """The row of the registry for this sort."""
    people = People(channels)
    return ToolKind(ToolCallType.HUMAN_CONTACT, planner=people, provider=(ToolOrigin.CONTACT_CHANNEL, people))


@dataclass(frozen=True, slots=True)
class People:
    """Questions to people."""

    channels: ChannelReader

    def offers(self, agent: Agent) -> Iterable[Offer]:
        """The Agent's channels, and questions without one where the Agent may ask them."""
        namespace = agent.metadata.namespace
        found = (self.channels.get(namespace, reference.name) for reference in agent.spec.human_contact_channels)
        offers = [_channel_offer(channel) for channel in found if channel is not None]
        return [*offers, ASK_HUMAN] if agent.spec.ask_human else offers

    def find(self, namespace: str, pinned: PinnedTool) -> Found:
        """The channel, whether people can be reached there now or not: kubectl always works beside it."""
        if not pinned.object:
            return ASK_HUMAN
        channel = self.channels.get(namespace, pinned.object)
        if channel is None:
            return not_ready("ContactChannel", pinned.object, exists=False)
        return replace(_channel_offer(channel), name=pinned.name)

    @property
    def acts_outside(self) -> bool:
        """A person must not be asked twice."""
        return True

    def obstacle(self, offer: Offer) -> str:
        """Nothing: an API server is all that a question needs."""
        del offer
        return ""

    def plan(self, offer: Offer, arguments: dict[str, Any], *, attempt: int, depth: int) -> Plan:
        """Ask."""
        del offer, arguments, attempt, depth
        return AskPerson()


def _channel_offer(channel: ContactChannel) -> Offer:
    spec = channel.spec
    return Offer(
        name=names.human_contact_tool_name(channel.metadata.name, spec.type),
        origin=ToolOrigin.CONTACT_CHANNEL,
        object=channel.metadata.name,
        tool=f"human_contact_{spec.type}",
        description=_description(channel),
        parameters=PARAMETERS,
        call_type=ToolCallType.HUMAN_CONTACT,
    )


def _description(channel: ContactChannel) -> str:
    """How people are asked there, and who they are, as the channel says it."""
    spec = channel.spec
    way = f"Ask a person a question {_WAYS[spec.type]} ({channel.metadata.name}) and wait for the answer."
    slack = spec.slack.context_about_channel_or_user if spec.slack and spec.type == "slack" else None
    email = spec.email.context_about_user if spec.email and spec.type == "email" else None
    return f"{way} {slack or email}" if slack or email else way
