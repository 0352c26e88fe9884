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
from kubechain.net.backoff import Backoff
from kubechain.runtime.clock import Clock
from kubechain.runtime.errors import ApiError, BadRequest, Conflict, Invalid, NotFound, TooLarge, TransportError

log = structlog.get_logger(__name__)

RETRY = Backoff(initial_seconds=0.1, max_seconds=10.0)
"""Between two tries to write or read; there is no limit on their number."""

REFUSALS = (TooLarge, Invalid, BadRequest)
"""Errors that the same write gets each time: it is not retried."""

T = TypeVar("T", bound="StatusObject[Any, Any]")


@dataclass(frozen=True, slots=True)
class ClaimedWrite(Generic[T]):
    """The write of an outcome, under the claim that its effect was carried out with.

    Attributes:
        holds: Whether the claim still counts for this version of the object.
        settle: The next status, from the newest version of the object.
        refused: The next status when the server refuses the first one for good.
    """

    holds: Callable[[T], bool]
    settle: Callable[[T], Settled]
    refused: Callable[[T, ApiError], Settled]


@dataclass(frozen=True, slots=True)
class OutcomeWriter(Generic[T]):
    """Writes outcomes of one kind."""

    writer: StatusWriter[T]
    clock: Clock

    async def write(self, obj: T, claimed: ClaimedWrite[T]) -> T | None:
        """Write once; after a conflict or a lost reply read first, and write again only under our own claim.

        Args:
            obj: As it was written with the claim.
            claimed: What to write.

        Returns:
            The object as it is now; None when it is gone.

        Raises:
            ApiError: The server takes neither the outcome nor the record of its refusal.
        """
        current: T | None = obj
        settle, failures, is_refused = claimed.settle, 0, False
        while current is not None and claimed.holds(current):
            settled = settle(current)
            wanted = next_version(current, settled)
            try:
                written = await self.writer.client.update_status(self.writer.resource, wanted)
                return self._announced(obj, written, settled)
            except NotFound:
                return None
            except REFUSALS as error:
                if is_refused:
                    raise
                settle, is_refused = _with(claimed.refused, error), True
            except (ApiError, TransportError) as error:
                if not isinstance(error, Conflict):
                    log.warning("cannot record the outcome, retrying", error=str(error))
                    await self.clock.sleep(RETRY.seconds(failures))
                    failures += 1
                current = await self.read(current)
                if current is not None and _has_arrived(current, wanted, settled):
                    return self._announced(obj, current, settled)
        return current

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


def _with(refused: Callable[[T, ApiError], Settled], error: ApiError) -> Callable[[T], Settled]:
    return lambda obj: refused(obj, error)


def _has_arrived(current: StatusObject[Any, Any], wanted: StatusObject[Any, Any], settled: Settled) -> bool:
    """Whether a write whose reply was lost was applied after all."""
    return all(getattr(current.status, name) == getattr(wanted.status, name) for name in settled.status)
