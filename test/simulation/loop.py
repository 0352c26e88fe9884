"""The event loop of a simulation: time jumps, the order of what is ready is drawn from a seed, processes can freeze.

Every callback belongs to a process, by a context variable that tasks inherit. A frozen process runs nothing at all,
wherever its tasks stand, as after SIGSTOP: the world goes on without it.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from contextvars import Context, ContextVar
from typing import Any, cast

from test.runtime.virtual_time import VirtualTimeLoop

STEPS_MAX = 150_000
"""Of all processes together, in one simulation: honest stories take a hundredth of it. More is a loop without end."""

PROCESS: ContextVar[str] = ContextVar("process", default="")
"""Which process of the simulation the current code belongs to; empty for the world itself."""


TURN_SECONDS = 1e-6
"""What one turn of the loop takes: if time stood still, code could wait for ever for a rounding error to pass."""


class Livelock(BaseException):
    """The processes are busy for ever. Not an Exception: no worker loop may swallow it."""


class _Due:
    """What a timer runs: it queues the callback, so that due timers are permuted and frozen like everything else."""

    __slots__ = ("args", "callback", "context", "loop", "timer")

    def __init__(
        self, loop: SeededLoop, callback: Callable[..., object], args: tuple[Any, ...], context: Context | None
    ) -> None:
        self.loop = loop
        self.callback = callback
        self.args = args
        self.context = context
        self.timer: asyncio.TimerHandle | None = None

    def __call__(self) -> None:
        self.loop.call_soon(self._run, context=self.context)

    def _run(self) -> None:
        if self.timer is None or not self.timer.cancelled():
            self.callback(*self.args)


class SeededLoop(VirtualTimeLoop):
    """A virtual-time loop whose interleavings follow from a seed.

    Attributes:
        steps: Callbacks that all processes together have run; those of the world do not count.
    """

    def __init__(self, seed: int) -> None:
        """Make a loop; equal seeds give equal orders."""
        super().__init__()
        self._chance = random.Random(f"loop {seed}")
        self._frozen: dict[str, list[asyncio.Handle]] = {}
        self._strike_at = 0
        self._strike: Callable[[str], None] = lambda _: None
        self._total = 0
        self.steps = 0

    def strike_at(self, step: int, strike: Callable[[str], None]) -> None:
        """Do something to the process that runs the callback of that number.

        Args:
            strike: Called once, outside the process.
        """
        self._strike_at = step
        self._strike = strike

    def freeze(self, process: str) -> None:
        """Stop running anything of a process."""
        self._frozen.setdefault(process, [])

    def thaw(self, process: str) -> None:
        """Let a frozen process go on."""
        self._queue.extend(self._frozen.pop(process, []))

    def abandon(self) -> None:
        """End what still waits, before the loop is closed: a story that broke off leaves its processes as they stand.

        Their coroutines would be closed by the garbage collector else, in whichever test it runs, and find no loop.
        """
        for task in asyncio.all_tasks(self):
            # It waits for something while it ends, or its group of tasks takes this end for a failure.
            with suppress(RuntimeError, BaseExceptionGroup):
                cast("Coroutine[Any, Any, object]", task.get_coro()).close()

    @property
    def _queue(self) -> deque[asyncio.Handle]:
        return vars(self)["_ready"]

    def call_at(
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Call later; not before what was ready at that moment had its chance to come first."""
        due = _Due(self, callback, args, context)
        due.timer = super().call_at(when, due, context=context)
        return due.timer

    def _run_once(self) -> None:
        self._jumping.now += TURN_SECONDS
        handles = self._runnable()
        self._chance.shuffle(handles)
        self._queue.extend(handles)
        super()._run_once()  # type: ignore[misc]  # pyright: ignore

    def _runnable(self) -> list[asyncio.Handle]:
        """Take what is ready out of the queue, and sort out what belongs to frozen processes."""
        taken = list(self._queue)
        self._queue.clear()
        kept: list[asyncio.Handle] = []
        for handle in taken:
            process = _process_of(handle)
            if process in self._frozen:
                self._frozen[process].append(handle)
                continue
            kept.append(handle)
            self._count(process)
        return kept

    def _count(self, process: str) -> None:
        self._total += 1
        if self._total > STEPS_MAX:
            raise Livelock(f"{process} is still busy after {STEPS_MAX} steps, at {self.time():.3f} s")
        if not process:
            return
        self.steps += 1
        if self._strike_at == self.steps:
            self._strike(process)


def _process_of(handle: asyncio.Handle) -> str:
    context: Context = handle._context  # type: ignore[attr-defined]  # pyright: ignore
    return str(context.get(PROCESS, ""))  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
