"""What a run or a call waits for, and what would end the wait."""

from __future__ import annotations

from collections.abc import Sequence

from kubechain.api import conditions
from kubechain.api.budget import BudgetRequest
from kubechain.api.humanrequest import HumanRequest, HumanRequestType
from kubechain.api.taskrun import TaskRun, TaskRunPhase
from kubechain.api.taskruntoolcall import TaskRunToolCall, ToolCallPhase
from kubechain.views import commands
from kubechain.views.story import Wait, WaitKind
from kubechain.views.wording import brief

_MANAGER_COMMAND = "kubectl get pods -A -l app.kubernetes.io/name=kubechain"

_ASKED_FOR = {
    HumanRequestType.APPROVAL: "to approve a call of",
    HumanRequestType.QUESTION: "to answer a question of",
    HumanRequestType.FORM: "to fill in a form of",
    HumanRequestType.URL: "to open a page of",
    HumanRequestType.BUDGET: "to add to a limit of",
    HumanRequestType.OUTCOME: "to say what became of a call of",
}

_AFTERWARDS = {
    HumanRequestType.APPROVAL: "Without a decision the call is rejected, and the model reads that.",
    HumanRequestType.QUESTION: "Without an answer the call fails, and the model reads that.",
    HumanRequestType.FORM: "Without an answer the MCP server is told that nobody answered.",
    HumanRequestType.URL: "Without an answer the MCP server is told that nobody answered.",
    HumanRequestType.BUDGET: "Without a decision the run fails.",
    HumanRequestType.OUTCOME: "Without an answer the model reads that the outcome is unknown.",
}


def of_run(run: TaskRun, calls: Sequence[Wait], *, is_missing_calls: bool = False) -> tuple[Wait, ...]:
    """What a run waits for.

    Args:
        calls: What its open calls wait for.
        is_missing_calls: Whether calls that the model asked for have no object yet.
    """
    phase = run.status.phase
    if phase is not None and phase.is_terminal:
        return ()
    if run.spec.cancel:
        return (Wait(WaitKind.CANCELLATION, _run(run), "to be cancelled", _MANAGER_ENDS, (_MANAGER_COMMAND,)),)
    if (asked := run.status.open_budget_request) is not None:
        return (_for_budget(run, asked),)
    if conditions.is_true(run.status.conditions, conditions.LIMIT_REACHED):
        ends = "A person adds to the limit of the run above that has reached it."
        return (Wait(WaitKind.PERSON, _run(run), _detail(run), ends, ("kubechain pending",)),)
    return _in_phase(run, phase, calls, is_missing_calls)


_MANAGER_ENDS = "A manager that watches this namespace acts on it; is one running?"


def _in_phase(
    run: TaskRun, phase: TaskRunPhase | None, calls: Sequence[Wait], is_missing_calls: bool
) -> tuple[Wait, ...]:
    match phase:
        case None:
            created_at = run.metadata.creation_timestamp
            what = "for a manager: none has seen the run yet"
            return (Wait(WaitKind.MANAGER, _run(run), what, _MANAGER_ENDS, (_MANAGER_COMMAND,), since=created_at),)
        case TaskRunPhase.INITIALIZING | TaskRunPhase.PENDING:
            return (_for_object(run),)
        case TaskRunPhase.READY_FOR_LLM:
            return (_for_slot(run),)
        case TaskRunPhase.SEND_CONTEXT_WINDOW_TO_LLM:
            return (_for_model(run),)
        case TaskRunPhase.ERROR_BACKOFF:
            return (_for_retry(run),)
        case TaskRunPhase.TOOL_CALLS_PENDING | TaskRunPhase.CHECKING_TOOL_CALLS:
            return tuple(calls) if calls and not is_missing_calls else (*calls, _for_calls(run))
        case TaskRunPhase.FINAL_ANSWER | TaskRunPhase.FAILED | TaskRunPhase.CANCELLED:
            return ()


def _for_object(run: TaskRun) -> Wait:
    about = _about_agent(run)
    ends = "The run begins when what it needs is there and ready."
    return Wait(WaitKind.OBJECT, _run(run), _detail(run), ends, about, since=run.metadata.creation_timestamp)


def _about_agent(run: TaskRun) -> tuple[str, ...]:
    spec, pinned = run.spec, run.status.pinned
    if pinned is not None:
        return (f"kubechain explain llm/{pinned.llm_name}",)
    if spec.agent_ref is not None:
        return (f"kubechain explain agent/{spec.agent_ref.name}",)
    return () if spec.task_ref is None else (f"kubechain explain task/{spec.task_ref.name}",)


def _for_slot(run: TaskRun) -> Wait:
    what = _detail(run) if not run.status.ready else "for its turn to call the model"
    ends = "The LLM has a free slot, or what it waits for is over."
    return Wait(WaitKind.QUEUE, _run(run), what, ends, _about_agent(run), since=run.status.blocked_since)


def _for_model(run: TaskRun) -> Wait:
    claim, pinned = run.status.llm, run.status.pinned
    name = claim.llm_name if claim is not None and claim.llm_name else pinned.llm_name if pinned is not None else ""
    llm = f'LLM "{name}"' if name else "the model"
    if claim is None:
        return Wait(WaitKind.MODEL, _run(run), f"for {llm}")
    attempt = f", attempt {claim.attempt + 1}" if claim.attempt else ""
    return Wait(
        WaitKind.MODEL,
        _run(run),
        f"for the answer of {llm} (turn {claim.turn + 1}{attempt})",
        "The model answers, or the call times out and is repeated.",
        since=claim.started_at,
        until=claim.deadline,
    )


