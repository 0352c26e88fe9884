"""Who this process is, and what became of the others: asked by every kind that finds a claim in a status."""

from __future__ import annotations

from dataclasses import dataclass

from kubechain.runtime.liveness import Liveness


@dataclass(frozen=True, slots=True)
class Replica:
    """This process among the managers that may work on the same objects."""

    identity: str
    liveness: Liveness

    async def gone_in_seconds(self, holder: str) -> float:
        """0 when nobody works on the holder's claim any more, else how long to wait before asking again."""
        if holder == self.identity:
            # One worker a key: nobody in this process works on it, so the attempt ended without a record.
            return 0.0
        match await self.liveness.is_gone(holder):
            case bool():
                return 0.0
            case seconds:
                return seconds
