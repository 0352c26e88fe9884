"""What a TaskRun does next: one small pure function for each phase, in the order of its life."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from kubechain.api import reasons
from kubechain.api.agent import Agent
from kubechain.api.conditions import RUN_CREATED, is_true
from kubechain.api.fallbacks import PinnedLLM
from kubechain.api.llm import LLM
from kubechain.api.message import Message
from kubechain.api.meta import ReadinessStatus, StatusType
from kubechain.api.task import Task
from kubechain.api.taskrun import TERMINAL_TASK_RUN_PHASES, Pinned, TaskRun, TaskRunPhase
from kubechain.api.taskruntoolcall import ToolCallPhase
from kubechain.api.usage import total
from kubechain.controllers import continued, policies
from kubechain.controllers.frame import Done, soonest
from kubechain.controllers.taskrun import (
    budgetholds,
    budgets,
    closing,
    continuation,
    conversation,
    fallbacks,
    grants,
    growth,
    overdrafts,
    overrides,
    overruns,
    retries,
    typed,
)
from kubechain.controllers.taskrun.adoption import is_adopted, open_turn, turn_of, unanswered
from kubechain.controllers.taskrun.budgets import Use
from kubechain.controllers.taskrun.claims import LEFT_OVER_SECONDS, is_call_of, is_left_over, next_attempt, object_name
from kubechain.controllers.taskrun.conversation import Transcript
from kubechain.controllers.taskrun.fallbacks import Choice
from kubechain.controllers.taskrun.observe import Observed
from kubechain.controllers.taskrun.sources import Source
from kubechain.controllers.taskrun.steps import (
    AnswerToolCalls,
    AskForBudget,
    Begin,
    Cancel,
    Confirm,
    CreateBudgetRequest,
    CreateToolCalls,
    Delete,
    Fail,
    GoOn,
    HoldForBudgets,
    SendToLLM,
    Step,
    Summarise,
    Wait,
    WaitAbove,
)
from kubechain.controllers.toolkinds.model import Missing, Offer
from kubechain.llm import prices
from kubechain.net.backoff import Backoff

TAKE_OVER_PAUSE = Backoff(initial_seconds=1.0, max_seconds=60.0)


def decide(observed: Observed) -> Step | Done:
    """The next step for one run. A run that waits is reconciled again when its deadline is over."""
    step, left = _next(observed), seconds_to_deadline(observed)
    match step:
        case Done(requeue_after_seconds):
            return Done(soonest(requeue_after_seconds, left))
        case Wait():
            return replace(step, requeue_after_seconds=soonest(step.requeue_after_seconds, left))
        case Begin() | SendToLLM() | CreateToolCalls() | AnswerToolCalls() | Fail() | Cancel() | Confirm() | Delete():
            return step
        case Summarise() | AskForBudget() | CreateBudgetRequest() | WaitAbove() | GoOn() | HoldForBudgets():
            return step


def _next(observed: Observed) -> Step | Done:
    status = observed.run.status
    match status.phase:
        case TaskRunPhase.FINAL_ANSWER | TaskRunPhase.FAILED | TaskRunPhase.CANCELLED:
            return Confirm() if _was_edited(observed) else _expire(observed)
        case _ if observed.run.spec.cancel:
            return Cancel()
        case _ if _is_past_deadline(observed):
            return Fail(reasons.DEADLINE_EXCEEDED, f"the run took longer than {_deadline_seconds(observed)} seconds")
        case _ if observed.run.status.pinned is None:
            return _begin(observed)
        case None | TaskRunPhase.INITIALIZING | TaskRunPhase.PENDING:
            return _begin(observed)
        case TaskRunPhase.READY_FOR_LLM:
            return _send(observed, attempt=next_attempt(observed.run))
        case TaskRunPhase.SEND_CONTEXT_WINDOW_TO_LLM:
            return _take_over(observed)
        case TaskRunPhase.ERROR_BACKOFF:
            return _try_again(observed)
        case TaskRunPhase.TOOL_CALLS_PENDING | TaskRunPhase.CHECKING_TOOL_CALLS:
            return _follow_tool_calls(observed)


def _was_edited(observed: Observed) -> bool:
    """Whether the spec, such as its time to live, was edited since the last write of the status."""
    run = observed.run
    return 0 < run.status.observed_generation < run.metadata.generation


def _expire(observed: Observed) -> Step | Done:
    """Delete a finished run after the time to live of its own spec, else of its Task; no run waits to continue it."""
    task_limit = observed.task.spec.ttl_seconds_after_finished if observed.task else None
    own_limit = observed.run.spec.ttl_seconds_after_finished
    limit = task_limit if own_limit is None else own_limit
    ended_at = observed.run.status.completion_time
    if limit is None or ended_at is None:
        return Done()
    left = _seconds_until(ended_at + timedelta(seconds=limit), observed.now)
    if left <= 0 and observed.is_awaited:
        return Done(continued.LOOK_AGAIN_SECONDS)
    return Done(left) if left > 0 else Delete()


def seconds_to_deadline(observed: Observed) -> float | None:
    """How long the run may still take; None when it has no limit, has not started, or is over."""
    status = observed.run.status
    limit, start = _deadline_seconds(observed), status.start_time
    is_over = status.completion_time is not None or status.phase in TERMINAL_TASK_RUN_PHASES
    if limit is None or start is None or is_over:
        return None
    return max((start + timedelta(seconds=limit) - observed.now).total_seconds(), 0.0)


def _is_past_deadline(observed: Observed) -> bool:
    return seconds_to_deadline(observed) == 0.0


def _deadline_seconds(observed: Observed) -> int | None:
    task_limit = observed.task.spec.active_deadline_seconds if observed.task else None
    return observed.run.spec.active_deadline_seconds or task_limit


def _begin(observed: Observed) -> Step:
    missing = _missing(observed)
    if isinstance(missing, Fail):
        return missing
    if missing is not None:
        # A person's run may wait for what is created next week; that of a delegation keeps another run waiting.
        is_limited = observed.run.spec.task_run_tool_call_ref is not None or _lacks_source(observed)
        return _within_limit(observed, missing) if is_limited else missing
    agent, llm = observed.agent, observed.llm
    assert agent is not None
    assert llm is not None
    if (hold := budgetholds.hold(observed)) is not None:
        return hold
    pinned = _pin(observed, agent, llm)
    if (refused := typed.refused(pinned.output_schema)) is not None:
        return refused
    if is_adopted(observed.run):
        return _adopt(observed, pinned)
    if observed.source is not None:
        return _continue(observed.run, observed.source, pinned)
    transcript = Transcript.opening(observed.run, observed.task, agent.spec.system)
    if found := unanswered(transcript.messages):
        return Fail(reasons.UNANSWERED_TOOL_CALL, f"{found.text}: add it to spec.contextWindow")
    return too_large(transcript) or Begin(pinned, transcript)


def _continue(run: TaskRun, source: Source, pinned: Pinned) -> Step:
    """Begin with the conversation of another run, of whatever size: ContextChunks take what the status cannot hold."""
    transcript, continued = continuation.opened(run, source)
    if found := unanswered(transcript.messages):
        return Fail(reasons.UNANSWERED_TOOL_CALL, f"{found.text}: set continueFrom.beforeTurn")
    return Begin(pinned, transcript, continued=continued)


def _adopt(observed: Observed, pinned: Pinned) -> Step:
    """Go on with the conversation and the calls of an earlier release."""
    run = observed.run
    pending, turn = open_turn(run, observed.earlier_calls), turn_of(run)
    if isinstance(pending, Fail):
        return pending
    # The turn of an answer is over once its tool calls are answered.
    return Begin(pinned, Transcript.of(run), pending, turn - 1 if pending else turn, is_adopted=True)


def too_large(transcript: Transcript) -> Fail | None:
    """The end of a run whose conversation cannot be stored."""
    return Fail(reasons.CONTEXT_WINDOW_TOO_LARGE, transcript.excess) if transcript.excess else None


def _lacks_source(observed: Observed) -> bool:
    """Whether the run continues one that does not exist: nearly always it was deleted, and does not come back."""
    return observed.run.spec.continue_from is not None and observed.source is None


def _missing(observed: Observed) -> Wait | Fail | None:
    """What a run that has not begun waits for: the run that it continues, its Task, its Agent, its LLM."""
    if (trouble := continuation.trouble(observed.run, observed.source)) is not None:
        return trouble
    task, task_ref = observed.task, observed.run.spec.task_ref
    if task_ref is not None and task is None:
        return Wait(f'Waiting for task "{task_ref.name}" to exist')
    if task is not None and not observed.is_own_run_of_task and not _has_started(task):
        is_broken = task.status.status == StatusType.ERROR
        cause = task.status.status_detail if is_broken else ""
        return Wait(reasons.with_cause(reasons.waiting_for_task(task.metadata.name), cause), is_broken=is_broken)
    if observed.agent is None:
        return Wait(reasons.waiting_to_exist("agent", observed.agent_name))
    if not overrides.is_usable(observed.run, observed.agent, observed.agents_llm_is_ready):
        return _wait_for(reasons.waiting_for_agent(observed.agent_name), observed.agent.status)
    return _llm_trouble(observed) if _choice(observed) is None else None


def _has_started(task: Task) -> bool:
    """Whether the Task was validated; since then its status says how its newest run is, which no other waits for."""
    return is_true(task.status.conditions, RUN_CREATED) or task.status.status == StatusType.READY


def _wait_for(message: str, status: ReadinessStatus) -> Wait:
    """A wait for something that is not ready, with the cause that it gives itself."""
    return Wait(reasons.with_cause(message, status.status_detail), is_broken=status.status == StatusType.ERROR)


def _llm_trouble(observed: Observed) -> Wait:
    """What a run waits for whose LLM cannot be called, and which has no fallback that can."""
    if observed.llm is None:
        wait = Wait(reasons.waiting_to_exist("LLM", observed.llm_name))
    else:
        wait = _wait_for(reasons.waiting_for_llm(observed.llm_name), observed.llm.status)
    causes = fallbacks.causes(observed.fallbacks, fallbacks.left_in_turn(observed.run))
    return replace(wait, detail="; ".join((wait.detail, *(one.text for one in causes.values()))))


def _choice(observed: Observed) -> Choice | None:
    """The LLM that is called, or in whose queue the run waits; None where none is ready."""
    run, candidates, is_bound = observed.run, observed.candidates, observed.is_cost_bound
    left = fallbacks.left_in_turn(run)
    able = fallbacks.choose(run, candidates, left, is_cost_bound=is_bound)
    return able or fallbacks.wait_for(run, candidates, left, is_cost_bound=is_bound)


def _pin(observed: Observed, agent: Agent, llm: LLM) -> Pinned:
    return Pinned(
        agent_name=agent.metadata.name,
        agent_uid=agent.metadata.uid,
        agent_generation=agent.metadata.generation,
        llm_name=llm.metadata.name,
        llm_uid=llm.metadata.uid,
        llm_generation=llm.metadata.generation,
        fallbacks=tuple(_pinned_llm(observed, one.name) for one in observed.fallbacks),
        tools=tuple(tool.pin() for tool in observed.tools if isinstance(tool, Offer)),
        policies=policies.pins(observed.policies, agent.metadata.name),
        task_sha=observed.task.request_sha if observed.task else None,
        retry_for=agent.spec.limits.retry_for if agent.spec.limits else None,
        context=agent.spec.context,
        output_schema=typed.schema_of(observed.run, observed.task, agent),
    )


def _pinned_llm(observed: Observed, name: str) -> PinnedLLM:
    found = next((one.llm for one in observed.fallbacks if one.name == name), None)
    if found is None:
        return PinnedLLM(name=name)
    return PinnedLLM(name=name, uid=found.metadata.uid, generation=found.metadata.generation)


def _send(observed: Observed, *, attempt: int) -> Step | Done:
    # A wait for a person lasts for days; it comes first, so that what is missing meanwhile does not end the run.
    reached = (*budgets.before_turn(observed.budgets), *overdrafts.reached(observed))
    if (stop := overruns.gate(observed, reached)) is not None:
        return stop
    if (unpriced := _unpriced(observed, observed.llm)) is not None:
        return unpriced
    if (choice := _choice(observed)) is None:
        return _within_limit(observed, _llm_trouble(observed))
    if (trouble := _tool_trouble(observed)) is not None:
        return _within_limit(observed, trouble)
    offers = tuple(tool for tool in observed.tools if isinstance(tool, Offer))
    near = budgets.nearly_reached(observed.budgets)
    transcript = Transcript.of(observed.run).appended(*conversation.unread(observed.run))
    if (excess := too_large(transcript)) is not None:
        return excess
    if (held := budgetholds.gate(observed, choice.llm)) is not None:
        return held
    shorter = growth.next_step(observed, choice, attempt)
    if isinstance(shorter, Summarise):
        return _unpriced(observed, shorter.llm) or budgetholds.unpriced(observed, shorter.llm) or shorter
    if isinstance(shorter, Fail):
        return shorter
    turn, is_closing = observed.run.status.turn, closing.is_due(observed.run, transcript)
    return SendToLLM(turn, attempt, choice, offers, near, is_closing, shorter)


def _unpriced(observed: Observed, llm: LLM | None) -> Fail | None:
    """A limit of cost that cannot hold, since nobody knows what the model costs."""
    if not observed.is_cost_bound or llm is None or prices.has_price(llm):
        return None
    text = f'limits.maxCost cannot hold: no price is known for LLM "{llm.metadata.name}": set its prices'
    return Fail(reasons.LIMIT_EXCEEDED, text)


def _within_limit(observed: Observed, wait: Wait) -> Wait | Fail:
    """Wait for what is missing, and fail when it does not come: nobody may know that a begun run waits for it."""
    block = observed.block
    if block.is_over:
        return Fail(reasons.WAITED_TOO_LONG, block.given_up(wait.detail))
    return replace(wait, requeue_after_seconds=block.left_seconds, blocked_since=block.since)


def _tool_trouble(observed: Observed) -> Wait | None:
    """The first tool that is missing: a model that is called without a tool would answer without it."""
    return next((Wait(tool.detail) for tool in observed.tools if isinstance(tool, Missing)), None)


def _take_over(observed: Observed) -> Step | Done:
    """The turn is claimed, and no worker of this process calls the model: claim it again once its holder is gone."""
    claim = observed.run.status.llm
    if observed.holder_gone_in_seconds > 0:
        return Done(observed.holder_gone_in_seconds)
    if claim is None:
        return _send(observed, attempt=0)
    wait = _seconds_until(claim.started_at + _take_over_pause(claim.attempt), observed.now)
    return Done(wait) if wait > 0 else _send(observed, attempt=claim.attempt + 1)


def _take_over_pause(attempt: int) -> timedelta:
    """The first take-over is immediate. Later ones wait, longer each time.

    Without it, two replicas that each take the other for dead would claim the turn from each other for ever, and a run
    whose answer kills the manager would be billed at every restart.
    """
    return timedelta(seconds=TAKE_OVER_PAUSE.seconds(attempt) if attempt else 0.0)


def _try_again(observed: Observed) -> Step | Done:
    """Call the model again. A run that cannot, since its LLM or a tool is missing, waits no longer than `retryFor`."""
    status = observed.run.status
    wait = _seconds_until(status.next_attempt_at, observed.now)
    if wait > 0:
        return Done(wait)
    step = _send(observed, attempt=next_attempt(observed.run))
    ends_at = retries.ends_at(observed.run)
    if not isinstance(step, Wait) or step.budget is not None or ends_at is None:
        return step
    left = _seconds_until(ends_at, observed.now)
    if left <= 0:
        return Fail(reasons.LLM_REQUEST_FAILED, retries.given_up(observed.run, status.error or step.detail))
    return replace(step, requeue_after_seconds=left)


def _seconds_until(moment: datetime | None, now: datetime) -> float:
    return 0.0 if moment is None else (moment - now).total_seconds()


def _follow_tool_calls(observed: Observed) -> Step | Done:
    """W4 until every call has its object, W5 when all are over; in between, watch events requeue the run."""
    run = observed.run
    pending = run.status.pending_turn
    if (stop := overruns.gate(observed, _reached_by_calls(observed))) is not None:
        return stop
    named = [(call, object_name(run, call)) for call in pending]
    missing = tuple(call for call, name in named if name not in observed.calls)
    if missing:
        return CreateToolCalls(missing)
    calls = [observed.calls[name] for _, name in named]
    for wanted, call in zip(pending, calls, strict=True):
        if is_left_over(run, call):
            return Done(LEFT_OVER_SECONDS)
        if not is_call_of(run, wanted, call):
            return Fail(reasons.TOOL_CALL_NAME_TAKEN, taken(call.metadata.name))
    if not all(call.status.is_over for call in calls):
        return Done()

    def answers(limit_bytes: int) -> tuple[Message, ...]:
        pairs = zip(pending, calls, strict=True)
        return tuple(conversation.tool_message(call, wanted.name, limit_bytes) for wanted, call in pairs)

    return AnswerToolCalls(
        closing.results(Transcript.of(run), answers),
        spent=total(spent) if (spent := [call.status.spent for call in calls if call.status.spent]) else None,
        grants=grants.given(run, pending, calls),
    )


def _reached_by_calls(observed: Observed) -> Sequence[Use]:
    """The limits that keep a turn with tool calls from going on.

    While another Agent's run is at work, those that would keep this run from its next turn count as well: the run
    below waits for what is added to them.
    """
    reached = budgets.before_calls(observed.budgets)
    if all(call.status.phase != ToolCallPhase.AWAITING_SUB_AGENT for call in observed.calls.values()):
        return reached
    next_turn = budgets.before_turn(observed.budgets)
    return (*reached, *(use for use in next_turn if not use.budget.run and use.may_be_added_to))


def taken(name: str) -> str:
    """The error of a run whose tool call cannot be created under its name."""
    return f'TaskRunToolCall "{name}" exists already and does not belong to this run'
