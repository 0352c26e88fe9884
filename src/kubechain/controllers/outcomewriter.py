"""Writes the outcome of a claimed effect, if the claim still counts.

That is W3 of a run (the model's answer) and T5 of a tool call (its result). The effect is over and cannot be repeated,
so the writer retries as long as the process lives. It never overwrites another process's claim: after a conflict or a
lost reply it reads the object first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import structlog

from kubechain.api.meta import StatusObject
from kubechain.controllers.frame import Settled, StatusWriter, next_version
from kubechain.controllers.retrylimit import DEFAULT_RETRY_FOR_SECONDS
from kubechain.net.backoff import Backoff
from kubechain.runtime.clock import Clock
from kubechain.runtime.errors import (
    FINAL_REFUSALS,
    REFUSALS,
    ApiError,
    Conflict,
    NotFound,
    TransportError,
    WriteRefused,
)

log = structlog.get_logger(__name__)

RETRY = Backoff(initial_seconds=0.1, max_seconds=5.0)
"""Between two tries to write or read; there is no limit on their number."""

T = TypeVar("T", bound="StatusObject[Any, Any]")


@dataclass(frozen=True, slots=True)
class ClaimedWrite(Generic[T]):
    """The write of an outcome, under the claim that its effect was carried out with.

    Attributes:
        holds: Whether the claim still counts for this version of the object.
        settle: The next status, from the newest version of the object.
        refused: The next status in place of the first one, which the server refuses.
        delayed: What the status says while the server refuses the outcome and may take it later.
        retry_for_seconds: After which `refused` is tried too.
    """

    holds: Callable[[T], bool]
    settle: Callable[[T], Settled]
    refused: Callable[[T, ApiError], Settled]
    delayed: Callable[[T, WriteRefused], Settled]
    retry_for_seconds: float = DEFAULT_RETRY_FOR_SECONDS


@dataclass(frozen=True, slots=True)
class Recorded(Generic[T]):
    """The object after an attempt to record an outcome.

    Attributes:
        obj: As it is now; None when it is gone.
        is_own: Whether it is the reply to our own write: what the server had when it took the outcome. Else it was
            read back, and may be what another process made of it.
    """

    obj: T | None
    is_own: bool = False


@dataclass(slots=True)
class _Tries:
    """What became of the tries to write one outcome.

    Attributes:
        since: When the server refused it first, in monotonic seconds.
        refusal: The server's last answer, when it was a refusal.
    """

    failures: int = 0
    since: float | None = None
    refusal: ApiError | None = None


@dataclass(frozen=True, slots=True)
class OutcomeWriter(Generic[T]):
    """Writes outcomes of one kind."""

    writer: StatusWriter[T]
    clock: Clock

    async def write(self, obj: T, claimed: ClaimedWrite[T]) -> Recorded[T]:
        """Write once; after a conflict or a lost reply read first, and write again only under our own claim.

        A refusal ends nothing, except that of a write which is wrong by itself: policies and roles are changed again.

        Args:
            obj: As it was written with the claim.
            claimed: What to write.

        Raises:
            ApiError: It can never be written: the server takes neither the outcome nor the record of its refusal.
        """
        current: T | None = obj
        tries = _Tries()
        while current is not None and claimed.holds(current):
            settled = self._next(claimed, tries)(current)
            wanted = next_version(current, settled)
            try:
                written = await self.writer.client.update_status(self.writer.resource, wanted)
                return Recorded(self._announced(obj, written, settled), is_own=True)
            except NotFound:
                return Recorded(None)
            except FINAL_REFUSALS as error:
                if isinstance(tries.refusal, FINAL_REFUSALS):
                    raise
                tries.refusal = error
            except (ApiError, TransportError) as error:
                current = await self._failed(current, claimed, tries, error)
                if current is not None and _has_arrived(current, wanted, settled):
                    return Recorded(self._announced(obj, current, settled))
        if current is not None:
            self.writer.witness.lost(obj)
        return Recorded(current)

    def _next(self, claimed: ClaimedWrite[T], tries: _Tries) -> Callable[[T], Settled]:
        """The outcome; or what takes its place: at once when it is never taken, in turn with it after the limit."""
        error = tries.refusal
        if error is None:
            return claimed.settle
        is_late = tries.since is not None and self.clock.monotonic() - tries.since >= claimed.retry_for_seconds
        if isinstance(error, FINAL_REFUSALS) or (is_late and tries.failures % 2):
            return lambda obj: claimed.refused(obj, error)
        return claimed.settle

    async def _failed(
        self, obj: T, claimed: ClaimedWrite[T], tries: _Tries, error: ApiError | TransportError
    ) -> T | None:
        """Wait, and read what the server has now; say once what is refused."""
        if isinstance(error, REFUSALS):
            if tries.since is None:
                tries.since = self.clock.monotonic()
                await self._tell(obj, claimed, WriteRefused("to record it", error))
            if not isinstance(tries.refusal, FINAL_REFUSALS):
                tries.refusal = error
        if not isinstance(error, Conflict):
            log.warning("cannot record the outcome, retrying", error=str(error))
            await self.clock.sleep(RETRY.seconds(tries.failures))
            tries.failures += 1
        return await self.read(obj)

    async def _tell(self, obj: T, claimed: ClaimedWrite[T], refusal: WriteRefused) -> None:
        """Say in the status that the outcome waits; in an event where the status is refused too."""
        settled = claimed.delayed(obj, refusal)
        try:
            await self.writer.write(obj, settled)
        except WriteRefused:
            for event in settled.events:
                self.writer.recorder.event(obj, event.type, event.reason, event.message)
        except (ApiError, TransportError) as error:
            log.debug("the status cannot say that the outcome waits", error=str(error))

    async def read(self, obj: T) -> T | None:
        """The object as the server has it now, however long that takes; None when it is gone or was replaced."""
        failures = 0
        while True:
            try:
                return await self.writer.read(obj)
            except (TransportError, ApiError) as error:
                log.warning("cannot read the object back, retrying", error=str(error))
                await self.clock.sleep(RETRY.seconds(failures))
                failures += 1

    def _announced(self, before: T, after: T, settled: Settled) -> T:
        self.writer.announce(before, after, settled)
        return after


def _has_arrived(current: StatusObject[Any, Any], wanted: StatusObject[Any, Any], settled: Settled) -> bool:
    """Whether a write whose reply was lost was applied after all."""
    return all(getattr(current.status, name) == getattr(wanted.status, name) for name in settled.status)
