"""The one effect of this kind: the channel's service is asked."""

from __future__ import annotations

from kubechain.api.contactchannel import ContactChannel
from kubechain.controllers.channels import ChannelDirectory
from kubechain.controllers.contactchannel.outcomes import Outcome, Reachable, Rejected, Unknown
from kubechain.controllers.secrets import SecretUnavailable
from kubechain.humans.model import ChannelError, InvalidChannel, Refused


async def check(channel: ContactChannel, directory: ChannelDirectory) -> Outcome:
    """Ask the service; where the spec or a Secret is wrong, nothing is asked."""
    try:
        opened = await directory.open(channel)
        return Reachable(await opened.check())
    except (InvalidChannel, SecretUnavailable, Refused) as error:
        return Rejected(str(error))
    except ChannelError as error:
        return Unknown(str(error), error.retry_after_seconds)
