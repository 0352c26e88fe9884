"""What a TaskRun does next: one small pure function for each phase, in the order of its life."""

from datetime import datetime, timedelta

from kubechain.api import reasons
from kubechain.api.agent import Agent
from kubechain.api.llm import LLM
from kubechain.api.message import Message
from kubechain.api.meta import StatusType
from kubechain.api.taskrun import Pinned, TaskRunPhase
from kubechain.controllers.taskrun import conversation
from kubechain.controllers.taskrun.observe import Observed
from kubechain.controllers.taskrun.steps import AnswerToolCalls, Begin, Cancel, Fail, Rest, SendToLLM, Step, Wait

DEFAULT_MAX_TURNS = 1_000
"""Where the Agent sets no limit: no honest run meets it, and a loop without end does not run for ever."""

TAKE_OVER_PAUSE_MAX_SECONDS = 60.0


def decide(observed: Observed) -> Step:
    """The next step for one run."""
    status = observed.run.status
    match status.phase:
        case TaskRunPhase.FINAL_ANSWER | TaskRunPhase.FAILED | TaskRunPhase.CANCELLED:
            return Rest()
        case _ if observed.run.spec.cancel:
            return Cancel()
        case _ if _is_past_deadline(observed):
            return Fail(reasons.DEADLINE_EXCEEDED, f"the run took longer than {_deadline_seconds(observed)} seconds")
        case None | TaskRunPhase.INITIALIZING | TaskRunPhase.PENDING:
            return _begin(observed)
        case TaskRunPhase.READY_FOR_LLM:
            return _send(observed, attempt=0)
        case TaskRunPhase.SEND_CONTEXT_WINDOW_TO_LLM:
            return _take_over(observed)
        case TaskRunPhase.ERROR_BACKOFF:
            return _try_again(observed)
        case TaskRunPhase.TOOL_CALLS_PENDING | TaskRunPhase.CHECKING_TOOL_CALLS:
            return _answer_tool_calls(observed)


def seconds_to_deadline(observed: Observed) -> float | None:
    """How long the run may still take; None when it has no limit or has not started."""
    limit, start = _deadline_seconds(observed), observed.run.status.start_time
    if limit is None or start is None:
        return None
    return max((start + timedelta(seconds=limit) - observed.now).total_seconds(), 0.0)


def _is_past_deadline(observed: Observed) -> bool:
    return seconds_to_deadline(observed) == 0.0


def _deadline_seconds(observed: Observed) -> int | None:
    task_limit = observed.task.spec.active_deadline_seconds if observed.task else None
    return observed.run.spec.active_deadline_seconds or task_limit


def _begin(observed: Observed) -> Step:
    missing = _missing(observed)
    if missing:
        return Wait(missing)
    agent, llm = observed.agent, observed.llm
    assert agent is not None
    assert llm is not None
    window = conversation.opening(observed.run, observed.task, agent.spec.system)
    size = conversation.size_bytes(window) + conversation.size_bytes(observed.run.spec.context_window)
    if size > conversation.CONTEXT_WINDOW_MAX_BYTES:
        return Fail(reasons.CONTEXT_WINDOW_TOO_LARGE, too_large(size))
    return Begin(_pin(agent, llm), window)


def too_large(size: int) -> str:
    """What people read about a conversation that no API server could store."""
    return f"the context window has {size} bytes, the limit is {conversation.CONTEXT_WINDOW_MAX_BYTES}"


def _missing(observed: Observed) -> str | None:
    """What a run that has not begun still needs, from the outside in."""
    task_ref = observed.run.spec.task_ref
    if task_ref is not None:
        if observed.task is None:
            return f'Waiting for task "{task_ref.name}" to exist'
        if not observed.is_own_run_of_task and observed.task.status.status != StatusType.READY:
            return reasons.waiting_for_task(task_ref.name)
    if observed.agent is None:
        return f'Waiting for agent "{observed.agent_name}" to exist'
    if observed.agent.status.status != StatusType.READY:
        return reasons.waiting_for_agent(observed.agent_name)
    return _llm_trouble(observed)


def _llm_trouble(observed: Observed) -> str | None:
    if observed.llm is None:
        return f'Waiting for LLM "{observed.llm_name}" to exist'
    if observed.llm.status.status != StatusType.READY:
        return reasons.waiting_for_llm(observed.llm_name)
    return None


def _pin(agent: Agent, llm: LLM) -> Pinned:
    return Pinned(
        agent_name=agent.metadata.name,
        agent_uid=agent.metadata.uid,
        agent_generation=agent.metadata.generation,
        llm_name=llm.metadata.name,
        llm_uid=llm.metadata.uid,
        llm_generation=llm.metadata.generation,
    )


def _send(observed: Observed, *, attempt: int) -> Step:
    trouble = _llm_trouble(observed)
    if trouble:
        return Wait(trouble)
    return _over_limits(observed) or SendToLLM(turn=observed.run.status.turn, attempt=attempt)


def _over_limits(observed: Observed) -> Fail | None:
    limits = observed.agent.spec.limits if observed.agent else None
    max_turns = (limits.max_turns if limits else None) or DEFAULT_MAX_TURNS
    if observed.run.status.turn >= max_turns:
        return Fail(reasons.LIMIT_EXCEEDED, f"the run reached its limit of {max_turns} turns")
    max_tokens = limits.max_tokens if limits else None
    usage = observed.run.status.usage
    if max_tokens is not None and usage is not None and usage.total_tokens >= max_tokens:
        return Fail(reasons.LIMIT_EXCEEDED, f"the run reached its limit of {max_tokens} tokens")
    return None


def _take_over(observed: Observed) -> Step:
    """A claim without a call in this process: its holder died, or its answer could not be recorded."""
    claim = observed.run.status.llm
    if observed.holder_gone_in_seconds > 0:
        return Rest(observed.holder_gone_in_seconds)
    if claim is None:
        return _send(observed, attempt=0)
    wait = _seconds_until(claim.started_at + _take_over_pause(claim.attempt), observed.now)
    return Rest(wait) if wait > 0 else _send(observed, attempt=claim.attempt + 1)


def _take_over_pause(attempt: int) -> timedelta:
    """The first take-over is immediate. Later ones wait, longer each time.

    So two replicas that wrongly take each other for dead do not chase the claim for ever, and a run whose answer kills
    the manager does not pay for the model at every restart.
    """
    return timedelta(seconds=min(2.0**attempt, TAKE_OVER_PAUSE_MAX_SECONDS) if attempt else 0.0)


def _try_again(observed: Observed) -> Step:
    status = observed.run.status
    wait = _seconds_until(status.next_attempt_at, observed.now)
    if wait > 0:
        return Rest(wait)
    return _send(observed, attempt=status.llm.attempt + 1 if status.llm else 0)


def _seconds_until(moment: datetime | None, now: datetime) -> float:
    return 0.0 if moment is None else (moment - now).total_seconds()


def _answer_tool_calls(observed: Observed) -> Step:
    """A model that calls what it was not offered is told so, in its own terms."""
    status = observed.run.status
    offered = [tool.name for tool in status.pinned.tools] if status.pinned else []
    names = ", ".join(offered) or "none"
    return AnswerToolCalls(
        tuple(
            Message(
                role="tool",
                tool_call_id=call.tool_call_id,
                name=call.name,
                content=f'error: there is no tool named "{call.name}"; available tools: {names}',
            )
            for call in status.pending_turn
        )
    )
