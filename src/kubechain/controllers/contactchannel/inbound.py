"""Answers what comes in at the port for people: signed links and signed callbacks.

What is not signed by a channel's own key leads to no request to the API server: the channel is found in the cache, and
its key in the cache of Secrets; one that is not watched is read again, at most once in `DOUBT_SECONDS`. All that is
refused is answered alike, so that nothing can be listed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import orjson

from kubechain.api.contactchannel import ContactChannel
from kubechain.api.obstacles import why_over
from kubechain.api.references import SecretKeyRef
from kubechain.controllers.channels import ChannelDirectory
from kubechain.controllers.contactchannel.deciding import DecisionWriter, Ruling, Verdict
from kubechain.controllers.contactchannel.interactions import Interactions
from kubechain.controllers.contactchannel.watches import CHANNELS_BY_SLACK_ID
from kubechain.controllers.secrets import SecretUnavailable
from kubechain.humans import links, page, slackevents, webhook
from kubechain.humans.links import BadLink, Link
from kubechain.humans.model import Answer, InvalidChannel, Message
from kubechain.humans.signatures import BadSignature, check_slack, webhook_key
from kubechain.humans.slackevents import Challenge, Pressed, Reply, Said
from kubechain.humans.webhook import BadCallback
from kubechain.runtime.clock import Clock
from kubechain.runtime.endpoints import InboundReply, InboundRequest
from kubechain.runtime.errors import ApiError, TransportError
from kubechain.runtime.keys import Request
from kubechain.runtime.store import Lister

_STATUS = {
    Verdict.RECORDED: 200,
    Verdict.INVALID: 400,
    Verdict.NOT_ALLOWED: 403,
    Verdict.NOT_FOUND: 404,
    Verdict.TOO_LATE: 409,
    Verdict.TRY_AGAIN: 503,
}

MAX_CHALLENGE_BYTES = 2_048
"""Slack's question whether an address is ours names no channel: the secrets of all of them are tried on it."""

DOUBT_SECONDS = 10.0
"""A signature that does not fit may be of a new key in a Secret that is not watched. Anybody can send one."""

_REFUSED = InboundReply(status=403, body="refused: not signed by a key of this channel, or not now")


