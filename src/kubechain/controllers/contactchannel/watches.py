"""The index of ContactChannels by their Secrets, and the map from a changed Secret to its channels."""

from __future__ import annotations

from kubechain.api.contactchannel import ContactChannel
from kubechain.controllers.channels import secret_names
from kubechain.runtime.keys import Request
from kubechain.runtime.metadata import Metadata
from kubechain.runtime.store import Lister

CHANNELS_BY_SOURCE = "channels-by-secret"


def secret_index(channel: ContactChannel) -> list[str]:
    """The Secrets that a channel uses."""
    return [f"{channel.metadata.namespace}/{name}" for name in secret_names(channel)]


def channel_requests_for_secret(channels: Lister[ContactChannel], secret: Metadata) -> list[Request]:
    """The channels that use a Secret."""
    found = channels.by_index(CHANNELS_BY_SOURCE, f"{secret.namespace}/{secret.name}")
    return [Request(channel.metadata.namespace, channel.metadata.name) for channel in found]
