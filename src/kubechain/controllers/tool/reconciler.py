"""Tool's control loop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from kubechain.api.tool import Tool
from kubechain.controllers import frame
from kubechain.controllers.frame import Done, StatusWriter
from kubechain.controllers.tool.decide import decide
from kubechain.controllers.tool.observe import Observed, Observer
from kubechain.controllers.tool.settle import settle
from kubechain.controllers.validation import Step
from kubechain.runtime.clock import Clock
from kubechain.runtime.controller import Result
from kubechain.runtime.errors import WriteRefused
from kubechain.runtime.keys import Request
from kubechain.runtime.store import Lister


@dataclass(frozen=True, slots=True)
class ToolReconciler:
    """Keeps the status of every Tool up to date; it calls none."""

    tools: Lister[Tool]
    observer: Observer
    writer: StatusWriter[Tool]
    clock: Clock

    finalizer: ClassVar[str | None] = None
    live_steps: ClassVar[tuple[type, ...]] = ()

    async def reconcile(self, request: Request) -> Result:
        """Bring the status of one Tool up to date."""
        return await frame.reconcile(self, self.tools, request)

    async def observe(self, obj: Tool) -> Observed:
        """Read what the Tool refers to, and whether it can be carried out here."""
        return await self.observer.observe(obj)

    def decide(self, observed: Observed) -> Step:
        """Whether the Tool can be used."""
        return decide(observed)

    async def carry_out(self, observed: Observed, step: Step) -> Done:
        """Write what was decided."""
        return await self.writer.finish(observed.tool, settle(observed, step, self.clock.now()))

    def refused(self, observed: Observed, refusal: WriteRefused) -> None:
        """Nothing: only the status is written, and it cannot say that it is refused."""
        del observed, refusal

    async def forget(self, request: Request) -> None:
        """Nothing: this process holds nothing for a Tool."""
        del request
