"""Exit statuses of commands that wait for a run."""

from __future__ import annotations

from kubechain.api.taskrun import TaskRunPhase
from kubechain.views.story import Story

ANSWERED, FAILED, CANCELLED, TIMED_OUT, ASKS_A_PERSON = 0, 1, 3, 4, 5
"""2 is a wrong command line."""


def status_of(story: Story) -> int:
    """The exit status for a run as it is when the waiting ends."""
    if story.phase is TaskRunPhase.FINAL_ANSWER:
        return ANSWERED
    if story.phase is TaskRunPhase.CANCELLED:
        return CANCELLED
    if story.phase is TaskRunPhase.FAILED:
        return FAILED
    return ASKS_A_PERSON if story.waits_for_people_alone else TIMED_OUT
