"""What a TaskRun does to the world: it calls the model, and it records the answer as long as this process lives."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from kubechain.api import reasons
from kubechain.api.llm import LLM
from kubechain.api.taskrun import LLMClaim, TaskRun
from kubechain.controllers.frame import Settled, StatusWriter, next_version
from kubechain.controllers.resources import TASK_RUNS
from kubechain.controllers.secrets import SecretReader, SecretUnavailable
from kubechain.controllers.taskrun import settle
from kubechain.controllers.taskrun.claims import holds
from kubechain.controllers.taskrun.outcomes import Answered, Deferred, Interrupted, Outcome, outcome_of
from kubechain.controllers.taskrun.steps import Fail
from kubechain.llm.client import LLMClient
from kubechain.llm.errors import LLMError
from kubechain.llm.targets import target_for
from kubechain.runtime.client import Client
from kubechain.runtime.clock import Clock
from kubechain.runtime.errors import ApiError, BadRequest, Conflict, Invalid, NotFound, TooLarge, TransportError

log = structlog.get_logger(__name__)

RECORD_RETRY_SECONDS = 0.1
RECORD_RETRY_MAX_SECONDS = 10.0
"""An answer that was paid for is worth patience: the API server is asked again for as long as this process lives."""


@dataclass(slots=True)
class Calls:
    """Model calls in flight in this process, so that a cancelled or deleted run stops paying at once."""

    _in_flight: dict[str, asyncio.Task[Outcome]] = field(default_factory=dict[str, "asyncio.Task[Outcome]"])

    def __len__(self) -> int:
        return len(self._in_flight)

    def __contains__(self, uid: str) -> bool:
        return uid in self._in_flight

    def interrupt(self, uid: str) -> None:
        """Stop the call of one run, if there is one. Never blocks: called from the watch."""
        call = self._in_flight.get(uid)
        if call is not None:
            call.cancel()

    async def run(self, uid: str, call: "asyncio.Task[Outcome]") -> Outcome:
        """Wait for a call that others may interrupt.

        Raises:
            asyncio.CancelledError: The waiting reconcile itself was cancelled; the call is cancelled with it.
        """
        self._in_flight[uid] = call
        try:
            await asyncio.wait({call})
        finally:
            self._in_flight.pop(uid, None)
            call.cancel()
        return Interrupted() if call.cancelled() else call.result()


@dataclass(frozen=True, slots=True)
class ModelCaller:
    """Makes the model call of a claimed turn."""

    client: LLMClient
    secrets: SecretReader
    calls: Calls

    async def ask(self, run: TaskRun, llm: LLM, claim: LLMClaim, *, timeout_seconds: float) -> Outcome:
        """Call the model once; failures come back as values."""
        async with asyncio.TaskGroup() as group:
            call = group.create_task(self._ask(run, llm, claim, timeout_seconds))
            return await self.calls.run(run.metadata.uid, call)

    async def _ask(self, run: TaskRun, llm: LLM, claim: LLMClaim, timeout_seconds: float) -> Outcome:
        try:
            target = target_for(llm, api_key=await self.secrets.api_key(llm))
            completion = await self.client.complete(
                target, run.status.context_window, (), timeout_seconds=timeout_seconds
            )
        except SecretUnavailable as error:
            return Deferred(str(error))
        except LLMError as error:
            return outcome_of(error, attempt=claim.attempt)
        return Answered(completion)


@dataclass(frozen=True, slots=True)
class TurnRecorder:
    """W3: writes the outcome of a claimed call, if the claim still counts."""

    client: Client
    writer: StatusWriter
    clock: Clock

    async def record(self, run: TaskRun, claim: LLMClaim, settle_on: Callable[[TaskRun], Settled]) -> TaskRun | None:
        """Write once; after a conflict or a lost reply look first, and write again only under our own token.

        Args:
            run: As it was written with the claim.
            claim: Ours; an answer to another one is dropped.
            settle_on: Makes the next status from the newest version of the run.

        Returns:
            The run as it is now; None when it is gone.

        Raises:
            ApiError: The server takes neither the outcome nor the record of its refusal.
        """
        current: TaskRun | None = run
        wait, has_been_refused = RECORD_RETRY_SECONDS, False
        while current is not None and holds(current, claim):
            settled = settle_on(current)
            wanted = next_version(current, settled)
            try:
                return self._announced(run, await self.client.update_status(TASK_RUNS, wanted), settled)
            except NotFound:
                return None
            except REFUSALS as error:
                if has_been_refused:
                    raise
                settle_on, has_been_refused = refused_by_server(error, self.clock), True
            except (ApiError, TransportError) as error:
                if not isinstance(error, Conflict):
                    log.warning("cannot record the answer, trying again", error=str(error))
                    await self.clock.sleep(wait)
                    wait = min(wait * 2, RECORD_RETRY_MAX_SECONDS)
                current = await self.look(current)
                if current is not None and _same_outcome(current, wanted):
                    return self._announced(run, current, settled)
        return current

    def _announced(self, before: TaskRun, after: TaskRun, settled: Settled) -> TaskRun:
        self.writer.announce(before, after, settled)
        return after

    async def look(self, run: TaskRun) -> TaskRun | None:
        """The run as the server has it now; None when it is gone or somebody made another one under its name."""
        wait = RECORD_RETRY_SECONDS
        while True:
            try:
                found = await self.client.get(TASK_RUNS, run.metadata.namespace, run.metadata.name)
            except NotFound:
                return None
            except (TransportError, ApiError) as error:
                log.warning("cannot read the run back, trying again", error=str(error))
                await self.clock.sleep(wait)
                wait = min(wait * 2, RECORD_RETRY_MAX_SECONDS)
                continue
            return found if found.metadata.uid == run.metadata.uid else None


REFUSALS = (TooLarge, Invalid, BadRequest)
"""Answers that the same write gets each time: repeating it would never end."""


def _same_outcome(current: TaskRun, wanted: TaskRun) -> bool:
    """Whether a write whose reply was lost has arrived after all."""
    is_same_phase = current.status.phase == wanted.status.phase
    return is_same_phase and current.status.context_window == wanted.status.context_window


def refused_by_server(error: ApiError, clock: Clock) -> Callable[[TaskRun], Settled]:
    """What to record instead of a status that the server will never take."""
    message = f"the API server refused the status: {error}"
    reason = reasons.CONTEXT_WINDOW_TOO_LARGE if isinstance(error, TooLarge) else reasons.STATUS_REFUSED

    def fail(run: TaskRun) -> Settled:
        return settle.failed(run, Fail(reason, message), clock.now())

    return fail
