"""How long a run goes on trying what fails and may pass: the Agent's `limits.retryFor`, as the run pinned it. Pure."""

from __future__ import annotations

from kubechain.api.taskrun import Pinned
from kubechain.net.durations import duration_seconds

DEFAULT_RETRY_FOR_SECONDS = 3_600.0
"""Where the Agent says nothing, or no Agent is known: longer than most outages of a provider."""


def retry_for_seconds(pinned: Pinned | None) -> float:
    """Return the limit of a run in seconds.

    Args:
        pinned: What the run pinned; None for a run that has not begun.
    """
    given = duration_seconds(pinned.retry_for) if pinned and pinned.retry_for else None
    return DEFAULT_RETRY_FOR_SECONDS if given is None else given
