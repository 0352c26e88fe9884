"""What follows from a button, a dialog or a reply in Slack, once its channel vouches for it.

A channel vouches by the signature of an HTTP request, or because it uses the app over whose connection it came. What
follows is the same for both.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import orjson
import structlog

from kubechain.api.approval import DecisionChoice
from kubechain.api.contactchannel import ContactChannel
from kubechain.api.humanrequest import HumanRequest, HumanRequestType, RequestContent
from kubechain.controllers.channels import ChannelDirectory
from kubechain.controllers.contactchannel.deciding import DecisionWriter, Ruling, Verdict
from kubechain.controllers.contactchannel.watches import REQUESTS_BY_PLACE
from kubechain.controllers.secrets import SecretUnavailable
from kubechain.humans import slackdialogs
from kubechain.humans.model import Answer, ChannelError, InvalidChannel
from kubechain.humans.slackblocks import LINK
from kubechain.humans.slackdialogs import BadInput, Talker
from kubechain.humans.slackevents import Pressed, Reply, Said
from kubechain.runtime.keys import Request
from kubechain.runtime.store import Lister

log = structlog.get_logger(__name__)

Vouches = Callable[[Request], bool]
"""Whether a channel vouches for what came."""


@dataclass(frozen=True, slots=True)
class Interactions:
    """Decides, opens the dialog in which something is typed first, or tells a person why an answer does not count."""

    channels: Lister[ContactChannel]
    requests: Lister[HumanRequest]
    directory: ChannelDirectory
    decisions: DecisionWriter

    async def answer(self, said: Said | None, vouches: Vouches) -> bytes:
        """Do what a person wants; nothing where no channel vouches for it.

        Returns:
            The answer for Slack: empty, or what a dialog shows as an error.
        """
        if isinstance(said, Pressed):
            channel = self.channels.get(said.namespace, said.channel)
            is_vouched = channel is not None and vouches(Request(said.namespace, said.channel))
            return await self._pressed(channel, said) if channel is not None and is_vouched else b""
        if isinstance(said, Reply):
            for request, channel in self._asked_at(said.place):
                if vouches(Request(channel.metadata.namespace, channel.metadata.name)):
                    await self._replied(channel, request, said)
        return b""

    def _asked_at(self, place: str) -> list[tuple[HumanRequest, ContactChannel]]:
        """The questions whose message is at a place: one, since Slack's ids count in one workspace, or seldom more."""
        found: list[tuple[HumanRequest, ContactChannel]] = []
        for request in self.requests.by_index(REQUESTS_BY_PLACE, place):
            by = next((one.channel for one in request.status.deliveries if one.external_id == place), "")
            channel = self.channels.get(request.metadata.namespace, by)
            if channel is not None and request.spec.request.type == HumanRequestType.QUESTION:
                found.append((request, channel))
        return found

    async def _pressed(self, channel: ContactChannel, pressed: Pressed) -> bytes:
        if pressed.choice == LINK:
            return b""
        asked = await self.decisions.asked(channel, pressed.name)
        if isinstance(asked, Ruling):
            return await self._refused(channel, pressed, asked.text)
        if pressed.trigger_id and slackdialogs.is_needed(asked, pressed.choice):
            await self._ask(channel, asked, pressed)
            return b""
        try:
            answer = slackdialogs.answer_of(asked, pressed)
        except BadInput as error:
            return await self._refused(channel, pressed, str(error))
        ruling = await self.decisions.decide(channel, pressed.name, answer)
        return b"" if ruling.verdict is Verdict.RECORDED else await self._refused(channel, pressed, ruling.text)

    async def _replied(self, channel: ContactChannel, request: HumanRequest, reply: Reply) -> None:
        name, digest = request.metadata.name, request.spec.request.digest
        answer = Answer(reply.user, DecisionChoice.ANSWER.value, digest, answer=reply.text)
        ruling = await self.decisions.decide(channel, name, answer)
        # An event that Slack sends again was recorded the first time.
        if ruling.verdict is Verdict.RECORDED or await self.decisions.is_recorded(channel, name, answer):
            return
        await self._tell(channel, reply.user, f"This answer does not count: {ruling.text}.", place=reply.place)

    async def _refused(self, channel: ContactChannel, pressed: Pressed, why: str) -> bytes:
        """Say why an answer does not count: in the dialog that was sent, or to the person who pressed a button."""
        if not pressed.trigger_id:
            return orjson.dumps({"response_action": "errors", "errors": {slackdialogs.COMMENT: why}})
        await self._tell(channel, pressed.user, why)
        return b""

    async def _ask(self, channel: ContactChannel, asked: RequestContent, pressed: Pressed) -> None:
        opened = await self._opened(channel)
        try:
            if opened is not None:
                await opened.ask(asked, pressed)
        except ChannelError as error:
            _warn(channel, error)

    async def _tell(self, channel: ContactChannel, user: str, text: str, *, place: str = "") -> None:
        opened = await self._opened(channel)
        try:
            if opened is not None:
                await opened.tell(user, text, place=place)
        except ChannelError as error:
            _warn(channel, error)

    async def _opened(self, channel: ContactChannel) -> Talker | None:
        try:
            opened = await self.directory.open(channel)
        except (InvalidChannel, SecretUnavailable) as error:
            _warn(channel, error)
            return None
        return opened if isinstance(opened, Talker) else None


def _warn(channel: ContactChannel, error: Exception) -> None:
    log.warning("cannot answer a person in Slack", channel=channel.metadata.name, error=str(error))
