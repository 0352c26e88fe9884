"""TaskRunToolCall's control loop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

from kubechain.api import names
from kubechain.api.taskruntoolcall import TaskRunToolCall, ToolCallPhase
from kubechain.api.usage import Spending
from kubechain.controllers import frame
from kubechain.controllers.frame import Again, Done, Settled, StatusWriter, cache_is_behind
from kubechain.controllers.requesting import Requester
from kubechain.controllers.toolcall import elicitations, settle, verdicts
from kubechain.controllers.toolcall.decide import decide
from kubechain.controllers.toolcall.effects import Delegation, ToolCaller
from kubechain.controllers.toolcall.observe import Observed, Observer
from kubechain.controllers.toolcall.steps import (
    Approve,
    Ask,
    Cancel,
    CreateRequest,
    Delegate,
    Execute,
    Fail,
    Follow,
    GoOn,
    Hold,
    LookForChild,
    Proceed,
    Reject,
    Release,
    ReportUnknown,
    Step,
    TakeAnswer,
    TakeReply,
    Wait,
)
from kubechain.controllers.toolcall.waiting import REFUSED
from kubechain.runtime.clock import Clock
from kubechain.runtime.controller import Result
from kubechain.runtime.errors import WriteRefused
from kubechain.runtime.keys import Request
from kubechain.runtime.store import Lister

RETRY_SECONDS = 1.0
"""Between attempts of a call that was certainly not executed, or that is safe to repeat."""


@dataclass(frozen=True, slots=True)
class ToolCallReconciler:
    """Carries every tool call out, at most once where it is not safe to repeat."""

    calls: Lister[TaskRunToolCall]
    observer: Observer
    caller: ToolCaller
    delegation: Delegation
    requester: Requester
    writer: StatusWriter[TaskRunToolCall]
    clock: Clock

    finalizer: ClassVar[str | None] = names.TOOL_CALL_FINALIZER
    live_steps: ClassVar[tuple[type, ...]] = (Delegate, CreateRequest)

    async def reconcile(self, request: Request) -> Result:
        """Take one call through its steps until it has to wait or is over."""
        return await frame.reconcile(self, self.calls, request)

    async def observe(self, obj: TaskRunToolCall) -> Observed:
        """Read the call's run, the tool behind it, and the run that it delegated to."""
        return await self.observer.observe(obj)

    def decide(self, observed: Observed) -> Step | Done:
        """The next step for one call."""
        return decide(observed)

    async def carry_out(self, observed: Observed, step: Step) -> Again[TaskRunToolCall] | Done:
        """Wait for, execute, delegate, end or release the call."""
        call = observed.call
        match step:
            case Wait(detail):
                return await self.writer.finish(call, _waiting(observed, detail))
            case Ask() | Approve() | Reject() | GoOn():
                return Again(await self.writer.write(call, verdicts.recorded(call, step, self.clock.now())))
            case Proceed():
                run = observed.run
                assert run is not None, "a call without a run is cancelled"
                return Again(await self.writer.write(call, elicitations.proceeded(call, run, step, self.clock.now())))
            case CreateRequest():
                return await self._create_request(observed, step)
            case Execute():
                return await self._execute(observed, step)
            case Follow():
                return await self._follow(observed, step)
            case Delegate():
                return await self._delegate(observed, step)
            case LookForChild() | TakeAnswer() | TakeReply() | Fail() | ReportUnknown() | Cancel():
                return await self._conclude(observed, step)
            case Hold():
                return Again(await self.writer.add_finalizer(call, names.TOOL_CALL_FINALIZER))
            case Release():
                await self.writer.drop_finalizer(call, names.TOOL_CALL_FINALIZER)
                return Done()

    def refused(self, observed: Observed, refusal: WriteRefused) -> Settled | None:
        """The other Agent's run, or the call's status, is refused; an ended call stays as it is."""
        if observed.call.status.completion_time is not None:
            return None
        return settle.refused(observed, refusal)

    async def forget(self, request: Request) -> None:
        """Nothing: this process holds nothing for a call that is not being carried out."""
        del request

    async def _conclude(
        self, observed: Observed, step: LookForChild | TakeAnswer | TakeReply | Fail | ReportUnknown | Cancel
    ) -> Again[TaskRunToolCall]:
        call, now = observed.call, self.clock.now()
        match step:
            case LookForChild():
                if await self.delegation.exists(call):
                    raise cache_is_behind(f"TaskRun {names.sub_agent_run_name(call.metadata.name)}")
                return await self._end(call, settle.child_deleted(call, observed.run, now))
            case TakeAnswer(output):
                return await self._end(call, settle.succeeded(call, output, now), observed.spent)
            case Fail(message):
                return await self._end(call, settle.failed(call, message, now), observed.spent)
            case TakeReply():
                return await self._end(call, settle.replied(call, step, now))
            case ReportUnknown():
                return await self._end(call, settle.reported(call, observed.run, step, now))
            case Cancel(message):
                await self.caller.stop(call)
                await self.delegation.cancel(call)
                return await self._end(call, settle.cancelled(call, message, now), observed.spent)

    async def _create_request(self, observed: Observed, step: CreateRequest) -> Again[TaskRunToolCall] | Done:
        """Ask; the request's watch event is what the call waits for then, or the end of its time."""
        call, now = observed.call, self.clock.now()
        asked = call.status.open_question
        if trouble := await self.requester.create(call, asked, step.request, step.inquiry):
            return await self._end(call, settle.not_carried_out(call, trouble, now))
        if call.status.phase in REFUSED and asked is not None:
            # Our own write of the request causes no reconcile that would say it.
            await self.writer.write(call, verdicts.asked(call, asked, now))
        expires_at = step.request.spec.request.expires_at
        return Done(None if expires_at is None else (expires_at - now).total_seconds())

    async def _execute(self, observed: Observed, step: Execute) -> Again[TaskRunToolCall] | Done:
        return _carried_out(await self.caller.execute(observed, step, is_unwanted=self._is_unwanted(observed)))

    async def _follow(self, observed: Observed, step: Follow) -> Again[TaskRunToolCall] | Done:
        return _carried_out(await self.caller.follow(observed, step, is_unwanted=self._is_unwanted(observed)))

    def _is_unwanted(self, observed: Observed) -> Callable[[], bool]:
        return lambda: self.observer.is_unwanted(observed.call)

    async def _delegate(self, observed: Observed, step: Delegate) -> Again[TaskRunToolCall] | Done:
        call = observed.call
        now = self.clock.now()
        if trouble := await self.delegation.create(call, step, settle.span_of(call, observed.run, now)):
            return await self._end(call, settle.failed(call, trouble, self.clock.now()))
        return await self._end(call, settle.delegated(call, observed.run, now))

    async def _end(
        self, call: TaskRunToolCall, settled: Settled, spent: Spending | None = None
    ) -> Again[TaskRunToolCall]:
        if spent is not None:
            settled = replace(settled, status=settled.status | {"spent": spent})
        return Again(await self.writer.write(call, settled))


def _waiting(observed: Observed, detail: str) -> Settled:
    """A call that was tried before is tried again soon; another one waits for its watch, or for the end of the wait."""
    call, block = observed.call, observed.block
    seconds = RETRY_SECONDS if call.status.execution is not None else block.left_seconds
    return settle.waiting(call, detail, seconds, blocked_since=block.since)


def _carried_out(call: TaskRunToolCall | None) -> Again[TaskRunToolCall] | Done:
    """The attempt has ended: the call goes on, or waits for its next attempt."""
    if call is not None and call.status.phase == ToolCallPhase.PENDING:
        return Done(RETRY_SECONDS)
    return Again(call)
