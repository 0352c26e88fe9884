"""The channel `slack`: a message with buttons by Slack's Web API, found again by its metadata, and closed by an update.

Answers come as interactions, in signed HTTP requests or by Socket Mode (`socketmode`); `slackevents` reads both. With
neither a signing secret nor an app-level token, people are told by Slack and decide with kubectl.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import urlencode

import orjson
from pydantic import SecretStr

from kubechain.api.contactchannel import SLACK_API, ContactChannelSpec
from kubechain.api.contactchannel import SlackChannel as SlackSettings
from kubechain.api.humanrequest import RequestContent
from kubechain.api.references import SecretKeyRef
from kubechain.humans import slackblocks, slackdialogs
from kubechain.humans.http import ChannelHttp
from kubechain.humans.model import (
    Absent,
    App,
    Found,
    InvalidChannel,
    MayBeSent,
    Message,
    NotAskable,
    NotSent,
    Receipt,
    Refused,
)
from kubechain.humans.slackevents import Pressed
from kubechain.net.foreign import one_line

_APP_LEVEL = "xapp-"
"""Of app-level tokens; with another token Slack opens no connection."""

_USER = ("U", "W")
"""How ids of users begin."""

HISTORY_LIMIT = 100
"""How many messages are looked at for one that may have been sent: those since the request was made."""

_MAY_PASS = frozenset({"ratelimited", "rate_limited", "service_unavailable", "fatal_error", "internal_error"})
_CANNOT_READ = frozenset({"missing_scope", "not_in_channel", "channel_not_found", "no_permission"})


@dataclass(frozen=True, slots=True)
class SlackKind:
    """The type `slack`."""

    http: ChannelHttp
    now: Callable[[], datetime]
    type: str = "slack"

    def secrets_of(self, spec: ContactChannelSpec) -> Mapping[str, SecretKeyRef]:
        """The bot's token, and what answers are proved with."""
        if spec.api_key_from is None:
            raise InvalidChannel("apiKeyFrom: not set: it holds the bot token of the Slack app (xoxb-…)")
        signing = spec.slack.signing_secret_from if spec.slack else None
        found = {"token": spec.api_key_from.secret_key_ref}
        return found | ({"signing": signing.secret_key_ref} if signing is not None else {})

    def open(self, spec: ContactChannelSpec, secrets: Mapping[str, SecretStr]) -> SlackChannel:
        """The channel."""
        if spec.slack is None:
            raise InvalidChannel("slack: not set")
        api = SlackApi(self.http, self.now, spec.slack.api_url or SLACK_API, secrets["token"])
        is_heard = spec.slack.signing_secret_from is not None or spec.slack.app_token_from is not None
        return SlackChannel(api, spec.slack.channel_or_user_id, is_heard=is_heard)


def app(settings: SlackSettings, token: SecretStr) -> App:
    """The app that a channel's spec names.

    Raises:
        InvalidChannel: The token is not an app-level one.
    """
    if not token.get_secret_value().startswith(_APP_LEVEL):
        raise InvalidChannel("slack.appTokenFrom: not an app-level token: those begin with xapp-")
    return App(settings.api_url or SLACK_API, token)


