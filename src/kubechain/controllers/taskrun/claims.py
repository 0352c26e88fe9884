"""The claim on a model call: made before the call, checked before its answer counts.

Safety rests on the API server's compare-and-swap and on these tokens, never on leases or clocks.
"""

import uuid
from datetime import datetime, timedelta

from kubechain.api.taskrun import LLMClaim, TaskRun, TaskRunPhase


def claim_for(run: TaskRun, *, turn: int, attempt: int, holder: str, now: datetime, timeout_seconds: float) -> LLMClaim:
    """The claim of one attempt; its token is the same however often it is computed."""
    return LLMClaim(
        turn=turn,
        attempt=attempt,
        token=token(run.metadata.uid, turn, attempt),
        holder=holder,
        started_at=now,
        deadline=now + timedelta(seconds=timeout_seconds),
    )


def token(uid: str, turn: int, attempt: int) -> str:
    """Names one attempt of one turn of one run."""
    return str(uuid.uuid5(uuid.UUID(uid), f"{turn}/{attempt}"))


def holds(run: TaskRun, claim: LLMClaim) -> bool:
    """Whether ``claim`` is still the one that counts for ``run``."""
    current = run.status.llm
    return (
        run.status.phase == TaskRunPhase.SEND_CONTEXT_WINDOW_TO_LLM
        and current is not None
        and (current.token, current.holder) == (claim.token, claim.holder)
    )
