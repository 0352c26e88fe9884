"""What a tool call does next: one small pure function for each phase, in the order of its life."""

from __future__ import annotations

from kubechain.api.humanrequest import HumanRequestType
from kubechain.api.taskrun import TaskRun, TaskRunPhase
from kubechain.api.taskruntoolcall import Approval, Execution, HumanInput, ToolCallPhase
from kubechain.api.tool import ToolSemantics
from kubechain.controllers.toolcall import approvals, questions, waiting
from kubechain.controllers.toolcall.approvals import ApprovalWait
from kubechain.controllers.toolcall.claims import tries
from kubechain.controllers.toolcall.elicitations import ElicitationWait
from kubechain.controllers.toolcall.inputs import is_known_not_to_have_happened
from kubechain.controllers.toolcall.observe import Observed
from kubechain.controllers.toolcall.questions import QuestionWait
from kubechain.controllers.toolcall.steps import (
    Ask,
    Cancel,
    Delegate,
    Done,
    Execute,
    Fail,
    Follow,
    Hold,
    LookForChild,
    Reject,
    Release,
    ReportUnknown,
    Step,
    TakeAnswer,
    Wait,
)
from kubechain.controllers.toolcall.unknowns import OutcomeWait
from kubechain.controllers.toolcall.watches import is_held, is_run_over
from kubechain.controllers.toolkinds.model import AskPerson, Missing, Offer, Withdrawn
from kubechain.tools import arguments as tool_arguments
from kubechain.tools.model import InvalidArguments, InvalidSchema

ATTEMPTS_MAX = 3
"""Attempts of a call that is safe to repeat. Without a limit, a call that kills the manager would do so for ever."""

UNBEGUN = (None, TaskRunPhase.INITIALIZING, TaskRunPhase.PENDING)

INTERRUPTED = "cancelled while it was carried out; it may have taken effect"
"""The error of a claimed call whose run is cancelled, deleted or over."""

UNASKED = (ToolCallPhase.AWAITING_HUMAN_APPROVAL, ToolCallPhase.ERROR_REQUESTING_HUMAN_APPROVAL)
"""Phases of a call that waits for approval, and so has not begun, whichever release asked."""

HAND_MADE = "no TaskRun made this tool call: KubeChain makes them itself, when a model asks for a tool"


def decide(observed: Observed) -> Step | Done:
    """The next step for one call."""
    call, phase = observed.call, observed.call.status.phase
    if phase is not None and phase.is_terminal:
        return Release() if is_held(call) and not observed.is_awaited else Done()
    if _awaits_adoption(observed):
        return Done()
    if reason := _unwanted(observed):
        return Cancel(INTERRUPTED if phase == ToolCallPhase.RUNNING or _asks_what_happened(observed) else reason)
    return _advance(observed, phase)


def _advance(observed: Observed, phase: ToolCallPhase | None) -> Step | Done:
    match phase:
        case None | ToolCallPhase.PENDING | ToolCallPhase.READY_TO_EXECUTE_APPROVED_TOOL:
            return _within_limit(observed, _start(observed))
        case ToolCallPhase.RUNNING:
            return _within_limit(observed, _take_over(observed))
        case ToolCallPhase.AWAITING_SUB_AGENT:
            return _follow_child(observed)
        case (
            ToolCallPhase.AWAITING_HUMAN_APPROVAL
            | ToolCallPhase.ERROR_REQUESTING_HUMAN_APPROVAL
            | ToolCallPhase.AWAITING_HUMAN_INPUT
            | ToolCallPhase.ERROR_REQUESTING_HUMAN_INPUT
        ):
            return _within_limit(observed, _await_person(observed))
        case (
            ToolCallPhase.SUCCEEDED
            | ToolCallPhase.FAILED
            | ToolCallPhase.TOOL_CALL_REJECTED
            | ToolCallPhase.OUTCOME_UNKNOWN
            | ToolCallPhase.CANCELLED
        ):
            return Done()


def _awaits_adoption(observed: Observed) -> bool:
    """Whether an earlier release began the run, and the run has not been read by this one: it may wait for the call."""
    run = observed.run
    if run is None or is_run_over(run) or observed.call.metadata.deletion_timestamp is not None:
        return False
    return run.status.pinned is None and run.status.phase not in UNBEGUN and not observed.is_awaited