@dataclass(frozen=True, slots=True)
class SlackApi:
    """Slack's Web API with one token."""

    http: ChannelHttp
    now: Callable[[], datetime]
    url: str
    token: SecretStr = field(repr=False)

    async def call(self, method: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Call a method with JSON arguments.

        Raises:
            ChannelError: Slack did not do it.
        """
        return await self._post(method, orjson.dumps(arguments), "application/json; charset=utf-8")

    async def read(self, method: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Call a method that takes its arguments as a form only, as those that read do.

        Raises:
            ChannelError: Slack did not do it.
        """
        return await self._post(method, urlencode(arguments).encode(), "application/x-www-form-urlencoded")

    async def _post(self, method: str, body: bytes, content_type: str) -> dict[str, Any]:
        headers = {"authorization": f"Bearer {self.token.get_secret_value()}", "content-type": content_type}
        reply = await self.http.post(self.url + method, body, headers)
        wait = reply.retry_after_seconds(self.now())
        if reply.status == HTTPStatus.TOO_MANY_REQUESTS:
            raise NotSent(f"Slack: {method}: ratelimited", retry_after_seconds=wait)
        if reply.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise MayBeSent(f"Slack: {method}: HTTP {reply.status}", retry_after_seconds=wait)
        found = _parsed(method, reply.status, reply.body)
        if found.get("ok") is True:
            return found
        said = one_line(str(found.get("error") or f"HTTP {reply.status}"), 100)
        if said in _MAY_PASS:
            raise NotSent(f"Slack: {method}: {said}", retry_after_seconds=wait)
        raise Refused(f"Slack: {method}: {said}")


def _parsed(method: str, status: int, body: bytes) -> dict[str, Any]:
    try:
        found: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise MayBeSent(f"Slack: {method}: HTTP {status} without JSON")
    return cast("dict[str, Any]", found)


@dataclass(frozen=True, slots=True)
class SlackChannel:
    """One channel or user.

    Attributes:
        to: Id of the channel or user.
        is_heard: Whether what people do in Slack comes back to us.
    """

    api: SlackApi
    to: str
    is_heard: bool = True

    async def check(self) -> str:
        """Ask who the token is."""
        found = await self.api.call("auth.test", {})
        return one_line(f"Connected to {found.get('team', 'Slack')} as {found.get('user', 'the app')}", 200)

    async def deliver(self, message: Message) -> Receipt:
        """Post the message."""
        posted = await self.api.call(
            "chat.postMessage",
            {
                "channel": self.to,
                "text": slackblocks.text(message),
                "blocks": slackblocks.blocks(message, is_heard=self.is_heard),
                "metadata": slackblocks.metadata(message),
                "unfurl_links": False,
                "unfurl_media": False,
            },
        )
        return Receipt(f"{posted.get('channel', self.to)}/{posted.get('ts', '')}")

    async def find(self, message: Message) -> Found:
        """Look for the message in the history; an app without that right cannot tell."""
        oldest = str(int(message.created_at.timestamp()) - 60)
        try:
            place = await self._place()
            found = await self.api.read(
                "conversations.history",
                {"channel": place, "oldest": oldest, "limit": HISTORY_LIMIT, "include_all_metadata": "true"},
            )
        except Refused as error:
            if str(error).rpartition(": ")[2] in _CANNOT_READ:
                return NotAskable()
            raise
        for one in cast("list[dict[str, Any]]", found.get("messages") or []):
            if one.get("metadata") == slackblocks.metadata(message):
                return Receipt(f"{place}/{one.get('ts', '')}")
        # There may be more than one page of them: then it is not known.
        return NotAskable() if found.get("has_more") else Absent()

    async def _place(self) -> str:
        """The conversation in which messages are: with a user, Slack gives it an id of its own."""
        if not self.to.startswith(_USER):
            return self.to
        opened = await self.api.call("conversations.open", {"users": self.to})
        return str(cast("dict[str, Any]", opened.get("channel") or {}).get("id", ""))

    async def close(self, message: Message, receipt: Receipt, ending: str) -> None:
        """Take the buttons away, and say how the request ended."""
        channel, _, ts = receipt.external_id.rpartition("/")
        try:
            await self.api.call(
                "chat.update",
                {
                    "channel": channel,
                    "ts": ts,
                    "text": f"{slackblocks.text(message)}: {ending}",
                    "blocks": slackblocks.closed_blocks(message, ending),
                },
            )
        except Refused as error:
            if not str(error).endswith(("message_not_found", "cant_update_message")):
                raise

    async def ask(self, asked: RequestContent, pressed: Pressed) -> None:
        """Open the dialog of a button that was pressed."""
        view = slackdialogs.dialog(asked, pressed)
        await self.api.call("views.open", {"trigger_id": pressed.trigger_id, "view": view})

    async def tell(self, user: str, text: str, *, place: str = "") -> None:
        """Say to one person why their answer does not count."""
        channel, _, thread = place.rpartition("/")
        said = {"channel": channel or self.to, "text": slackblocks.escaped(text)}
        said |= {"thread_ts": thread} if thread else {}
        if said["channel"].startswith("C"):
            await self.api.call("chat.postEphemeral", said | {"user": user})
        elif thread:  # nobody else is there
            await self.api.call("chat.postMessage", said)
