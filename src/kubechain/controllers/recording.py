"""Writes the outcome of something that was claimed, if the claim still counts: W3 of a run, T5 of a tool call.

The effect is done and was paid for, so this does not give up while the process lives; and it never writes over somebody
else's claim. After a conflict or a lost reply it looks first. Called by the effects of the kinds that claim.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import structlog

from kubechain.api.meta import StatusObject
from kubechain.controllers.frame import Settled, StatusWriter, next_version
from kubechain.runtime.client import Client
from kubechain.runtime.clock import Clock
from kubechain.runtime.errors import ApiError, BadRequest, Conflict, Invalid, NotFound, TooLarge, TransportError
from kubechain.runtime.resource import Resource

log = structlog.get_logger(__name__)

RETRY_SECONDS = 0.1
RETRY_MAX_SECONDS = 10.0
"""An answer that was paid for is worth patience: the API server is asked again for as long as this process lives."""

REFUSALS = (TooLarge, Invalid, BadRequest)
"""Answers that the same write gets each time: repeating it would never end."""

T = TypeVar("T", bound="StatusObject[Any, Any]")


@dataclass(frozen=True, slots=True)
class Outcome(Generic[T]):
    """What is to be recorded.

    Attributes:
        holds: Whether the claim still counts for this version of the object.
        settle: The next status, from the newest version of the object.
        refused: The next status when the server will not take the first one.
    """

    holds: Callable[[T], bool]
    settle: Callable[[T], Settled]
    refused: Callable[[T, ApiError], Settled]


@dataclass(frozen=True, slots=True)
class Recorder(Generic[T]):
    """Records outcomes for one kind."""

    resource: Resource[T]
    client: Client
    writer: StatusWriter
    clock: Clock

    async def record(self, obj: T, outcome: Outcome[T]) -> T | None:
        """Write once; after a conflict or a lost reply look first, and write again only under our own claim.

        Args:
            obj: As it was written with the claim.
            outcome: What to write.

        Returns:
            The object as it is now; None when it is gone.

        Raises:
            ApiError: The server takes neither the outcome nor the record of its refusal.
        """
        current: T | None = obj
        settle, wait, has_been_refused = outcome.settle, RETRY_SECONDS, False
        while current is not None and outcome.holds(current):
            settled = settle(current)
            wanted = next_version(current, settled)
            try:
                return self._announced(obj, await self.client.update_status(self.resource, wanted), settled)
            except NotFound:
                return None
            except REFUSALS as error:
                if has_been_refused:
                    raise
                settle, has_been_refused = _with(outcome.refused, error), True
            except (ApiError, TransportError) as error:
                if not isinstance(error, Conflict):
                    log.warning("cannot record the outcome, trying again", error=str(error))
                    await self.clock.sleep(wait)
                    wait = min(wait * 2, RETRY_MAX_SECONDS)
                current = await self.look(current)
                if current is not None and _has_arrived(current, wanted, settled):
                    return self._announced(obj, current, settled)
        return current

    async def look(self, obj: T) -> T | None:
        """The object as the server has it now; None when it is gone or somebody made another one under its name."""
        wait = RETRY_SECONDS
        while True:
            try:
                found = await self.client.get(self.resource, obj.metadata.namespace, obj.metadata.name)
            except NotFound:
                return None
            except (TransportError, ApiError) as error:
                log.warning("cannot read the object back, trying again", error=str(error))
                await self.clock.sleep(wait)
                wait = min(wait * 2, RETRY_MAX_SECONDS)
                continue
            return found if found.metadata.uid == obj.metadata.uid else None

    def _announced(self, before: T, after: T, settled: Settled) -> T:
        self.writer.announce(before, after, settled)
        return after


def _with(refused: Callable[[T, ApiError], Settled], error: ApiError) -> Callable[[T], Settled]:
    return lambda obj: refused(obj, error)


def _has_arrived(current: StatusObject[Any, Any], wanted: StatusObject[Any, Any], settled: Settled) -> bool:
    """Whether a write whose reply was lost was applied after all."""
    return all(getattr(current.status, name) == getattr(wanted.status, name) for name in settled.status)
