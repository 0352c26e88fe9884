"""What a tool call does next: one small pure function for each phase, in the order of its life."""

from __future__ import annotations

from kubechain.api.taskrun import TaskRunPhase
from kubechain.api.taskruntoolcall import ToolCallPhase
from kubechain.api.tool import ToolSemantics
from kubechain.controllers.offers import Missing, Offer, Source, Withdrawn
from kubechain.controllers.toolcall.observe import Observed
from kubechain.controllers.toolcall.steps import (
    Cancel,
    Delegate,
    Execute,
    Fail,
    LookForChild,
    Release,
    ReportUnknown,
    Rest,
    Step,
    TakeAnswer,
    Wait,
)
from kubechain.tools import arguments as tool_arguments
from kubechain.tools.model import InvalidArguments, InvalidSchema

ATTEMPTS_MAX = 3
"""For calls that are safe to repeat: a call that kills the manager must not do so for ever."""

DEPTH_MAX = 8
"""Agents that delegate to agents: deeper than this nobody has planned it."""

INTERRUPTED = "cancelled while it was carried out; it may have taken effect"
"""Said of every call that was claimed, by whichever process finds that nobody wants it any more."""

BUILTIN_TIMEOUT_SECONDS = 10.0
API_TIMEOUT_SECONDS = 60.0
CONTAINER_TIMEOUT_SECONDS = 600.0
MCP_TIMEOUT_SECONDS = 120.0
"""Where the Tool sets none: long enough for honest work, short enough that a run does not hang for a day unseen."""


def decide(observed: Observed) -> Step:
    """The next step for one call."""
    phase = observed.call.status.phase
    is_deleted = observed.call.metadata.deletion_timestamp is not None
    if phase is not None and phase.is_terminal:
        return Release() if is_deleted and not observed.is_awaited else Rest()
    if reason := _unwanted(observed):
        return Cancel(INTERRUPTED if phase == ToolCallPhase.RUNNING else reason)
    match phase:
        case None | ToolCallPhase.PENDING:
            return _start(observed)
        case ToolCallPhase.RUNNING:
            return _take_over(observed)
        case ToolCallPhase.AWAITING_SUB_AGENT:
            return _follow_child(observed)
        case _:
            return Rest()


def _unwanted(observed: Observed) -> str | None:
    if observed.call.metadata.deletion_timestamp is not None:
        return "the tool call was deleted"
    run = observed.run
    if run is None or run.metadata.deletion_timestamp is not None:
        return "its run was deleted"
    if run.spec.cancel or run.status.phase == TaskRunPhase.CANCELLED:
        return "its run was cancelled"
    if run.status.completion_time is not None:
        return "its run is over"
    return None


def _start(observed: Observed) -> Step:
    match observed.found:
        case None:
            return Fail(_unknown_tool(observed))
        case Withdrawn(detail):
            return Fail(detail)
        case Missing(detail):
            return Wait(detail)
        case Offer() as offer:
            execution = observed.call.status.execution
            return _begin(observed, offer, attempt=execution.attempt + 1 if execution else 0)


def _unknown_tool(observed: Observed) -> str:
    run = observed.run
    offered = ", ".join(tool.name for tool in run.status.pinned.tools) if run and run.status.pinned else ""
    return f'there is no tool named "{observed.call.spec.tool_ref.name}"; available tools: {offered or "none"}'


def _begin(observed: Observed, offer: Offer, *, attempt: int) -> Step:
    try:
        arguments = tool_arguments.parse(observed.call.spec.arguments, offer.parameters)
    except (InvalidArguments, InvalidSchema) as error:
        return Fail(str(error))
    if offer.source == Source.MCP_SERVER and not observed.is_connected:
        return Wait(f'Waiting for MCPServer "{offer.object}" to be connected')
    delegate = offer.object if offer.source == Source.AGENT else _delegate_of(observed)
    if delegate:
        if observed.depth >= DEPTH_MAX:
            return Fail(f"agents delegate to agents at most {DEPTH_MAX} levels deep")
        return Delegate(agent=delegate, message=str(arguments["message"]))
    return Execute(
        offer=offer,
        arguments=arguments,
        semantics=semantics_of(observed, offer),
        attempt=attempt,
        timeout_seconds=_timeout_seconds(observed, offer),
    )


def _delegate_of(observed: Observed) -> str:
    agent_ref = observed.tool.spec.agent_ref if observed.tool else None
    return agent_ref.name if agent_ref else ""


def semantics_of(observed: Observed, offer: Offer) -> ToolSemantics:
    """Whether an interrupted call may be repeated: only where a person, or a function of our own, says so."""
    tool, server = observed.tool, observed.server
    if offer.source == Source.BUILTIN:
        return ToolSemantics.IDEMPOTENT
    if tool is not None:
        is_builtin = tool.spec.execute is not None and tool.spec.execute.builtin is not None
        return tool.spec.semantics or (ToolSemantics.IDEMPOTENT if is_builtin else ToolSemantics.AT_MOST_ONCE)
    if server is not None and server.spec.trust_annotations:
        said = next((known for known in server.status.tools if known.name == offer.tool), None)
        if said is not None and said.repeatable:
            return ToolSemantics.IDEMPOTENT
    return ToolSemantics.AT_MOST_ONCE


def _timeout_seconds(observed: Observed, offer: Offer) -> float:
    if offer.source == Source.MCP_SERVER:
        return MCP_TIMEOUT_SECONDS
    execute = observed.tool.spec.execute if observed.tool else None
    if execute is not None and execute.container is not None:
        return float(execute.container.timeout_seconds or CONTAINER_TIMEOUT_SECONDS)
    if execute is not None and execute.external_api is not None:
        return float(execute.external_api.timeout_seconds or API_TIMEOUT_SECONDS)
    return BUILTIN_TIMEOUT_SECONDS


def _take_over(observed: Observed) -> Step:
    """T6: claimed, and nobody in this process works on it."""
    if observed.holder_gone_in_seconds > 0:
        return Rest(observed.holder_gone_in_seconds)
    execution = observed.call.status.execution
    if execution is None or execution.semantics != ToolSemantics.IDEMPOTENT:
        return ReportUnknown("the call was interrupted")
    if execution.attempt + 1 >= ATTEMPTS_MAX:
        return ReportUnknown(f"the call was interrupted {ATTEMPTS_MAX} times")
    match observed.found:
        case Offer() as offer:
            return _begin(observed, offer, attempt=execution.attempt + 1)
        case Missing(detail):
            return Wait(detail)
        case _:
            return ReportUnknown("the call was interrupted, and the tool is no longer offered")


def _follow_child(observed: Observed) -> Step:
    child = observed.child
    if child is None:
        return LookForChild()
    match child.status.phase:
        case TaskRunPhase.FINAL_ANSWER:
            return TakeAnswer(child.status.output)
        case TaskRunPhase.FAILED | TaskRunPhase.CANCELLED:
            return Fail(
                f'the agent\'s run "{child.metadata.name}" ended without an answer: {child.status.status_detail}'
            )
        case _:
            return Rest()
