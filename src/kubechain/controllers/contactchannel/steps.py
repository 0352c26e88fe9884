"""What a ContactChannel's control loop does next: one frozen value for each step."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """Ask the service, at no cost, whether people can be reached.

    Attributes:
        attempt: 1 for the first check of this version, more while there is no verdict.
    """

    attempt: int


@dataclass(frozen=True, slots=True)
class TellOfConnection:
    """Say in the status how the connection is that brings the answers."""


Step = Check | TellOfConnection
