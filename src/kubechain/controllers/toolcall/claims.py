"""The claim on a tool call: made before the tool is called, checked before its result counts."""

from __future__ import annotations

import hashlib
import uuid
from datetime import datetime, timedelta

from kubechain.api.humanrequest import HumanRequestType
from kubechain.api.taskruntoolcall import Execution, HumanInput, TaskRunToolCall, ToolCallPhase
from kubechain.api.tool import ToolSemantics


def execution_for(
    call: TaskRunToolCall,
    *,
    attempt: int,
    holder: str,
    semantics: ToolSemantics,
    now: datetime,
    timeout_seconds: float,
) -> Execution:
    """The claim of one attempt; its token is the same however often it is computed."""
    return Execution(
        attempt=attempt,
        token=str(uuid.uuid5(uuid.UUID(call.metadata.uid), str(attempt))),
        holder=holder,
        semantics=semantics,
        key=key_of(call),
        started_at=now,
        deadline=now + timedelta(seconds=timeout_seconds),
    )


def tries(call: TaskRunToolCall) -> int:
    """How many attempts were made since the MCP server asked people for something last; that is not a failure."""
    execution, elicitation = call.status.execution, call.status.elicitation
    made = 0 if execution is None else execution.attempt + 1
    return made if elicitation is None else made - elicitation.attempt - 1


def key_of(call: TaskRunToolCall) -> str:
    """The idempotency key: the same for each attempt, another one for each round of replies.

    With one key for all, a server that knows it would repeat its question.
    """
    key, elicitation = call.spec.idempotency_key or call.metadata.uid, call.status.elicitation
    return key if elicitation is None else hashlib.sha256(f"{key}/{elicitation.rounds}".encode()).hexdigest()


def followed(execution: Execution, *, holder: str) -> Execution:
    """The same attempt, with another process that waits for its end."""
    return execution.with_changes(holder=holder)


def holds(call: TaskRunToolCall, execution: Execution) -> bool:
    """Whether `execution` is still the one that counts for `call`."""
    current = call.status.execution
    return (
        call.status.phase == ToolCallPhase.RUNNING
        and current is not None
        and (current.token, current.holder) == (execution.token, execution.holder)
    )


def was_given_up(call: TaskRunToolCall, execution: Execution) -> bool:
    """Whether another process ended the call as unknown while this attempt went on, and no late result is kept yet."""
    current = call.status.execution
    return (
        call.status.phase == ToolCallPhase.OUTCOME_UNKNOWN
        and call.status.late_result is None
        and current is not None
        and current.token == execution.token
    )


def is_asked_about(call: TaskRunToolCall, execution: Execution) -> bool:
    """Whether another process asks a person what became of this attempt, while it went on."""
    asked, current = call.status.open_question, call.status.execution
    return (
        isinstance(asked, HumanInput)
        and asked.type == HumanRequestType.OUTCOME
        and not call.status.is_over
        and current is not None
        and current.token == execution.token
    )
