"""Conditions: the state of an object in the standard Kubernetes form. Pure functions on tuples of `Condition`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from kubechain.api.meta import Condition, ConditionStatus

READY = "Ready"
"""Condition of every kind that is Pending, Ready or Error: the object can be used."""

FINISHED = "Finished"
"""Condition of a run, and of a Task about its newest run: True at every end, whatever it is."""

SUCCEEDED = "Succeeded"
"""Condition of a run, and of a Task about its newest run: True with a final answer, Unknown while it goes on."""

TRUNCATED = "Truncated"
"""Condition of a run whose final answer is not whole."""

RUN_CREATED = "RunCreated"
"""Condition of a Task whose first run was created: that run is not created again after its deletion."""

EDITED = "EditedSinceRun"
"""Condition of a Task that was edited after its newest run began; the edit has no effect on that run."""

LIMIT_NEAR = "LimitNear"
"""Condition of a run that has used most of a limit of its Agent, or of an Agent that delegated to it."""

LIMIT_REACHED = "LimitReached"
"""Condition of a run that waits for a person to add to a limit of its Agent, or of an Agent that delegated to it."""

WINDOW_FULL = "ContextWindowFull"
"""Condition of a run whose conversation is nearly as large as can be stored: its model was asked for the answer."""

BLOCKS_IGNORED = "BlocksIgnored"
"""Condition of a ContactChannel that has blocks of other types than its own, which have no effect."""

LISTENING = "Listening"
"""Condition of a ContactChannel with Socket Mode: whether answers come over the connection that the manager opened."""

CIRCUIT_OPEN = "CircuitOpen"
"""Condition of an LLM whose provider fails: runs wait, and one call at a time tries it."""

FALLBACKS_READY = "FallbacksReady"
"""Condition of an LLM with fallbacks: whether all of them can be used."""

FINISHED_DOC = "True at every end: with an answer, failed or cancelled"
SUCCEEDED_DOC = "True with a final answer, False after another end, Unknown while the run goes on"

TRUNCATED_DOC = "True when the final answer is not whole: cut at the token limit, or longer than a run can hold"


def find_condition(conditions: Sequence[Condition], type: str) -> Condition | None:
    """Return the condition of this type, if there is one."""
    return next((condition for condition in conditions if condition.type == type), None)


def is_true(conditions: Sequence[Condition], type: str) -> bool:
    """Whether the condition of this type is there and True."""
    found = find_condition(conditions, type)
    return found is not None and found.status == "True"


def condition_status(value: bool | None) -> ConditionStatus:
    """Return the wire form of a claim; None is Unknown."""
    match value:
        case None:
            return "Unknown"
        case True:
            return "True"
        case False:
            return "False"


def with_condition(
    conditions: Sequence[Condition],
    type: str,
    *,
    status: bool | None,
    reason: str,
    message: str,
    observed_generation: int,
    now: datetime,
) -> tuple[Condition, ...]:
    """Return the conditions with one of them set, the others untouched and in order.

    The transition time moves only when the status changes: an unchanged state gives an equal result, and no write.

    Args:
        status: Whether the claim holds; None means unknown.
        now: Time of the change, if there is one.
    """
    old = find_condition(conditions, type)
    wire_status = condition_status(status)
    unmoved = old is not None and old.status == wire_status
    new = Condition(
        type=type,
        status=wire_status,
        reason=reason,
        message=message,
        observed_generation=observed_generation,
        last_transition_time=old.last_transition_time if old is not None and unmoved else now,
    )
    if old is None:
        return (*conditions, new)
    return tuple(new if condition is old else condition for condition in conditions)


def confirmed(conditions: Sequence[Condition], generation: int) -> tuple[Condition, ...]:
    """Return the conditions as ones that hold for this generation of the spec.

    `kubectl wait` takes no condition for met that was computed from an earlier one.
    """
    return tuple(
        one if one.observed_generation == generation else one.with_changes(observed_generation=generation)
        for one in conditions
    )


Claim = tuple[str, bool | None, str, str]
"""Type, status, reason and message of a condition."""


def with_conditions(
    conditions: Sequence[Condition], claims: Iterable[Claim], *, observed_generation: int, now: datetime
) -> tuple[Condition, ...]:
    """Return the conditions with several of them set; see `with_condition`."""
    known = tuple(conditions)
    for type_, status, reason, message in claims:
        known = with_condition(
            known,
            type_,
            status=status,
            reason=reason,
            message=message,
            observed_generation=observed_generation,
            now=now,
        )
    return known
