"""The effects of this kind: the channel's service is asked, and the connection is used that brings the answers."""

from __future__ import annotations

from kubechain.api.contactchannel import ContactChannel
from kubechain.controllers.channels import ChannelDirectory
from kubechain.controllers.contactchannel.listeners import Listeners
from kubechain.controllers.contactchannel.outcomes import Outcome, Reachable, Rejected, Unknown
from kubechain.controllers.secrets import SecretUnavailable
from kubechain.humans.model import ChannelError, InvalidChannel, Refused
from kubechain.runtime.keys import Request


async def check(channel: ContactChannel, directory: ChannelDirectory) -> Outcome:
    """Ask the service; where the spec or a Secret is wrong, nothing is asked."""
    try:
        opened = await directory.open(channel)
        return Reachable(await opened.check())
    except (InvalidChannel, SecretUnavailable, Refused) as error:
        return Rejected(str(error))
    except ChannelError as error:
        return Unknown(str(error), error.retry_after_seconds)


async def listen(channel: ContactChannel, directory: ChannelDirectory, listeners: Listeners) -> None:
    """Use the connection of the channel's app, as its spec and Secret are now; returns before it is open."""
    key = Request(channel.metadata.namespace, channel.metadata.name)
    try:
        listeners.use(key, await directory.app(channel))
    except (InvalidChannel, SecretUnavailable) as error:
        listeners.refuse(key, str(error))
