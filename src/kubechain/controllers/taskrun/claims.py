"""The claim on a model call: made before the call, checked before its answer counts.

Safety rests on the API server's compare-and-swap and on these tokens, never on leases or clocks.
"""

from __future__ import annotations

import hashlib
import uuid
from datetime import datetime, timedelta

from kubechain.api import names
from kubechain.api.context import RunContext
from kubechain.api.meta import is_owned_by
from kubechain.api.taskrun import LLMClaim, PendingToolCall, TaskRun, TaskRunPhase
from kubechain.api.taskruntoolcall import TaskRunToolCall
from kubechain.controllers.taskrun.fallbacks import Choice, claim_of_turn, has_fallbacks

LEFT_OVER_SECONDS = 1.0
"""Between two reads while the garbage collector has not yet deleted the calls of an earlier run of the same name."""


def claim_for(
    run: TaskRun,
    *,
    turn: int,
    attempt: int,
    holder: str,
    now: datetime,
    timeout_seconds: float,
    choice: Choice | None = None,
    summary_through: int | None = None,
) -> LLMClaim:
    """The claim of one attempt; its token is the same however often it is computed.

    Args:
        choice: The LLM that is called; recorded where the run's LLM has fallbacks.
        summary_through: For a summary: the first message that it does not replace.
    """
    chosen = choice if has_fallbacks(run) else None
    before = run.status.llm if run.status.llm is not None and run.status.llm.turn == turn else None
    return LLMClaim(
        turn=turn,
        attempt=attempt,
        llm_name=chosen.llm.metadata.name if chosen else None,
        passed_over=chosen.passed_over if chosen else (),
        failures=chosen.failures or None if chosen else None,
        invalid_answers=before.invalid_answers if before else None,
        failing_since=before.failing_since if before else None,
        summary_through=summary_through,
        token=token(run.metadata.uid, turn, attempt, context=run.status.context, summary_through=summary_through),
        holder=holder,
        started_at=now,
        deadline=now + timedelta(seconds=timeout_seconds),
    )


def next_attempt(run: TaskRun) -> int:
    """The number of the next attempt of the turn, as far as the run keeps a claim."""
    claim = claim_of_turn(run)
    return claim.attempt + 1 if claim is not None else 0


def token(
    uid: str, turn: int, attempt: int, *, context: RunContext | None = None, summary_through: int | None = None
) -> str:
    """Names one attempt of one turn of one run, or of a summary before it.

    Args:
        context: As it was before the attempt: when a request was refused as too long, and after a summary, the attempts
            of the turn begin anew.
        summary_through: For a summary: the first message that it does not replace.
    """
    parts: list[object] = [turn, attempt]
    if context is not None and (context.too_long or context.shortened):
        parts += ["long" if context.too_long else "shortened", context.shortened]
    if summary_through is not None:
        parts += ["summary", summary_through]
    return str(uuid.uuid5(uuid.UUID(uid), "/".join(map(str, parts))))


def holds(run: TaskRun, claim: LLMClaim) -> bool:
    """Whether `claim` is still the one that counts for `run`."""
    current = run.status.llm
    return (
        run.status.phase == TaskRunPhase.SEND_CONTEXT_WINDOW_TO_LLM
        and current is not None
        and (current.token, current.holder) == (claim.token, claim.holder)
    )


def idempotency_key(run: TaskRun, pending: PendingToolCall) -> str:
    """The key that goes with every attempt of one tool call: the same for a repeat, another for everything else."""
    text = f"{run.metadata.uid}|{run.status.turn}|{pending.idx}|{pending.tool_call_id}"
    return hashlib.sha256(text.encode()).hexdigest()


def tool_call_request_id(run: TaskRun) -> str:
    """Names the tool calls of the run's current turn, the same however often it is computed."""
    return uuid.uuid5(uuid.UUID(run.metadata.uid), f"tool calls/{run.status.turn}").hex


def object_name(run: TaskRun, pending: PendingToolCall) -> str:
    """The name of the object of one call of the open turn."""
    own = names.tool_call_name(run.metadata.name, turn=run.status.turn, index=pending.idx)
    return pending.object_name or own


def is_call_of(run: TaskRun, pending: PendingToolCall, call: TaskRunToolCall) -> bool:
    """Whether an object is the one for this call of this very run."""
    if pending.object_name is not None and call.spec.args_sha is None:
        return is_owned_by(call, run) and call.spec.tool_call_id == pending.tool_call_id
    return is_owned_by(call, run) and (call.spec.args_sha, call.spec.tool_call_id) == (
        pending.args_sha,
        pending.tool_call_id,
    )


def is_left_over(run: TaskRun, call: TaskRunToolCall) -> bool:
    """Whether an object belongs to an earlier run of the same name: that one is gone, and its calls go after it."""
    return any(
        owner.kind == run.kind and owner.name == run.metadata.name and owner.uid != run.metadata.uid
        for owner in call.metadata.owner_references
    )
