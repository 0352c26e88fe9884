"""The identity of this process, and whether the holder of a claim is still alive."""

from __future__ import annotations

from dataclasses import dataclass

from kubechain.controllers.buckets import Shared, bucket
from kubechain.runtime.liveness import Liveness


@dataclass(frozen=True, slots=True)
class Replica:
    """This process, one of the managers that may work on the same objects."""

    identity: str
    liveness: Liveness

    async def gone_in_seconds(self, holder: str, obj: Shared) -> float:
        """0 when no process works on the holder's claim of an object, else how long to wait before asking again."""
        if holder == self.identity:
            # One worker a key: no other worker of this process has the claim, so the attempt ended without a record.
            return 0.0
        match await self.liveness.is_gone(holder, bucket(obj)):
            case bool():
                return 0.0
            case seconds:
                return seconds
