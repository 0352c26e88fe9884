"""A channel that keeps what it was sent, for tests and simulations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pydantic import SecretStr

from kubechain.api.contactchannel import ContactChannelSpec
from kubechain.api.references import SecretKeyRef
from kubechain.humans.model import Absent, Channel, ChannelError, ChannelKinds, Found, Message, NotAskable, Receipt


@dataclass(slots=True)
class FakeChannel:
    """People at one place.

    Attributes:
        is_askable: Whether it can tell what it was sent.
        failures: What the next exchanges fail with, one each.
        loses_replies: Whether a failure comes after the message has arrived.
        delivered: All messages that arrived, in their order.
        closed: The keys of the messages that say how they ended, with the ending.
        on_effect: Called with the name of each effect before it takes place.
    """

    is_askable: bool = True
    failures: list[ChannelError] = field(default_factory=list[ChannelError])
    loses_replies: bool = False
    delivered: list[Message] = field(default_factory=list[Message])
    closed: dict[str, str] = field(default_factory=dict[str, str])
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
        return Receipt(message.key)

    async def find(self, message: Message) -> Found:
        """Tell whether the message has arrived."""
        if not self.is_askable:
            return NotAskable(Receipt(message.key))
        return Receipt(message.key) if any(one.key == message.key for one in self.delivered) else Absent()

    async def close(self, message: Message, receipt: Receipt, ending: str) -> None:
        """Keep the ending."""
        self.on_effect("close")
        self._fail()
        self.closed[receipt.external_id] = ending

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


def kinds_with(channel: FakeChannel) -> ChannelKinds:
    """A table in which webhooks and Slack lead to the fake."""
    return ChannelKinds.of((FakeKind(channel), FakeKind(channel, "slack")))