def _for_retry(run: TaskRun) -> Wait:
    claim, error = run.status.llm, brief(run.status.error or run.status.status_detail, 300)
    what = f"to call the model again after a failure: {error}"
    since = claim.failing_since if claim is not None else None
    ends = "The call succeeds; it is repeated for as long as limits.retryFor of the Agent allows."
    return Wait(WaitKind.RETRY, _run(run), what, ends, _about_agent(run), since=since, until=run.status.next_attempt_at)


def _for_calls(run: TaskRun) -> Wait:
    what = f"for its tool calls: {_detail(run)}" if run.status.status_detail else "for its tool calls"
    ends = "The manager makes an object for each call, and reads the results."
    command = f"kubectl describe taskrun {run.metadata.name}"
    return Wait(WaitKind.TOOL, _run(run), what, ends, (command,), since=run.status.blocked_since)


def _for_budget(run: TaskRun, asked: BudgetRequest) -> Wait:
    reached = ", ".join(f"{each.used:,} of {each.allowed:,} {each.limit}" for each in asked.reached)
    what = f"for a person {_ASKED_FOR[HumanRequestType.BUDGET]} the run: {reached} are used"
    if asked.budget is not None:
        what = f'for a person to let it spend more: Budget "{asked.budget.name}" is spent'
    is_beyond_budget = asked.budget is not None
    return Wait(
        WaitKind.PERSON,
        _run(run),
        what,
        _AFTERWARDS[HumanRequestType.BUDGET],
        commands.deciding(HumanRequestType.BUDGET, asked.request_name, is_beyond_budget=is_beyond_budget),
        until=asked.expires_at,
    )


def of_call(call: TaskRunToolCall, request: HumanRequest | None, child: Sequence[Wait]) -> tuple[Wait, ...]:
    """What a call waits for.

    Args:
        request: The HumanRequest of its open question, where it can be read.
        child: What the run of another agent waits for that answers it.
    """
    match call.status.phase:
        case (
            ToolCallPhase.SUCCEEDED
            | ToolCallPhase.FAILED
            | ToolCallPhase.TOOL_CALL_REJECTED
            | ToolCallPhase.OUTCOME_UNKNOWN
            | ToolCallPhase.CANCELLED
        ):
            return ()
        case ToolCallPhase.AWAITING_HUMAN_APPROVAL | ToolCallPhase.AWAITING_HUMAN_INPUT:
            return (_for_person(call, request),)
        case ToolCallPhase.AWAITING_SUB_AGENT:
            return tuple(child) or (_for_change(call),)
        case ToolCallPhase.RUNNING:
            return (_for_tool(call),)
        case (
            None
            | ToolCallPhase.PENDING
            | ToolCallPhase.READY_TO_EXECUTE_APPROVED_TOOL
            | ToolCallPhase.ERROR_REQUESTING_HUMAN_APPROVAL
            | ToolCallPhase.ERROR_REQUESTING_HUMAN_INPUT
        ):
            return (_for_change(call),)


def _for_person(call: TaskRunToolCall, request: HumanRequest | None) -> Wait:
    asked = call.status.open_question
    if asked is None:
        return _for_change(call)
    type_ = call.status.input.type if call.status.input is not None else HumanRequestType.APPROVAL
    return Wait(
        WaitKind.PERSON,
        _call(call),
        f"for a person {_ASKED_FOR[type_]} {_shown(call, type_, request)}",
        _AFTERWARDS[type_],
        commands.deciding(type_, asked.request_name),
        since=request.metadata.creation_timestamp if request is not None else None,
        until=asked.expires_at,
    )


def _shown(call: TaskRunToolCall, type_: HumanRequestType, request: HumanRequest | None) -> str:
    tool = call.spec.tool_ref.name
    if type_ is HumanRequestType.APPROVAL:
        return brief(f"{tool} {call.spec.arguments}")
    message = request.spec.request.message if request is not None else None
    return f"{tool}: {brief(message, 300)}" if message else tool


def _for_tool(call: TaskRunToolCall) -> Wait:
    execution, detail = call.status.execution, brief(call.status.status_detail)
    what = f"for {call.spec.tool_ref.name}: {detail}" if detail else f"for {call.spec.tool_ref.name}"
    ends = "The tool answers, or the call times out."
    if execution is None:
        return Wait(WaitKind.TOOL, _call(call), what, ends)
    return Wait(WaitKind.TOOL, _call(call), what, ends, since=execution.started_at, until=execution.deadline)


def _for_change(call: TaskRunToolCall) -> Wait:
    """A call that cannot go on: its detail says why."""
    detail = brief(call.status.status_detail, 300) or "no manager has seen it yet"
    command = f"kubectl describe trtc {call.metadata.name}"
    what = f"with {call.spec.tool_ref.name}: {detail}"
    return Wait(WaitKind.OBJECT, _call(call), what, _GOES_ON, (command,), call.status.blocked_since)


_GOES_ON = "The call goes on when that has changed."


def _detail(run: TaskRun) -> str:
    """What the status says, in the middle of a sentence: after "waits"."""
    detail = brief(run.status.status_detail, 500)
    return f"for{detail.removeprefix('Waiting for')}" if detail.startswith("Waiting for") else f"({detail})"


def _run(run: TaskRun) -> str:
    return f"taskrun/{run.metadata.name}"


def _call(call: TaskRunToolCall) -> str:
    return f"taskruntoolcall/{call.metadata.name}"
