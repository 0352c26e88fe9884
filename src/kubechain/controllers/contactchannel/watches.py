"""The indexes of ContactChannels and of what they carried, and the map from a changed Secret to its channels."""

from __future__ import annotations

from kubechain.api.contactchannel import ContactChannel
from kubechain.api.humanrequest import HumanRequest
from kubechain.controllers.channels import secret_names
from kubechain.runtime.keys import Request
from kubechain.runtime.metadata import Metadata
from kubechain.runtime.store import Lister

CHANNELS_BY_SOURCE = "channels-by-secret"

CHANNELS_BY_SLACK_ID = "channels-by-slack-id"

REQUESTS_BY_PLACE = "requests-by-place"


def slack_index(channel: ContactChannel) -> list[str]:
    """The Slack channel or user that a channel reaches."""
    slack = channel.spec.slack
    return [slack.channel_or_user_id] if slack is not None and channel.spec.type == "slack" else []


def place_index(request: HumanRequest) -> list[str]:
    """Where the messages of a request are, as their channels say it."""
    return [one.external_id for one in request.status.deliveries if one.external_id is not None]


def secret_index(channel: ContactChannel) -> list[str]:
    """The Secrets that a channel uses."""
    return [f"{channel.metadata.namespace}/{name}" for name in secret_names(channel)]


def channel_requests_for_secret(channels: Lister[ContactChannel], secret: Metadata | Request) -> list[Request]:
    """The channels that use a Secret."""
    found = channels.by_index(CHANNELS_BY_SOURCE, f"{secret.namespace}/{secret.name}")
    return [Request(channel.metadata.namespace, channel.metadata.name) for channel in found]
