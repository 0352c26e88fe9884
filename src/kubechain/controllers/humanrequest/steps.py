"""What a HumanRequest's control loop does next: one frozen value for each step."""

from __future__ import annotations

from dataclasses import dataclass

from kubechain.api.approval import AskedOfPerson


@dataclass(frozen=True, slots=True)
class TellOfChannel:
    """The request is open, and is not sent to the channel that is named for it.

    Attributes:
        channel: Empty for none.
    """

    channel: str


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


Step = TellOfChannel | Close | Expire | Withdraw
