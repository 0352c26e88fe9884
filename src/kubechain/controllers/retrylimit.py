"""How long a run goes on trying what fails and may pass: the Agent's `limits.retryFor`, as the run pinned it. Pure."""

from __future__ import annotations

from kubechain.api.agent import Agent
from kubechain.api.taskrun import Pinned
from kubechain.net.durations import duration_seconds

DEFAULT_RETRY_FOR_SECONDS = 3_600.0
"""Where the Agent says nothing, or no Agent is known: longer than most outages of a provider."""


def retry_for_seconds(pinned: Pinned | None) -> float:
    """Return the limit of a run in seconds.

    Args:
        pinned: What the run pinned; None for a run that has not begun.
    """
    return _seconds(pinned.retry_for if pinned else None)


def retry_for_seconds_of(agent: Agent | None) -> float:
    """Return the limit of what is tried before a run begins, in seconds: that of the Agent, as it is now.

    Args:
        agent: None where it does not exist.
    """
    return _seconds(agent.spec.limits.retry_for if agent and agent.spec.limits else None)


def _seconds(limit: str | None) -> float:
    given = duration_seconds(limit) if limit else None
    return DEFAULT_RETRY_FOR_SECONDS if given is None else given
