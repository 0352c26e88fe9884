"""The effects of a TaskRun: it calls the model, and creates the objects of the tool calls that the model asks for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from kubechain.api import lineage, names, reasons
from kubechain.api.llm import LLM
from kubechain.api.message import Message
from kubechain.api.meta import ObjectMeta, owner_reference
from kubechain.api.references import LocalObjectReference
from kubechain.api.taskrun import LLMClaim, PendingToolCall, TaskRun, ToolCallType, pinned_tool
from kubechain.api.taskruntoolcall import TaskRunToolCall, TaskRunToolCallSpec
from kubechain.controllers.checks import LLMChecks, Report
from kubechain.controllers.frame import Again, Settled, StatusWriter, cache_is_behind, soonest
from kubechain.controllers.inflight import InFlight, Interrupted
from kubechain.controllers.outcomewriter import ClaimedWrite, OutcomeWriter
from kubechain.controllers.refusals import creating
from kubechain.controllers.replica import Replica
from kubechain.controllers.resources import TOOL_CALLS
from kubechain.controllers.retrylimit import retry_for_seconds
from kubechain.controllers.secrets import SecretReader, SecretUnavailable
from kubechain.controllers.taskrun import fallbacks, refusals, rendering, settle, summarising, turning
from kubechain.controllers.taskrun.chunkstore import ChunkBroken, ChunkStore, ChunkUnread
from kubechain.controllers.taskrun.claims import (
    LEFT_OVER_SECONDS,
    claim_for,
    holds,
    idempotency_key,
    is_call_of,
    is_left_over,
    object_name,
    tool_call_request_id,
)
from kubechain.controllers.taskrun.decide import seconds_to_deadline
from kubechain.controllers.taskrun.excerpts import Excerpt
from kubechain.controllers.taskrun.llmqueue import ModelQueue
from kubechain.controllers.taskrun.observe import Observed, Observer
from kubechain.controllers.taskrun.outcomes import Answered, Deferred, Outcome, Refusal, Refused, Turned, outcome_of
from kubechain.controllers.taskrun.steps import SendToLLM, Summarise
from kubechain.controllers.taskrun.tellingcalls import told
from kubechain.llm.client import LLMClient, Target, ToolDefinition
from kubechain.llm.errors import AuthenticationFailed, LLMError
from kubechain.llm.prices import priced
from kubechain.llm.providers import call_limits
from kubechain.llm.targets import target_for
from kubechain.observability.witness import NOBODY, ModelCall, Witness
from kubechain.runtime.client import Client
from kubechain.runtime.clock import Clock
from kubechain.runtime.errors import AlreadyExists, RetryableError
from kubechain.runtime.keys import Request

DEFAULT_CALL_TIMEOUT_SECONDS = 300.0
"""Long enough for a reasoning model, short enough that a lost connection is noticed within minutes."""


@dataclass(frozen=True, slots=True)
class ModelCaller:
    """Makes the model call of a claimed turn."""

    client: LLMClient
    secrets: SecretReader
    chunks: ChunkStore
    clock: Clock
    witness: Witness = NOBODY

    async def ask(
        self, run: TaskRun, llm: LLM, step: SendToLLM | Summarise, claim: LLMClaim, *, left_seconds: float | None
    ) -> Answered | Deferred | Refused:
        """Call the model once; failures come back as values.

        Args:
            left_seconds: Until the deadline of the run; None for no limit.
        """
        tools = _tools(step)
        timeout_seconds = (claim.deadline - claim.started_at).total_seconds()
        api_key = None
        try:
            api_key = await self.secrets.api_key(llm)
            target = target_for(llm, api_key=api_key)
            async with asyncio.timeout(left_seconds):
                earlier = await self.chunks.needed(run)
                messages = _request(run, earlier, step)
                with told(self.witness, self.clock, llm, _called(run, llm, target), messages) as tell:
                    completion = await self.client.complete(
                        target,
                        messages,
                        tools,
                        timeout_seconds=timeout_seconds,
                        output_schema=_output_schema(run, step),
                    )
                    completion = replace(completion, usage=priced(llm, completion.usage))
                    tell(completion)
        except TimeoutError:
            return Deferred("the run's time was over before the model answered", is_llms_fault=False)
        except ChunkUnread as error:
            return Deferred(str(error), is_llms_fault=False)
        except SecretUnavailable as error:
            return Deferred(str(error))
        except ChunkBroken as error:
            return Refused(reasons.CONTEXT_CHUNK_BROKEN, str(error))
        except LLMError as error:
            if isinstance(error, AuthenticationFailed) and await self.secrets.has_other_key(llm, api_key):
                return Deferred(f"{error}; its Secret has another key now", is_llms_fault=False)
            outcome = outcome_of(error, invalid_answers=claim.invalid_answers or 0)
            if outcome.usage is not None:
                outcome = replace(outcome, usage=priced(llm, outcome.usage))
            is_again = isinstance(outcome, Deferred)
            return replace(outcome, max_retries=call_limits(llm.spec).max_retries) if is_again else outcome
        return Answered(completion, earlier)


def _called(run: TaskRun, llm: LLM, target: Target) -> ModelCall:
    return ModelCall(run, llm=llm.metadata.name, provider=target.provider, model=target.model)


def _tools(step: SendToLLM | Summarise) -> list[ToolDefinition]:
    match step:
        case SendToLLM(offers=offers):
            return [ToolDefinition(offer.name, offer.description, offer.parameters) for offer in offers]
        case Summarise():
            return []


def _output_schema(run: TaskRun, step: SendToLLM | Summarise) -> Mapping[str, Any] | None:
    match step:
        case SendToLLM():
            return run.status.pinned.output_schema if run.status.pinned else None
        case Summarise():
            return None


def _request(run: TaskRun, earlier: Excerpt, step: SendToLLM | Summarise) -> Sequence[Message]:
    match step:
        case SendToLLM():
            return rendering.request(run, earlier)
        case Summarise():
            return summarising.request(run, earlier, step)


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn with the model: W2 (claim), the call, W3 (answer)."""

    caller: ModelCaller
    observer: Observer
    in_flight: InFlight
    writer: StatusWriter[TaskRun]
    outcomes: OutcomeWriter[TaskRun]
    checks: LLMChecks
    queue: ModelQueue
    replica: Replica
    clock: Clock

    def claim(self, observed: Observed, step: SendToLLM | Summarise) -> tuple[LLMClaim, Settled]:
        """W2: the claim of this process on the turn, or on a summary before it, and the status that has it."""
        run, llm = observed.run, step.llm
        timeout_seconds = float(call_limits(llm.spec).timeout_seconds or DEFAULT_CALL_TIMEOUT_SECONDS)
        claim = claim_for(
            run,
            turn=step.turn,
            attempt=step.attempt,
            holder=self.replica.identity,
            now=observed.now,
            timeout_seconds=soonest(timeout_seconds, seconds_to_deadline(observed)) or 0.0,
            choice=fallbacks.for_summary(run, step.choice, llm) if isinstance(step, Summarise) else step.choice,
            summary_through=step.through if isinstance(step, Summarise) else None,
        )
        match step:
            case SendToLLM(near=near, is_closing=is_closing, context=context):
                return claim, settle.claimed(observed.run, claim, near, is_closing=is_closing, context=context)
            case Summarise():
                return claim, summarising.claimed(observed.run, claim)

    async def take(
        self,
        observed: Observed,
        claimed: TaskRun,
        step: SendToLLM | Summarise,
        claim: LLMClaim,
        refused: Callable[[TaskRun, Exception], Settled],
    ) -> Again[TaskRun]:
        """Call the model under a claim that the server has confirmed, record the answer.

        The run is live only as the reply to our own W3: at that moment no other process could have made the tool calls
        and gone on, so they are created without reading the run again. An answer that was read back may be another
        process's, which has gone on from there.

        Args:
            observed: What the claim was decided on.
            claimed: As it was written with the claim.
            refused: The status to write when the server refuses that of the outcome for good.
        """
        llm, left_seconds = step.llm, seconds_to_deadline(observed)
        effect = self.caller.ask(claimed, llm, step, claim, left_seconds=left_seconds)
        outcome: Outcome = await self.in_flight.run(
            claimed.metadata.uid, effect, is_unwanted=lambda: self.observer.is_unwanted(claimed)
        )
        if isinstance(outcome, Interrupted):
            return Again(await self.outcomes.read(claimed), is_live=False)
        self._tell_of_llm(llm, outcome)
        self.queue.learn(llm, Request(claimed.metadata.namespace, claimed.metadata.name), outcome)
        meaning = self._meaning(observed, claimed, outcome)
        jitter, is_agent_gone = self.clock.random.random(), self.observer.is_agent_gone(claimed)
        write: ClaimedWrite[TaskRun] = ClaimedWrite(
            holds=lambda run: holds(run, claim),
            settle=lambda run: (
                summarising.outcome(run, outcome, step, jitter=jitter, now=self.clock.now())
                if isinstance(step, Summarise)
                else settle.outcome(run, meaning, jitter=jitter, is_agent_gone=is_agent_gone, now=self.clock.now())
            ),
            refused=refused,
            delayed=refusals.delayed,
            retry_for_seconds=retry_for_seconds(claimed.status.pinned),
        )
        recorded = await self.outcomes.write(claimed, write)
        return Again(recorded.obj, is_live=recorded.is_own)

    def _meaning(
        self, observed: Observed, claimed: TaskRun, outcome: Answered | Deferred | Refused
    ) -> Answered | Deferred | Refused | Turned:
        """What the outcome means for a run that may call other LLMs."""
        if not observed.fallbacks:
            return outcome
        candidates = self.observer.candidates(claimed)
        return turning.after(claimed, outcome, candidates, is_cost_bound=observed.is_cost_bound)

    def _tell_of_llm(self, llm: LLM, outcome: Answered | Deferred | Refused) -> None:
        """Have the LLM checked again when its provider refuses the run, or fails."""
        request = Request(llm.metadata.namespace, llm.metadata.name)
        match outcome:
            case Refused(message=detail, refusal=refusal) if refusal is not None:
                is_checkable = refusal is not Refusal.NO_CREDIT
                self.checks.report(request, Report(detail, llm.metadata.generation, is_checkable))
            case Deferred(is_provider_failing=True):
                self.checks.doubt(request)
            case Answered() | Deferred() | Refused():
                pass


