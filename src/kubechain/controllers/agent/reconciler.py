"""Agent's control loop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from kubechain.api.agent import Agent
from kubechain.controllers import frame
from kubechain.controllers.agent.decide import decide
from kubechain.controllers.agent.observe import Observed, Readers, observe
from kubechain.controllers.agent.settle import settle
from kubechain.controllers.frame import Done, StatusWriter
from kubechain.controllers.validation import Step
from kubechain.runtime.clock import Clock
from kubechain.runtime.controller import Result
from kubechain.runtime.errors import WriteRefused
from kubechain.runtime.keys import Request
from kubechain.runtime.store import Lister


@dataclass(frozen=True, slots=True)
class AgentReconciler:
    """Validates what every Agent refers to. It has no effects."""

    agents: Lister[Agent]
    readers: Readers
    writer: StatusWriter[Agent]
    clock: Clock

    finalizer: ClassVar[str | None] = None
    live_steps: ClassVar[tuple[type, ...]] = ()

    async def reconcile(self, request: Request) -> Result:
        """Bring the status of one Agent up to date."""
        return await frame.reconcile(self, self.agents, request)

    async def observe(self, obj: Agent) -> Observed:
        """Read everything that the Agent refers to."""
        return observe(obj, self.readers)

    def decide(self, observed: Observed) -> Step:
        """Whether the Agent can be used."""
        return decide(observed)

    async def carry_out(self, observed: Observed, step: Step) -> Done:
        """Write what was decided."""
        return await self.writer.finish(observed.agent, settle(observed, step, self.clock.now()))

    def refused(self, observed: Observed, refusal: WriteRefused) -> None:
        """Nothing: only the status is written, and it cannot say that it is refused."""
        del observed, refusal

    async def forget(self, request: Request) -> None:
        """Nothing: this process holds nothing for an Agent."""
        del request
