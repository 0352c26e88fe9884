"""What a HumanRequest's control loop does next: one frozen value for each step."""

from __future__ import annotations

from dataclasses import dataclass

from kubechain.api.taskruntoolcall import Approval


@dataclass(frozen=True, slots=True)
class TellOfChannel:
    """The request is open, and is not sent to the channel that is named for it.

    Attributes:
        channel: Empty for none.
    """

    channel: str


@dataclass(frozen=True, slots=True)
class Close:
    """A person decided, and the call has recorded it."""

    approval: Approval


@dataclass(frozen=True, slots=True)
class Expire:
    """Nobody decided in time, and the call has recorded it."""


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Nobody waits for a decision any more."""

    message: str


Step = TellOfChannel | Close | Expire | Withdraw
