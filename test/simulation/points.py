"""The W points of a simulation: every write and every side effect passes here, is numbered, and may be broken.

Used by the wire and by the fakes of the services outside. What must not go here: what is written or done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from test.simulation.plans import Plan

R = TypeVar("R")


class Process:
    """One manager process, dead or alive. What a dead one still tries has no effect."""

    def __init__(self, name: str, *, end: Callable[[], None]) -> None:
        """Make a living one.

        Args:
            end: Stops its tasks without waiting.
        """
        self.name = name
        self.is_dead = False
        self._end = end

    def crash(self) -> None:
        """Be gone at this very point."""
        self.is_dead = True
        self._end()

    async def gone(self) -> None:
        """For code of a dead process: never goes on, but lets itself be cancelled."""
        await asyncio.get_running_loop().create_future()


@dataclass(slots=True)
class Points:
    """Numbers what passes, and breaks what the plan says.

    Attributes:
        passed: What the points were, in order.
        broken: The point that was broken; empty until then.
    """

    plan: Plan
    on_crash: Callable[[Process], None]
    passed: list[str] = field(default_factory=list[str])
    broken: str = ""

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
        number = len(self.passed)
        self.passed.append(label)
        if not self.plan.is_at_a_point or self.plan.at != number:
            return await self._alive(process, act)
        self.broken = label
        if self.plan.fault == "before":
            await self._die(process)
        result = await self._alive(process, act)
        if self.plan.fault == "after":
            await self._die(process)
        del result
        raise lost()

    async def _alive(self, process: Process, act: Callable[[], Awaitable[R]]) -> R:
        result = await act()
        if process.is_dead:
            await process.gone()
        return result

    async def _die(self, process: Process) -> None:
        self.on_crash(process)
        process.crash()
        await process.gone()
