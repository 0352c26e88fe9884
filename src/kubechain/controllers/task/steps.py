"""What a Task does next: one frozen value for each step."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wait:
    """The Agent cannot take the Task yet."""

    detail: str


@dataclass(frozen=True, slots=True)
class CreateRun:
    """Create the first run, under its deterministic name."""

    name: str


@dataclass(frozen=True, slots=True)
class Adopt:
    """Record the first run: it exists, and the process that created it ended before it was recorded."""

    name: str


@dataclass(frozen=True, slots=True)
class Follow:
    """Copy the newest answer into the status.

    Attributes:
        output: Empty while no run has answered.
    """

    output: str


Step = Wait | CreateRun | Adopt | Follow