@dataclass(frozen=True, slots=True)
class Inbound:
    """The endpoints by which people answer."""

    channels: Lister[ContactChannel]
    directory: ChannelDirectory
    decisions: DecisionWriter
    interactions: Interactions
    clock: Clock

    async def link(self, request: InboundRequest) -> InboundReply:
        """GET shows what a link is about, POST decides."""
        token = request.parts.get("token", "")
        try:
            channel, link, key = await self._link(token)
        except (BadLink, InvalidChannel, SecretUnavailable):
            return _page(403, "This link does not work", "It is not one of ours, it was changed, or it is too old.")
        try:
            return await self._shown(channel, link, key, request)
        except (ApiError, TransportError):
            return _page(503, "Try again", "The cluster cannot be reached now.")

    async def _link(self, token: str) -> tuple[ContactChannel, Link, bytes]:
        claimed = links.claimed(token)
        channel = self.channels.get(claimed.namespace, claimed.channel)
        if channel is None:
            raise BadLink("no such channel")
        try:
            return await self._verified(channel, token)
        except BadLink:
            if not self._may_have_changed(channel):
                raise
            return await self._verified(channel, token)

    async def _verified(self, channel: ContactChannel, token: str) -> tuple[ContactChannel, Link, bytes]:
        key = await self.directory.link_key(channel)
        if key is None:
            raise BadLink("a channel without links")
        return channel, links.verified(token, key, self.clock.now()), key

    async def _shown(self, channel: ContactChannel, link: Link, key: bytes, request: InboundRequest) -> InboundReply:
        found = await self.decisions.read(channel, link.name)
        if found is None or found.metadata.uid != link.uid:
            return _page(404, "This request does not exist any more", "Nobody waits for a decision.")
        if obstacle := why_over(found, self.clock.now()):
            return _page(409 if request.method == "POST" else 200, "Nothing to decide", f"{obstacle}.")
        asked = found.spec.request
        # Relative to the address of this page, whatever is in front of the manager.
        others = {one.value: links.token(key, replace(link, choice=one.value)) for one in asked.choices}
        message = Message(
            key=link.nonce,
            namespace=link.namespace,
            name=link.name,
            channel=link.channel,
            asked=asked,
            created_at=found.metadata.creation_timestamp or self.clock.now(),
            links=others,
        )
        if request.method != "POST":
            return _html(200, page.question(message, link.choice))
        return await self._decided(channel, link, message, request.body)

    async def _decided(self, channel: ContactChannel, link: Link, message: Message, body: bytes) -> InboundReply:
        try:
            comment, answer = page.answer_of(message.asked, link.choice, body)
        except page.BadForm as error:
            return _html(400, page.question(message, link.choice, problem=str(error), body=body))
        responder = channel.spec.email.address if channel.spec.type == "email" and channel.spec.email else ""
        ruling = await self.decisions.decide(
            channel, link.name, Answer(responder, link.choice, link.digest, comment=comment, answer=answer)
        )
        title = "Recorded" if ruling.verdict is Verdict.RECORDED else "Not recorded"
        return _page(_STATUS[ruling.verdict], title, f"{ruling.text}.")

    async def slack(self, request: InboundRequest) -> InboundReply:
        """An interaction or an event that Slack signed decides, or opens a dialog."""
        said = slackevents.claimed(request.body)
        signing = [one for one in self._of_slack(said, len(request.body)) if await self._signs(one, request)]
        if not signing:
            return _REFUSED
        if isinstance(said, Challenge):
            return InboundReply(body=said.text)
        vouching = {Request(one.metadata.namespace, one.metadata.name) for one in signing}
        body = await self.interactions.answer(said, lambda channel: channel in vouching)
        return InboundReply(body=body, content_type="application/json")

    def _of_slack(self, said: Said | None, size: int) -> list[ContactChannel]:
        """The channels that Slack may have sent this for: few, so that a flood costs few checks of signatures."""
        match said:
            case Pressed(namespace, name):
                found = self.channels.get(namespace, name)
                return [found] if found is not None else []
            case Reply(_, user):
                ids = {said.channel_id, user}
                return [one for id_ in ids for one in self.channels.by_index(CHANNELS_BY_SLACK_ID, id_)]
            case Challenge():
                return list(self.channels.list()) if size <= MAX_CHALLENGE_BYTES else []
            case None:
                return []

    async def _signs(self, channel: ContactChannel, request: InboundRequest) -> bool:
        """Whether the signing secret of a channel signed this request."""
        settings = channel.spec.slack if channel.spec.type == "slack" else None
        if settings is None or settings.signing_secret_from is None:
            return False
        reference = settings.signing_secret_from.secret_key_ref
        if await self._is_signed(channel, reference, request):
            return True
        return self._may_have_changed(channel) and await self._is_signed(channel, reference, request)

    def _may_have_changed(self, channel: ContactChannel) -> bool:
        return self.directory.doubt(channel, older_than_seconds=DOUBT_SECONDS)

    async def _is_signed(self, channel: ContactChannel, reference: SecretKeyRef, request: InboundRequest) -> bool:
        try:
            secret = await self.directory.secret(channel, reference)
            check_slack(secret, request.headers, request.body, self.clock.now())
        except (BadSignature, SecretUnavailable):
            return False
        return True

    async def webhook(self, request: InboundRequest) -> InboundReply:
        """A signed callback decides."""
        channel = self.channels.get(request.parts.get("namespace", ""), request.parts.get("name", ""))
        if channel is None or channel.spec.type != "webhook" or channel.spec.api_key_from is None:
            return _REFUSED
        reference = channel.spec.api_key_from.secret_key_ref
        try:
            try:
                name, answer = await self._answer(channel, reference, request)
            except BadSignature:
                if not self._may_have_changed(channel):
                    return _REFUSED
                name, answer = await self._answer(channel, reference, request)
        except (BadSignature, InvalidChannel, SecretUnavailable):
            return _REFUSED
        except BadCallback as error:
            return _json(Ruling(Verdict.INVALID, str(error)))
        return _json(await self.decisions.decide(channel, name, answer))

    async def _answer(
        self, channel: ContactChannel, reference: SecretKeyRef, request: InboundRequest
    ) -> tuple[str, Answer]:
        key = webhook_key(await self.directory.secret(channel, reference))
        return webhook.answer_of(key, request.headers, request.body, self.clock.now())


def _page(status: int, title: str, text: str) -> InboundReply:
    return _html(status, page.notice(title, text))


def _html(status: int, text: str) -> InboundReply:
    return InboundReply(status=status, body=text, content_type=page.CONTENT_TYPE, headers=page.HEADERS)


def _json(ruling: Ruling) -> InboundReply:
    body = orjson.dumps({"verdict": ruling.verdict.value, "message": ruling.text})
    return InboundReply(status=_STATUS[ruling.verdict], body=body, content_type="application/json")