def tool_call(run: TaskRun, pending: PendingToolCall) -> TaskRunToolCall:
    """The object of one call, under its deterministic name."""
    pinned = pinned_tool(run, pending.name)
    call_type = pinned.type if pinned else None
    labels = {
        names.LABEL_TASK_RUN: names.label_value(run.metadata.name),
        names.LABEL_TOOL_CALL_REQUEST: tool_call_request_id(run),
        **lineage.of_call(run),
    }
    if run.spec.task_ref is not None:
        labels[names.LABEL_TASK] = names.label_value(run.spec.task_ref.name)
    return TaskRunToolCall(
        metadata=ObjectMeta(
            name=object_name(run, pending),
            namespace=run.metadata.namespace,
            labels=labels,
            owner_references=(owner_reference(run),),
            finalizers=() if call_type == ToolCallType.FUNCTION else (names.TOOL_CALL_FINALIZER,),
        ),
        spec=TaskRunToolCallSpec(
            tool_call_id=pending.tool_call_id,
            task_run_ref=LocalObjectReference(name=run.metadata.name),
            tool_ref=LocalObjectReference(name=pending.name or "unnamed"),
            arguments=pending.arguments,
            tool_type=call_type,
            args_sha=pending.args_sha,
            idempotency_key=idempotency_key(run, pending),
        ),
    )


@dataclass(frozen=True, slots=True)
class Taken:
    """The name of a call's object belongs to an object that is not this turn's call."""

    name: str


async def create_tool_calls(client: Client, run: TaskRun, missing: Sequence[PendingToolCall]) -> Taken | None:
    """W4: create the objects that are missing, and adopt those that an earlier try created.

    Returns:
        None when every object exists and is this turn's.

    Raises:
        RetryableError: An object of an earlier run of the same name is about to be deleted; or all objects exist, and
            the cache does not know yet.
        WriteRefused: The server says no.
    """
    found = None
    for pending in missing:
        wanted = tool_call(run, pending)
        try:
            with creating(wanted):
                await client.create(TOOL_CALLS, wanted)
        except AlreadyExists:
            found = await client.get(TOOL_CALLS, run.metadata.namespace, wanted.metadata.name)
            if is_left_over(run, found):
                text = f"an earlier run of this name left it behind: {found.metadata.name}"
                raise RetryableError(text, retry_after_seconds=LEFT_OVER_SECONDS) from None
            if not is_call_of(run, pending, found):
                return Taken(wanted.metadata.name)
    if found is not None:
        raise cache_is_behind(found.metadata.name)
    return None
