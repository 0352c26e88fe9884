"""The W points of a simulation: every write and every side effect passes here, is numbered, and may be broken.

Used by the wire and by the fakes of the services outside. What must not go here: what is written or done.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from test.simulation.plans import POINT_FAULTS, Plan, PointFault

R = TypeVar("R")

CRASH_SHARE = 0.08
CRASHES_MAX = 6
"""Of the plan that breaks points at random: more of them than a call that may be repeated has attempts."""


class Process:
    """One manager process, dead or alive. What a dead one still tries has no effect."""

    def __init__(self, name: str, *, end: Callable[[], None], stop: Callable[[], None]) -> None:
        """Make a living one.

        Args:
            end: Stops its tasks without waiting.
            stop: Asks it to end in order.
        """
        self.name = name
        self.is_dead = False
        self.is_stopping = False
        self.is_cut_off = False
        """Whether it does not reach the API server."""
        self._end = end
        self._stop = stop

    def crash(self) -> None:
        """Be gone at this very point."""
        self.is_dead = True
        self._end()

    def stop(self) -> None:
        """Be told to stop, as by SIGTERM."""
        self.is_stopping = True
        self._stop()

    async def gone(self) -> None:
        """For code of a dead process: never goes on, but lets itself be cancelled."""
        await asyncio.get_running_loop().create_future()


@dataclass(slots=True)
class Points:
    """Numbers what passes, and breaks what the plan says.

    Attributes:
        passed: What the points were, in order.
        broken: Those that were broken.
        is_over: Nothing is broken any more.
    """

    plan: Plan
    chance: random.Random
    on_crash: Callable[[Process], None]
    passed: list[str] = field(default_factory=list[str])
    broken: list[str] = field(default_factory=list[str])
    is_over: bool = False
    _under_way: list[tuple[Process, str]] = field(default_factory=list[tuple[Process, str]])

    def under_way(self, process: Process) -> tuple[str, ...]:
        """What a process is at and has no reply to; what the plan breaks is not among it."""
        return tuple(label for owner, label in self._under_way if owner is process and label not in self.broken)

    async def passing(
        self, process: Process, label: str, act: Callable[[], Awaitable[R]], *, lost: Callable[[], Exception]
    ) -> R:
        """Do something that counts.

        Args:
            label: What it is, for people.
            act: Takes effect.
            lost: What the caller sees when the reply does not come.
        """
        if process.is_dead:
            await process.gone()
        fault = self._fault(process, len(self.passed))
        self.passed.append(label)
        if fault is not None:
            self.broken.append(label)
        if fault == "before":
            await self._die(process)
        if fault == "stop":
            process.stop()
        under_way = (process, label)
        self._under_way.append(under_way)
        try:
            result = await act()
        except Exception:
            await self._done(process, fault)
            raise
        finally:
            self._under_way.remove(under_way)
        await self._done(process, fault)
        if fault == "lost":
            raise lost()
        return result

    async def _done(self, process: Process, fault: PointFault | None) -> None:
        if process.is_dead:
            await process.gone()
        if fault == "after":
            await self._die(process)

    def _fault(self, process: Process, number: int) -> PointFault | None:
        if self.plan.has_crashes:
            return self._random_fault(process)
        return self.plan.fault if self.plan.fault in POINT_FAULTS and self.plan.at == number else None

    def _random_fault(self, process: Process) -> PointFault | None:
        is_quiet = self.is_over or process.is_stopping or len(self.broken) >= CRASHES_MAX
        return None if is_quiet or self.chance.random() >= CRASH_SHARE else self.chance.choice(POINT_FAULTS)

    async def _die(self, process: Process) -> None:
        self.on_crash(process)
        process.crash()
        await process.gone()
