"""What creating the first run of a Task can lead to."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RunCreated:
    """The run exists and is owned by the Task, whether it was created now or by an earlier try."""

    name: str


@dataclass(frozen=True, slots=True)
class NameTaken:
    """The name belongs to something else; it may be free again later."""

    name: str


Outcome = RunCreated | NameTaken