def _may_have_begun(observed: Observed) -> bool:
    """Whether an earlier release, which recorded a call after it was carried out, may have done so."""
    if observed.call.status.phase in UNASKED or is_known_not_to_have_happened(observed.call):
        return False
    status, acts_outside = observed.call.status, observed.planner is not None and observed.planner.acts_outside
    return acts_outside and status.start_time is not None and status.execution is None


def _unwanted(observed: Observed) -> str | None:
    if observed.call.metadata.deletion_timestamp is not None:
        return "the tool call was deleted"
    run = observed.run
    if run is None and not any(owner.kind == "TaskRun" for owner in observed.call.metadata.owner_references):
        return HAND_MADE
    if run is None or run.metadata.deletion_timestamp is not None:
        return "its run was deleted"
    if run.spec.cancel or run.status.phase == TaskRunPhase.CANCELLED:
        return "its run was cancelled"
    if run.status.completion_time is not None:
        return "its run is over"
    return None if observed.is_awaited else "its run does not wait for it"


def _start(observed: Observed) -> Step | Done:
    match observed.found:
        case None:
            return Fail(_unknown_tool(observed))
        case Withdrawn(detail):
            return Fail(detail)
        case Missing(detail):
            return Wait(detail)
        case Offer() if _may_have_begun(observed):
            return ReportUnknown("the call was started by an earlier release")
        case Offer() as offer:
            execution = observed.call.status.execution
            return _begin(observed, offer, attempt=execution.attempt + 1 if execution else 0)


def _within_limit(observed: Observed, step: Step | Done) -> Step | Done:
    """End the wait for what does not come: the run waits for the call."""
    block, execution = observed.block, observed.call.status.execution
    if not isinstance(step, Wait) or not block.is_over:
        return step
    text = block.given_up(step.detail)
    is_harmless = execution is None or _did_nothing(observed)
    return Fail(text) if is_harmless else ReportUnknown(f"the call was tried before; {text}")


def _unknown_tool(observed: Observed) -> str:
    run = observed.run
    offered = ", ".join(tool.name for tool in run.status.pinned.tools) if run and run.status.pinned else ""
    return f'there is no tool named "{observed.call.spec.tool_ref.name}"; available tools: {offered or "none"}'


def _begin(observed: Observed, offer: Offer, *, attempt: int) -> Step:
    try:
        arguments = tool_arguments.parse(approvals.arguments_of(observed.call), offer.parameters)
    except (InvalidArguments, InvalidSchema) as error:
        return Fail(str(error))
    assert observed.planner is not None, "observed together with the offer"
    plan = observed.planner.plan(offer, arguments, attempt=attempt, depth=observed.depth)
    if not isinstance(plan, Execute | Delegate | AskPerson):
        return plan
    step = approvals.gate(observed, offer, has_begun=attempt > 0) or _unless_hindered(observed, plan)
    if isinstance(step, Reject) and attempt > 0 and not _did_nothing(observed):
        return ReportUnknown(f"the call was tried before; {step.message}")
    return Hold() if isinstance(step, Ask | Execute | Delegate) and _may_vanish(observed) else step


def _unless_hindered(observed: Observed, plan: Execute | Delegate | AskPerson) -> Step:
    """What nothing keeps the call from."""
    if observed.obstacle:
        return Wait(observed.obstacle)
    if not isinstance(plan, AskPerson):
        return plan
    assert observed.run is not None, "a call without a run is cancelled"
    return Ask(questions.asked(observed.call, observed.run, observed.now))


def _did_nothing(observed: Observed) -> bool:
    """Whether a person said that the last attempt did not take effect, and no other was made since."""
    return observed.call.status.phase != ToolCallPhase.RUNNING and is_known_not_to_have_happened(observed.call)


def _may_vanish(observed: Observed) -> bool:
    """Whether the call acts outside and somebody may delete it, so that its run would make it again.

    Such as a call that a person made, or one of a builtin whose Tool has become an endpoint since.
    """
    acts_outside = observed.planner is not None and observed.planner.acts_outside
    return acts_outside and not is_held(observed.call)


