"""HumanRequest's control loop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from kubechain.api import names, reasons
from kubechain.api.humanrequest import HumanRequest
from kubechain.controllers import frame
from kubechain.controllers.frame import Again, Done, StatusWriter
from kubechain.controllers.humanrequest.decide import decide
from kubechain.controllers.humanrequest.delivering import Deliverer
from kubechain.controllers.humanrequest.observe import Observed, Observer
from kubechain.controllers.humanrequest.settle import settle
from kubechain.controllers.humanrequest.steps import CloseDelivery, Deliver, Hold, Release, Step, TellOfChannel
from kubechain.runtime.clock import Clock
from kubechain.runtime.controller import Result
from kubechain.runtime.errors import WriteRefused
from kubechain.runtime.keys import Request
from kubechain.runtime.store import Lister


@dataclass(frozen=True, slots=True)
class HumanRequestReconciler:
    """Keeps the status of every request up to date; it decides nothing about calls."""

    requests: Lister[HumanRequest]
    observer: Observer
    deliverer: Deliverer
    writer: StatusWriter[HumanRequest]
    clock: Clock

    finalizer: ClassVar[str | None] = names.HUMAN_REQUEST_FINALIZER
    live_steps: ClassVar[tuple[type, ...]] = ()

    async def reconcile(self, request: Request) -> Result:
        """Bring the status of one request up to date."""
        return await frame.reconcile(self, self.requests, request)

    async def observe(self, obj: HumanRequest) -> Observed:
        """Read the call that asks."""
        return await self.observer.observe(obj)

    def decide(self, observed: Observed) -> Step | Done:
        """What became of the request."""
        return decide(observed)

    async def carry_out(self, observed: Observed, step: Step) -> Again[HumanRequest] | Done:
        """Reach the channel, or write what was decided."""
        if isinstance(step, Hold):
            return Again(await self.writer.add_finalizer(observed.request, names.HUMAN_REQUEST_FINALIZER))
        if isinstance(step, Deliver):
            return await self.deliverer.deliver(observed.request, step)
        if isinstance(step, CloseDelivery):
            return await self.deliverer.close(observed.request, step)
        if isinstance(step, Release):
            return await self._release(observed.request, step)
        settled = settle(observed.request, step, self.clock.now())
        if isinstance(step, TellOfChannel):
            return await self.writer.finish(observed.request, settled)
        # Our own write enqueues nothing: what was sent is closed in the same reconcile.
        return Again(await self.writer.write(observed.request, settled))

    async def _release(self, request: HumanRequest, step: Release) -> Done:
        await self.writer.drop_finalizer(request, names.HUMAN_REQUEST_FINALIZER)
        if step.untold:
            self.writer.recorder.event(request, "Warning", reasons.NOT_DELIVERED, step.untold)
        return Done()

    def refused(self, observed: Observed, refusal: WriteRefused) -> None:
        """Nothing: only the status is written, and it cannot say that it is refused."""
        del observed, refusal

    async def forget(self, request: Request) -> None:
        """Nothing: this process holds nothing for a request."""
        del request
