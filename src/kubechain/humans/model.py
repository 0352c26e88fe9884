"""A channel to people: its protocols, the message that it carries, and what can go wrong with it.

The errors say whether people may have been asked:

    ChannelError
    ├── Refused      nothing was sent, and the service refuses until the spec, the Secret or the service changes
    ├── NotSent      nothing was sent, and another try may succeed
    └── MayBeSent    the message may have arrived: look it up before it is sent again
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from pydantic import SecretStr

from kubechain.api.contactchannel import ContactChannelSpec
from kubechain.api.humanrequest import RequestContent
from kubechain.api.references import SecretKeyRef

MESSAGE_TIMEOUT_SECONDS = 15.0
"""Limit of one exchange with a channel; more than any service takes that works."""


class ChannelError(Exception):
    """The channel did not do it. The message is stable between tries and holds no secret.

    Attributes:
        retry_after_seconds: When the service wants to be asked again; None where it does not say.
    """

    def __init__(self, message: str, *, retry_after_seconds: float | None = None) -> None:
        """Create it with a message for the status."""
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class Refused(ChannelError):
    """The service says no, and will say it again; nothing was sent."""


class NotSent(ChannelError):
    """Nothing was sent."""


class MayBeSent(ChannelError):
    """The message may have arrived."""


class InvalidChannel(Exception):
    """Raised when a channel cannot be used as its spec says; the message says what to change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What people are asked, for one channel.

    Attributes:
        key: The same for each attempt to deliver it, and no other message has it.
        name: Of the HumanRequest.
        channel: Name of the ContactChannel.
        is_reminder: Whether people were asked before.
        links: The link of each choice that can be made in a browser; secret, since it decides.
    """

    key: str
    namespace: str
    name: str
    channel: str
    asked: RequestContent
    created_at: datetime
    links: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    is_reminder: bool = False


@dataclass(frozen=True, slots=True)
class Receipt:
    """The message is at the channel.

    Attributes:
        external_id: What the channel calls it; what `close` needs to find it.
    """

    external_id: str


@dataclass(frozen=True, slots=True)
class Absent:
    """The channel does not have the message."""


@dataclass(frozen=True, slots=True)
class NotAskable:
    """The channel cannot tell whether it has the message.

    Attributes:
        receipt: The message if the channel has it, where that follows from the message; None where only the channel
            knows what it calls it.
    """

    receipt: Receipt | None = None


Found = Receipt | Absent | NotAskable


@dataclass(frozen=True, slots=True)
class Answer:
    """What a person said by a channel; whether it counts is not decided here.

    Attributes:
        responder: Id of the person at the channel; empty where the channel does not know.
        choice: As it came.
        digest: Of what the person saw.
        arguments: Other arguments as JSON text.
    """

    responder: str
    choice: str
    digest: str
    comment: str | None = None
    answer: str | None = None
    arguments: str | None = None


class Channel(Protocol):
    """One ContactChannel with its secrets. An exchange takes `MESSAGE_TIMEOUT_SECONDS` at most."""

    async def check(self) -> str:
        """Ask the service, at no cost, whether people can be reached.

        Returns:
            What was found out, for the status.

        Raises:
            ChannelError: They cannot, or it is not known.
        """
        ...

    async def deliver(self, message: Message) -> Receipt:
        """Send the message.

        Raises:
            ChannelError: It was not sent, or may have been.
        """
        ...

    async def find(self, message: Message) -> Found:
        """Look up whether the message was sent.

        Raises:
            ChannelError: The service cannot be asked now.
        """
        ...

    async def close(self, message: Message, receipt: Receipt, ending: str) -> None:
        """Say in the channel how the request ended; a repeated call changes nothing more.

        Args:
            ending: Such as `Approve by alice`.

        Raises:
            ChannelError: The service cannot be told now.
        """
        ...


@dataclass(frozen=True, slots=True)
class App:
    """An app of a service that sends what people do over a connection that we open; several channels may share it.

    Attributes:
        url: Address of the service's API.
    """

    url: str
    token: SecretStr = field(repr=False)


@dataclass(frozen=True, slots=True)
class Envelope:
    """Something that people did, which is to be acknowledged.

    Attributes:
        id: By which it is acknowledged.
        payload: What a signed HTTP request would have carried.
    """

    id: str
    payload: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class EndsSoon:
    """The service is about to end the connection, and expects another one."""

    reason: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The connection is over."""

    reason: str


Frame = Envelope | EndsSoon | Ended


class AppConnection(Protocol):
    """An open connection of an app; the service has said hello."""

    async def receive(self) -> Frame:
        """The next frame that means something; after the end always `Ended`."""
        ...

    async def acknowledge(self, envelope: Envelope, reply: bytes) -> None:
        """Say that an envelope has arrived.

        Args:
            reply: JSON for the service; empty for none.

        Raises:
            ChannelError: The connection is over.
        """
        ...


AppConnector = Callable[[App], AbstractAsyncContextManager[AppConnection]]
"""Opens a connection, and closes it at the end; raises ChannelError while it cannot be opened."""


class ChannelKind(Protocol):
    """One type of ContactChannel."""

    @property
    def type(self) -> str:
        """The value of `spec.type`."""
        ...

    def secrets_of(self, spec: ContactChannelSpec) -> Mapping[str, SecretKeyRef]:
        """Where the secrets of a channel are, by the names under which `open` wants them.

        Raises:
            InvalidChannel: The spec lacks what the channel needs.
        """
        ...

    def open(self, spec: ContactChannelSpec, secrets: Mapping[str, SecretStr]) -> Channel:
        """The channel; nothing is connected yet.

        Raises:
            InvalidChannel: A secret has the wrong form.
        """
        ...


def _no_connection(app: App) -> AbstractAsyncContextManager[AppConnection]:
    raise NotSent(f"{app.url}: this manager opens no connections")


@dataclass(frozen=True, slots=True)
class ChannelKinds:
    """The types of channels that a manager has.

    Attributes:
        connect: Opens the connections of apps.
    """

    by_type: Mapping[str, ChannelKind] = field(default_factory=dict[str, ChannelKind])
    connect: AppConnector = _no_connection

    @classmethod
    def of(cls, kinds: Iterable[ChannelKind], *, connect: AppConnector = _no_connection) -> ChannelKinds:
        """The table of some types."""
        return cls({kind.type: kind for kind in kinds}, connect)

    def get(self, type_: str) -> ChannelKind:
        """The type of that name.

        Raises:
            InvalidChannel: This manager has none.
        """
        kind = self.by_type.get(type_)
        if kind is None:
            raise InvalidChannel(f"type: {type_}: this release has no such channel")
        return kind
