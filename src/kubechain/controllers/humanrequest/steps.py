"""What a HumanRequest's control loop does next: one frozen value for each step."""

from __future__ import annotations

from dataclasses import dataclass

from kubechain.api.approval import AskedOfPerson
from kubechain.api.contactchannel import ContactChannel
from kubechain.api.humanrequest import Delivery


@dataclass(frozen=True, slots=True)
class Hold:
    """A channel carries the request, and nothing holds it, since an earlier release made it: add the finalizer."""


@dataclass(frozen=True, slots=True)
class TellOfChannel:
    """The request is open, and cannot be sent to the channel that is named for it, or there is none.

    Attributes:
        channel: Empty for none.
        obstacle: Why it cannot be sent; empty where there is no channel.
        wait_seconds: Until the next thing is due; None for nothing.
    """

    channel: str
    obstacle: str = ""
    wait_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Remind:
    """Nobody has decided for some time: say so once."""

    message: str


@dataclass(frozen=True, slots=True)
class Deliver:
    """Send the request by its channel.

    Attributes:
        wait_seconds: Until the next thing is due; None for nothing.
        claim: The delivery as it is recorded before anything is sent.
        is_unclear: Whether an earlier attempt may have sent it, so that it is looked up first.
    """

    contact: ContactChannel
    claim: Delivery
    is_unclear: bool
    wait_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class CloseDelivery:
    """The request is over: its message at the channel says so.

    Attributes:
        contact: None where the channel is gone, and with it the way to its messages.
    """

    contact: ContactChannel | None
    delivery: Delivery


@dataclass(frozen=True, slots=True)
class Close:
    """A person decided, and what asked has recorded it."""

    asked: AskedOfPerson


@dataclass(frozen=True, slots=True)
class Expire:
    """Nobody decided in time, and what asked has recorded it."""


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Nobody waits for a decision any more."""

    message: str


@dataclass(frozen=True, slots=True)
class Release:
    """Nothing has to be told any more, or there is no time left for it: drop the finalizer.

    Attributes:
        untold: Why a message does not say that the request is over; empty where all do.
    """

    untold: str = ""


Step = Hold | TellOfChannel | Remind | Deliver | CloseDelivery | Close | Expire | Withdraw | Release
"""What can be next."""
