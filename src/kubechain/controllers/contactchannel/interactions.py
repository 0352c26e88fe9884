"""What follows from a button or a dialog of Slack, once its channel vouches for it: by a signature or a connection."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import orjson
import structlog

from kubechain.api.contactchannel import ContactChannel
from kubechain.controllers.channels import ChannelDirectory
from kubechain.controllers.contactchannel.deciding import DecisionWriter, Verdict
from kubechain.controllers.secrets import SecretUnavailable
from kubechain.humans import slackblocks
from kubechain.humans.model import ChannelError, InvalidChannel
from kubechain.humans.slack import SlackChannel
from kubechain.humans.slackblocks import Pressed
from kubechain.runtime.keys import Request
from kubechain.runtime.store import Lister

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Interactions:
    """Decides, or opens the dialog in which something is typed first."""

    channels: Lister[ContactChannel]
    directory: ChannelDirectory
    decisions: DecisionWriter

    async def by_connection(self, pressed: Pressed | None, uses: Callable[[Request], bool]) -> bytes:
        """Do what a person wants who is heard over the connection of an app; nothing for a channel of another app.

        Args:
            uses: Whether a channel is answered by this connection.
        """
        channel = self.channels.get(pressed.namespace, pressed.channel) if pressed is not None else None
        if pressed is None or channel is None or not uses(Request(pressed.namespace, pressed.channel)):
            return b""
        return await self.reply(channel, pressed)

    async def reply(self, channel: ContactChannel, pressed: Pressed) -> bytes:
        """Do what a person wants by a channel that vouches for them.

        Returns:
            The answer for Slack: empty, or what the dialog shows as an error.
        """
        if slackblocks.needs_dialog(pressed):
            await self._with_slack(channel, pressed, "")
            return b""
        ruling = await self.decisions.decide(channel, pressed.name, pressed.answer)
        if ruling.verdict is Verdict.RECORDED:
            return b""
        if pressed.trigger_id:
            await self._with_slack(channel, pressed, ruling.text)
            return b""
        return orjson.dumps({"response_action": "errors", "errors": {slackblocks.COMMENT: ruling.text}})

    async def _with_slack(self, channel: ContactChannel, pressed: Pressed, refusal: str) -> None:
        """Open the dialog, or say to the person why their answer does not count."""
        try:
            opened = await self.directory.open(channel)
            if not isinstance(opened, SlackChannel):
                return
            if refusal:
                await opened.tell(pressed.answer.responder, refusal)
            else:
                await opened.ask(pressed)
        except (ChannelError, InvalidChannel, SecretUnavailable) as error:
            log.warning("cannot answer a person in Slack", channel=channel.metadata.name, error=str(error))