def _await_person(observed: Observed) -> Step | Done:
    """Wait for the person who is asked; a call whose asking this release knows nothing of starts anew."""
    run = observed.run
    assert run is not None, "a call without a run is cancelled"
    match observed.call.status.open_question:
        case Approval() as approval:
            return waiting.follow(observed, ApprovalWait(observed, run, approval))
        case HumanInput() as asked:
            return _await_input(observed, run, asked)
        case None:
            return _start(observed)


def _await_input(observed: Observed, run: TaskRun, asked: HumanInput) -> Step | Done:
    match asked.type:
        case HumanRequestType.QUESTION:
            return waiting.follow(observed, QuestionWait(observed, run, asked))
        case HumanRequestType.OUTCOME:
            return waiting.follow(observed, OutcomeWait(observed, run, asked))
        case HumanRequestType.FORM | HumanRequestType.URL:
            return _await_elicitation(observed, run, asked)
        case HumanRequestType.APPROVAL | HumanRequestType.BUDGET:
            # Written by a release that asks people for this: the call waits for it.
            return Done()


def _await_elicitation(observed: Observed, run: TaskRun, asked: HumanInput) -> Step | Done:
    elicitation = observed.call.status.elicitation
    if elicitation is None or (index := elicitation.open_index) is None:
        return _start(observed)
    return waiting.follow(observed, ElicitationWait(observed, run, asked, elicitation, index))


def _asks_what_happened(observed: Observed) -> bool:
    """Whether a person is asked what became of the call."""
    asked = observed.call.status.open_question
    return isinstance(asked, HumanInput) and asked.type == HumanRequestType.OUTCOME


def _take_over(observed: Observed) -> Step | Done:
    """T6: the call is claimed, and no worker of this process carries it out."""
    if observed.holder_gone_in_seconds > 0:
        return Done(observed.holder_gone_in_seconds)
    execution = observed.call.status.execution
    if execution is not None and observed.goes_on and not _may_repeat(observed, execution):
        return Follow(execution)
    if execution is None or execution.semantics != ToolSemantics.IDEMPOTENT:
        return ReportUnknown("the call was interrupted")
    if tries(observed.call) >= ATTEMPTS_MAX:
        return ReportUnknown(f"the call was interrupted {ATTEMPTS_MAX} times")
    match observed.found:
        case Offer() as offer:
            return _begin(observed, offer, attempt=execution.attempt + 1)
        case Missing(detail):
            return Wait(detail)
        case Withdrawn() | None:
            return ReportUnknown("the call was interrupted, and the tool is no longer offered")


def _may_repeat(observed: Observed, execution: Execution) -> bool:
    """Whether another attempt may be made: it finds what the earlier one started, or starts it where there is none."""
    is_safe = execution.semantics == ToolSemantics.IDEMPOTENT and tries(observed.call) < ATTEMPTS_MAX
    return is_safe and isinstance(observed.found, Offer)


def _follow_child(observed: Observed) -> Step | Done:
    child = observed.child
    if child is None:
        return LookForChild()
    match child.status.phase:
        case TaskRunPhase.FINAL_ANSWER:
            return TakeAnswer(_answer_of(child))
        case TaskRunPhase.FAILED | TaskRunPhase.CANCELLED:
            return Fail(
                f'the agent\'s run "{child.metadata.name}" ended without an answer: {child.status.status_detail}'
            )
        case (
            None
            | TaskRunPhase.INITIALIZING
            | TaskRunPhase.PENDING
            | TaskRunPhase.READY_FOR_LLM
            | TaskRunPhase.SEND_CONTEXT_WINDOW_TO_LLM
            | TaskRunPhase.TOOL_CALLS_PENDING
            | TaskRunPhase.CHECKING_TOOL_CALLS
            | TaskRunPhase.ERROR_BACKOFF
        ):
            return Done()


def _answer_of(child: TaskRun) -> str:
    """What the model that delegated reads: of a typed answer the JSON alone."""
    return child.status.output if child.status.result is None else tool_arguments.to_json(child.status.result)
