"""What a TaskRun does to the world: it calls the model, and makes the objects for the calls that the model wants."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kubechain.api import names
from kubechain.api.llm import LLM
from kubechain.api.meta import ObjectMeta, owner_reference
from kubechain.api.references import LocalObjectReference
from kubechain.api.taskrun import LLMClaim, PendingToolCall, PinnedTool, TaskRun, ToolCallType
from kubechain.api.taskruntoolcall import TaskRunToolCall, TaskRunToolCallSpec
from kubechain.controllers.frame import cache_is_behind
from kubechain.controllers.inflight import InFlight
from kubechain.controllers.offers import Offer
from kubechain.controllers.resources import TOOL_CALLS
from kubechain.controllers.secrets import SecretReader, SecretUnavailable
from kubechain.controllers.taskrun.claims import LEFT_OVER_SECONDS, idempotency_key, is_call_of, is_left_over
from kubechain.controllers.taskrun.outcomes import Answered, Deferred, Outcome, Refused, outcome_of
from kubechain.llm.client import LLMClient, ToolDefinition
from kubechain.llm.errors import LLMError
from kubechain.llm.targets import target_for
from kubechain.runtime.client import Client
from kubechain.runtime.errors import AlreadyExists, RetryableError


@dataclass(frozen=True, slots=True)
class ModelCaller:
    """Makes the model call of a claimed turn."""

    client: LLMClient
    secrets: SecretReader
    in_flight: InFlight

    async def ask(
        self,
        run: TaskRun,
        llm: LLM,
        offers: Sequence[Offer],
        claim: LLMClaim,
        *,
        timeout_seconds: float,
        left_seconds: float | None,
        is_unwanted: Callable[[], bool],
    ) -> Outcome:
        """Call the model once; failures come back as values.

        Args:
            timeout_seconds: For the call itself.
            left_seconds: What the run has left for everything; None for no limit.
            is_unwanted: See `InFlight.run`.
        """
        effect = self._ask(run, llm, offers, claim, timeout_seconds, left_seconds)
        return await self.in_flight.run(run.metadata.uid, effect, is_unwanted=is_unwanted)

    async def _ask(
        self,
        run: TaskRun,
        llm: LLM,
        offers: Sequence[Offer],
        claim: LLMClaim,
        timeout_seconds: float,
        left_seconds: float | None,
    ) -> Answered | Deferred | Refused:
        tools = [ToolDefinition(offer.name, offer.description, offer.parameters) for offer in offers]
        try:
            target = target_for(llm, api_key=await self.secrets.api_key(llm))
            async with asyncio.timeout(left_seconds):
                completion = await self.client.complete(
                    target, run.status.context_window, tools, timeout_seconds=timeout_seconds
                )
        except TimeoutError:
            return Deferred("the run's time was over before the model answered")
        except SecretUnavailable as error:
            return Deferred(str(error))
        except LLMError as error:
            return outcome_of(error, invalid_answers=claim.invalid_answers or 0)
        return Answered(completion)


def tool_call(run: TaskRun, pending: PendingToolCall) -> TaskRunToolCall:
    """The object for one call, under a name that every retry gives again."""
    labels = {names.LABEL_TASK_RUN: names.label_value(run.metadata.name)}
    if run.spec.task_ref is not None:
        labels[names.LABEL_TASK] = names.label_value(run.spec.task_ref.name)
    return TaskRunToolCall(
        metadata=ObjectMeta(
            name=names.tool_call_name(run.metadata.name, turn=run.status.turn, index=pending.idx),
            namespace=run.metadata.namespace,
            labels=labels,
            owner_references=(owner_reference(run),),
            finalizers=(names.TOOL_CALL_FINALIZER,),
        ),
        spec=TaskRunToolCallSpec(
            tool_call_id=pending.tool_call_id,
            task_run_ref=LocalObjectReference(name=run.metadata.name),
            tool_ref=LocalObjectReference(name=pending.name or "unnamed"),
            arguments=pending.arguments,
            tool_type=_call_type(run, pending.name),
            args_sha=pending.args_sha,
            idempotency_key=idempotency_key(run, pending),
        ),
    )


def _call_type(run: TaskRun, name: str) -> ToolCallType | None:
    pinned: Sequence[PinnedTool] = run.status.pinned.tools if run.status.pinned else ()
    found = next((tool for tool in pinned if tool.name == name), None)
    return found.type if found else None


@dataclass(frozen=True, slots=True)
class Taken:
    """The name of a call's object belongs to something else: somebody interfered, and guessing would double a call."""

    name: str


async def create_tool_calls(client: Client, run: TaskRun, missing: Sequence[PendingToolCall]) -> Taken | None:
    """W4: make what is missing, and accept what an earlier try made.

    Returns:
        None when every object is there and is this turn's.

    Raises:
        RetryableError: An earlier run of the same name has left an object behind that is about to go; or all are there,
            and the cache does not know yet.
    """
    found = None
    for pending in missing:
        wanted = tool_call(run, pending)
        try:
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
