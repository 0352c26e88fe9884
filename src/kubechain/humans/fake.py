"""A channel that keeps what it was sent, for tests and simulations."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from pydantic import SecretStr

from kubechain.api.contactchannel import ContactChannelSpec
from kubechain.api.humanrequest import RequestContent
from kubechain.api.references import SecretKeyRef
from kubechain.humans.model import (
    Absent,
    App,
    Channel,
    ChannelError,
    ChannelKinds,
    Envelope,
    Found,
    Frame,
    Message,
    NotAskable,
    Receipt,
)
from kubechain.humans.slackevents import Pressed


@dataclass(slots=True)
class FakeChannel:
    """People at one place.

    Attributes:
        is_askable: Whether it can tell what it was sent.
        failures: What the next exchanges fail with, one each.
        loses_replies: Whether a failure comes after the message has arrived.
        delivered: All messages that arrived, in their order.
        closed: The keys of the messages that say how they ended, with the ending.
        place: Where its messages are, in front of their keys.
        asked: The buttons for which a dialog was opened.
        told: Person, text and place of what was told to one person.
        on_effect: Called with the name of each effect before it takes place.
    """

    is_askable: bool = True
    failures: list[ChannelError] = field(default_factory=list[ChannelError])
    loses_replies: bool = False
    delivered: list[Message] = field(default_factory=list[Message])
    closed: dict[str, str] = field(default_factory=dict[str, str])
    place: str = ""
    asked: list[Pressed] = field(default_factory=list[Pressed])
    told: list[tuple[str, str, str]] = field(default_factory=list[tuple[str, str, str]])
    on_effect: Callable[[str], None] = lambda name: None

    async def check(self) -> str:
        """Succeed."""
        return "people can be reached"

    async def deliver(self, message: Message) -> Receipt:
        """Keep the message."""
        self.on_effect("deliver")
        if not self.loses_replies:
            self._fail()
        self.delivered.append(message)
        if self.loses_replies:
            self._fail()
        return self._receipt(message)

    async def find(self, message: Message) -> Found:
        """Tell whether the message has arrived."""
        if not self.is_askable:
            return NotAskable(self._receipt(message))
        return self._receipt(message) if any(one.key == message.key for one in self.delivered) else Absent()

    async def close(self, message: Message, receipt: Receipt, ending: str) -> None:
        """Keep the ending."""
        self.on_effect("close")
        self._fail()
        self.closed[receipt.external_id] = ending

    async def ask(self, asked: RequestContent, pressed: Pressed) -> None:
        """Keep what a dialog was opened for."""
        del asked
        self.asked.append(pressed)

    async def tell(self, user: str, text: str, *, place: str = "") -> None:
        """Keep what a person was told."""
        self.told.append((user, text, place))

    def _receipt(self, message: Message) -> Receipt:
        return Receipt(self.place + message.key)

    def _fail(self) -> None:
        if self.failures:
            raise self.failures.pop(0)


@dataclass(frozen=True, slots=True)
class FakeKind:
    """A type of channel that needs no secret."""

    channel: FakeChannel
    type: str = "webhook"

    def secrets_of(self, spec: ContactChannelSpec) -> Mapping[str, SecretKeyRef]:
        """None."""
        del spec
        return {}

    def open(self, spec: ContactChannelSpec, secrets: Mapping[str, SecretStr]) -> Channel:
        """Always the same one."""
        del spec, secrets
        return self.channel


@dataclass(slots=True)
class FakeConnection:
    """An open connection of an app: frames are put in, and acknowledgements kept."""

    app: App
    frames: asyncio.Queue[Frame] = field(default_factory=asyncio.Queue[Frame])
    acknowledged: dict[str, bytes] = field(default_factory=dict[str, bytes])

    async def receive(self) -> Frame:
        """The next frame."""
        return await self.frames.get()

    async def acknowledge(self, envelope: Envelope, reply: bytes) -> None:
        """Keep the acknowledgement."""
        self.acknowledged[envelope.id] = reply


@dataclass(slots=True)
class FakeConnections:
    """A service that apps connect to.

    Attributes:
        failures: What the next attempts fail with, one each.
        open: The connections that are open now, oldest first.
        opened_count: How many there ever were.
    """

    failures: list[ChannelError] = field(default_factory=list[ChannelError])
    open: list[FakeConnection] = field(default_factory=list[FakeConnection])
    opened_count: int = 0

    @asynccontextmanager
    async def connect(self, app: App) -> AsyncGenerator[FakeConnection]:
        """Open a connection."""
        if self.failures:
            raise self.failures.pop(0)
        made = FakeConnection(app)
        self.open.append(made)
        self.opened_count += 1
        try:
            yield made
        finally:
            self.open.remove(made)


def kinds_with(channel: FakeChannel, connections: FakeConnections | None = None) -> ChannelKinds:
    """A table in which webhooks and Slack lead to the fake."""
    connect = (connections or FakeConnections()).connect
    return ChannelKinds.of((FakeKind(channel), FakeKind(channel, "slack")), connect=connect)
