"""When a run stops trying a model call that fails and may pass; pure. The limit is in `controllers.retrylimit`."""

from __future__ import annotations

from datetime import datetime, timedelta

from kubechain.api.taskrun import TaskRun
from kubechain.controllers.retrylimit import retry_for_seconds


def ends_at(run: TaskRun) -> datetime | None:
    """The moment after which no further attempt is started; None while no attempt of the turn has failed."""
    claim = run.status.llm
    if claim is None or claim.failing_since is None:
        return None
    return claim.failing_since + timedelta(seconds=retry_for_seconds(run.status.pinned))


def next_wait_seconds(
    left_seconds: float, *, backoff_seconds: float, retry_after_seconds: float | None
) -> float | None:
    """How long to wait before the next attempt; None when there is none any more.

    The last attempt is made at the end of the time, unless the provider asks to wait longer than that.

    Args:
        left_seconds: What is left of the time for retries.
        backoff_seconds: Our own wait.
        retry_after_seconds: The least that the provider asked for, if it did.
    """
    asked = retry_after_seconds or 0.0
    if left_seconds <= 0 or asked > left_seconds:
        return None
    return max(asked, min(backoff_seconds, left_seconds))


def given_up(run: TaskRun, reason: str, *, retry_after_seconds: float | None = None) -> str:
    """The error of a run whose time for retries is over.

    Args:
        reason: Why the last attempt failed.
        retry_after_seconds: What the provider asked to wait, where that is what ended the retries.
    """
    claim, limit = run.status.llm, retry_for_seconds(run.status.pinned)
    attempts = claim.attempt + 1 if claim else 1
    asked = f"the server asks to wait {retry_after_seconds:g} s, " if retry_after_seconds else ""
    return f"{reason} ({attempts} attempt(s); {asked}limits.retryFor of the Agent allows {limit:g} s)"


def repeated_enough(run: TaskRun, reason: str, max_retries: int) -> str:
    """The error of a run whose LLM allows no further repeat of the call."""
    attempts = run.status.llm.attempt + 1 if run.status.llm else 1
    return f"{reason} ({attempts} attempt(s); maxRetries of the LLM allows {max_retries} repeat(s))"
