"""What each turn of a run took and spent, for those who read the run afterwards. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from kubechain.api.taskrun import TaskRun
from kubechain.api.turnrecord import TURN_RECORDS_LIMIT, TurnRecord
from kubechain.api.usage import Usage


def recorded(run: TaskRun, usage: Usage, now: datetime) -> dict[str, Any]:
    """The status fields that say what the turn took whose answer is there; nothing where its claim is not known.

    Args:
        usage: Of the call that was answered; those of the turn that failed before are counted in the run's usage only.
    """
    claim = run.status.llm
    if claim is None:
        return {}
    cost = {"cost": usage.cost} if usage.cost is not None else {}
    record = TurnRecord(
        turn=run.status.turn + 1,
        started_at=claim.started_at,
        ended_at=max(now, claim.started_at),
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        **cost,
    )
    return {"turn_records": (*run.status.turn_records, record)[-TURN_RECORDS_LIMIT:]}
