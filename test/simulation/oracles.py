"""What must hold at the end of a broken run: the same as without the break.

It may cost at most one more claim of each object.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from kubechain.api import names, traces
from kubechain.api.humanrequest import HumanRequestType
from kubechain.api.taskrun import ToolCallType
from test.simulation.cluster import phase_of, status_of
from test.simulation.invariants import STILL
from test.simulation.plans import Plan

if TYPE_CHECKING:
    from test.simulation.simulation import Outcome

_VOLATILE = frozenset(
    {
        "agentUid",
        "at",
        "attempt",
        "completionTime",
        "creationTimestamp",
        "deadline",
        "decidedAt",
        "execution",
        "expiresAt",
        "idempotencyKey",
        names.LABEL_TOOL_CALL_REQUEST,
        "lastTransitionTime",
        "lastingSha",
        "llmUid",
        "managedFields",
        "modelCalls",
        "resourceVersion",
        "sha",
        "spanContext",
        "startTime",
        "token",
        "toolCallRequestId",
        traces.TRACEPARENT,
        "uid",
        "usageByDay",
    }
)
"""What differs between equal runs. Model calls whose reply was lost are counted: they are billed."""

_OF_DELIVERIES = _VOLATILE | {"attempts", "externalID", "sentAt"}
"""The key of a message has the uid of its request in it."""

BROKE_NOTHING = "broke nothing: this run went another way than the reference"
"""A plan that has not happened proves nothing, and must not count as one that holds."""

_JUDGED_ALONE = frozenset({"budgets"})
"""Kinds whose status says when it was read; `spending` judges them."""

_CHUNK = re.compile(r"(-ctx-\d+)-[0-9a-f]{8}$")
"""The name of a chunk: its hash has the uid of its run in it."""

_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z")
"""A time in a text, such as when a request expired."""

_RUN_KINDS = ("taskruns/", "taskruntoolcalls/", "humanrequests/")
CLAIMS = ("SendContextWindowToLLM", "Running")
_SKIPPED_BY_A_SUCCESSOR = (" ErrorBackoff", " AwaitingHumanApproval", " AwaitingHumanInput")
"""A wait that was over before the next process looked is not written by it."""


def normalised(objects: Mapping[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """All objects by kind and name, without what differs between equal runs."""
    told = {plural: found for plural, found in objects.items() if plural not in _JUDGED_ALONE}
    named = ((f"{plural}/{obj['metadata']['name']}", obj) for plural, found in told.items() for obj in found)
    return {_CHUNK.sub(r"\1", name): _stable(obj) for name, obj in named}


def _stable(value: Any) -> Any:
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        kept = {name: _stable(inner) for name, inner in fields.items() if name not in _volatile(fields)}
        return kept | ({"deletionTimestamp": "at some time"} if "deletionTimestamp" in fields else {})
    if isinstance(value, list):
        return [_stable(inner) for inner in cast("list[Any]", value) if not _is_chance(inner)]
    return _MOMENT.sub("some time", _CHUNK.sub(r"\1", value)) if isinstance(value, str) else value


def _volatile(fields: Mapping[str, Any]) -> frozenset[str]:
    if {"llmName", "reason"} <= fields.keys():  # which failure was the last before an LLM was passed over is chance
        return _VOLATILE | {"reason", "message"}
    return _OF_DELIVERIES if "channel" in fields else _VOLATILE


def _is_chance(value: Any) -> bool:
    """Conditions that equal runs need not share.

    That a message was sent: which channel had it last, and whether that was recorded. That a circuit is closed again:
    it is in memory, and failures before and after a restart may be too few to open one. One that stays open counts.
    """
    if not isinstance(value, dict):
        return False
    condition = cast("dict[str, Any]", value)
    is_closed = condition.get("type") == "CircuitOpen" and condition.get("status") == "False"
    return is_closed or condition.get("type") == "Delivered"


def differences(outcome: Outcome, reference: Outcome, plan: Plan) -> list[str]:
    """What a broken run may not differ in."""
    found = list(outcome.violations)
    if not outcome.has_suffered and (plan.is_at_a_point or plan.fault in ("freeze", "cut")):
        found.append(f"{plan} {BROKE_NOTHING}")
    may_be_unknown = _may_be_unknown(outcome, plan)
    if not outcome.scenario.elects or (may_be_unknown and not outcome.is_complete):
        # Managers that work against each other; or the call that people would have acted upon was never made.
        return found
    found += _state(outcome, reference, may_be_unknown=may_be_unknown)
    if plan.is_at_a_point and not outcome.scenario.is_timed:
        found += _cost(outcome, reference, plan)
    return found


def _may_be_unknown(outcome: Outcome, plan: Plan) -> bool:
    """Whether a call that is not safe to repeat may end as unknown: it was interrupted after its claim.

    Or the API server answered with an error when its Job was created, which may exist all the same.
    """
    is_interrupted = any(name.startswith("taskruntoolcalls/") for name in outcome.left_open)
    is_unanswered = plan.loses_replies and any(label.startswith(("tool ", "mcp ")) for label in outcome.broken)
    may_have_a_job = plan.fault in ("errors", "chaos", "mayhem") and _has_jobs(outcome)
    is_cut_off = bool(_cut_off_calls(outcome))
    return is_interrupted or is_cut_off or is_unanswered or may_have_a_job or plan.fault in ("freeze", "cut")


def _cut_off_calls(outcome: Outcome) -> frozenset[str]:
    """Calls whose claim or result was on its way when the process ended."""
    puts = (label.removeprefix("PUT ").split("/status ") for label in outcome.cut_off if label.startswith("PUT "))
    return frozenset(name for name, *_ in puts if name.startswith("taskruntoolcalls/"))


def _state(outcome: Outcome, reference: Outcome, *, may_be_unknown: bool) -> list[str]:
    state, wanted = _without_causes(outcome.state), _without_causes(reference.state)
    if outcome.scenario.is_timed:
        return _same(_without_turns(state), _without_turns(wanted))
    is_unheard = any(phase_of(state.get(name, {})) == "Cancelled" for name in _cut_off_calls(outcome))
    if may_be_unknown and (_unknown_calls(state) or _questions_about_outcomes(state) or is_unheard):
        return _same(_without_results(state), _without_results(wanted))
    return _same(state, wanted)


def _same(left: Mapping[str, Any], right: Mapping[str, Any]) -> list[str]:
    found = [f"{name}: only in one of both" for name in sorted(left.keys() ^ right.keys())]
    for name in sorted(left.keys() & right.keys()):
        found += [f"{name}{path}" for path in _paths(left[name], right[name], "")]
    return found


def _paths(left: Any, right: Any, path: str) -> list[str]:
    if isinstance(left, dict) and isinstance(right, dict):
        mine, theirs = cast("dict[str, Any]", left), cast("dict[str, Any]", right)
        names = sorted(mine.keys() | theirs.keys())
        return [found for name in names for found in _paths(mine.get(name), theirs.get(name), f"{path}.{name}")]
    return [] if left == right else [f"{path}: {left!r} and not {right!r}"]


def _unknown_calls(state: Mapping[str, Any]) -> list[str]:
    return [name for name, obj in state.items() if phase_of(obj) == "OutcomeUnknown"]


def _questions_about_outcomes(state: Mapping[str, Any]) -> list[str]:
    """Requests that ask what became of a call."""
    requests = ((name, obj) for name, obj in state.items() if name.startswith("humanrequests/"))
    return [name for name, obj in requests if obj["spec"]["request"]["type"] == HumanRequestType.OUTCOME]


_CAUSE = frozenset({"digest", "message"})
"""What says why it is not known whether a call took effect: its connection broke, or its manager died."""


def _without_causes(state: Mapping[str, Any]) -> dict[str, Any]:
    """Why a person is asked what became of a call depends on what broke."""
    asking = frozenset(_questions_about_outcomes(state))
    kept: dict[str, Any] = {}
    for name, obj in state.items():
        is_call = name.startswith("taskruntoolcalls/")
        asked: dict[str, Any] = (status_of(obj).get("input") or {}) if is_call else {}
        if name in asking:
            kept[name] = obj | {"spec": {part: _less(said) for part, said in obj["spec"].items()}}
        elif asked.get("type") == HumanRequestType.OUTCOME:
            kept[name] = obj | {"status": obj["status"] | {"input": _less(asked)}}
        else:
            kept[name] = obj
    return kept


def _less(said: Mapping[str, Any]) -> dict[str, Any]:
    return {field: value for field, value in said.items() if field not in _CAUSE}


def _without_results(state: Mapping[str, Any]) -> dict[str, Any]:
    """For a run whose interrupted call was reported as unknown, or asked about: all that follows from that."""
    kept: dict[str, Any] = {}
    asking = frozenset(_questions_about_outcomes(state))
    for name, obj in state.items():
        if name in asking:
            continue
        copy = dict(obj)
        if name.startswith("taskruntoolcalls/"):
            copy["status"] = "over"
        elif name.startswith("taskruns/"):
            window: list[dict[str, Any]] = status_of(obj).get("contextWindow") or []
            size: dict[str, Any] = status_of(obj).get("context") or {}
            copy["status"] = {
                **obj["status"],
                "contextWindow": [_without_result(one) for one in window],
                "context": {field: value for field, value in size.items() if field != "tokens"},
            }
        kept[name] = copy
    return kept


def _without_result(message: Mapping[str, Any]) -> dict[str, Any]:
    if message["role"] != "tool":
        return dict(message)
    return {name: value for name, value in message.items() if name not in ("content", "isError")}


_TURNS = ("contextWindow", "messageCount", "turn", "usage")


def _without_turns(state: Mapping[str, Any]) -> dict[str, Any]:
    """For a story in which it depends on the moment how often the model was asked: what people said, and the end."""
    kept: dict[str, Any] = {}
    for name, obj in state.items():
        status = status_of(obj)
        window: list[dict[str, Any]] = status.get("contextWindow") or []
        said = [message["content"] for message in window if message["role"] in ("system", "user")]
        rest = {field: value for field, value in status.items() if field not in _TURNS}
        kept[name] = {**obj, "status": {**rest, "said": said}}
    return kept


def _cost(outcome: Outcome, reference: Outcome, plan: Plan) -> list[str]:
    """The same writes to runs and calls; at most one more claim of each, and the record of an attempt that failed."""
    scenario = outcome.scenario
    is_chance = scenario.is_crowded or scenario.shares
    mine, theirs = (_run_writes(one.writes, waits_by_chance=is_chance) for one in (outcome, reference))
    extra, missing = _of_what_stays(mine - theirs, outcome), _of_what_stays(theirs - mine, outcome)
    claims = max((count for label, count in extra.items() if label.endswith(CLAIMS)), default=0)
    others = {label: count for label, count in extra.items() if not label.endswith(CLAIMS)}
    others = {label: count for label, count in others.items() if not _explains(label, outcome, plan)}
    found = list[str]()
    if claims > _claims_allowed(outcome, plan):
        found.append(f"{claims} more claims of one object than in the reference: {dict(extra)}")
    if others:
        found.append(f"writes that the reference has not: {others}")
    dispensable = (" Pending", " Succeeded", " Failed", *(_SKIPPED_BY_A_SUCCESSOR if plan.ends_a_process else ()))
    unexplained = {label: count for label, count in missing.items() if not label.endswith(dispensable)}
    if unexplained:
        found.append(f"writes that only the reference has: {unexplained}")
    return found


def _of_what_stays(writes: Counter[str], outcome: Outcome) -> Counter[str]:
    """Without the cancelling of what is gone in the end: whether that, or the garbage collector, is first is chance."""
    ends = (" Cancelled", " Withdrawn")
    kept = (label for label in writes if not label.endswith(ends) or label.split(" ")[1] in outcome.state)
    return Counter({label: writes[label] for label in kept})


def _claims_allowed(outcome: Outcome, plan: Plan) -> int:
    """A manager that stops in order finishes what it began, and so leaves nothing to be claimed again but a Job.

    A turn whose key was refused since it was rotated is claimed again, too.
    """
    leaves_nothing = plan.fault == "stop" and outcome.scenario.is_brisk and not _has_jobs(outcome)
    return (0 if leaves_nothing else 1) + (0 if outcome.scenario.watches_secrets else 1)


def _has_jobs(outcome: Outcome) -> bool:
    """Whether a call is a container, which goes on without its manager: the next one follows it under its own claim."""
    calls = (obj for name, obj in outcome.state.items() if name.startswith("taskruntoolcalls/"))
    return any(obj["spec"].get("toolType") == ToolCallType.CONTAINER for obj in calls)


def _explains(label: str, outcome: Outcome, plan: Plan) -> bool:
    """Whether a write is how a broken side effect is told."""
    if label.endswith((" OutcomeUnknown", " AwaitingHumanInput")) or " humanrequests/" in label:
        return _may_be_unknown(outcome, plan)
    if plan.ends_a_process and label.endswith(" Pending"):
        return True  # the successor has to connect first
    if label.endswith(" Cancelled"):
        return label.split(" ")[1] in _cut_off_calls(outcome)
    if label.endswith(" ErrorBackoff") and not outcome.scenario.watches_secrets:
        return True  # a key that was read just before it was rotated is noticed by its refusal
    if not plan.loses_replies:
        return False
    broken = outcome.broken[0]
    if broken.startswith("model"):
        return label.endswith(" ErrorBackoff")
    return broken.startswith(("tool", "mcp")) and label.endswith(" Pending")


def _run_writes(writes: Counter[str], *, waits_by_chance: bool) -> Counter[str]:
    """The writes that do not depend on who comes first.

    Args:
        waits_by_chance: Which of the runs records its turn alone is chance: they wait for each other or for their LLM,
            or several managers share them, and one may see that the Agent is ready before it sees that its Tool is.
    """
    kept: Counter[str] = Counter()
    for label, count in writes.items():
        is_alone = waits_by_chance and label.endswith(" ReadyForLLM")
        if label.split(" ")[1].startswith(_RUN_KINDS) and not _waits(label) and not is_alone:
            kept[label] += count
    return kept


def _waits(label: str) -> bool:
    """What a run waits for, and how long, depends on who comes first."""
    return label.endswith(STILL) or (label.endswith(" Pending") and "taskruns/" in label)
