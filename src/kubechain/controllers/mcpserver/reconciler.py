"""MCPServer's control loop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from kubechain.api.mcpserver import MCPServer
from kubechain.controllers import frame
from kubechain.controllers.frame import Again, Done, Settled, StatusWriter
from kubechain.controllers.mcpserver import settle
from kubechain.controllers.mcpserver.decide import decide
from kubechain.controllers.mcpserver.effects import Connector
from kubechain.controllers.mcpserver.observe import Observed, Observer
from kubechain.controllers.mcpserver.steps import Connect, Disconnect, Refuse, ReportTools, ReportUnconnected, Step
from kubechain.controllers.toolkinds.mcp import server_key
from kubechain.runtime.clock import Clock
from kubechain.runtime.controller import Result
from kubechain.runtime.errors import WriteRefused
from kubechain.runtime.keys import Request
from kubechain.runtime.store import Lister


@dataclass(frozen=True, slots=True)
class MCPServerReconciler:
    """Keeps this process connected to every MCPServer, and reports the state of the connection in its status.

    Attributes:
        reports: Whether this process writes the status: of replicas that share runs, each is connected and one writes.
    """

    servers: Lister[MCPServer]
    observer: Observer
    connector: Connector
    writer: StatusWriter[MCPServer]
    clock: Clock
    reports: Callable[[], bool] = lambda: True

    finalizer: ClassVar[str | None] = None
    live_steps: ClassVar[tuple[type, ...]] = ()

    async def reconcile(self, request: Request) -> Result:
        """Bring connection and status of one server up to date."""
        return await frame.reconcile(self, self.servers, request)

    async def observe(self, obj: MCPServer) -> Observed:
        """Read the server's secrets and the state of its connection."""
        return await self.observer.observe(obj)

    def decide(self, observed: Observed) -> Step | Done:
        """The next step for one server."""
        return decide(observed)

    async def carry_out(self, observed: Observed, step: Step) -> Again[MCPServer] | Done:
        """Connect or disconnect the server, or write what its connection says."""
        server, now = observed.server, self.clock.now()
        request = Request(server.metadata.namespace, server.metadata.name)
        match step:
            case Disconnect():
                await self.connector.disconnect(request)
                return Again(server)
            case Connect(spec):
                self.connector.connect(request, server_key(server), spec)
                return Again(server)
            case Refuse(detail):
                await self.connector.disconnect(request)
                return await self._report(server, settle.refused(server, detail, now))
            case ReportUnconnected():
                return await self._report(server, settle.unconnected(server, step, now))
            case ReportTools():
                return await self._report(server, settle.connected(server, step, now))

    async def _report(self, server: MCPServer, settled: Settled) -> Done:
        if not self.reports():
            return Done(settled.requeue_after_seconds)
        return await self.writer.finish(server, settled)

    def refused(self, observed: Observed, refusal: WriteRefused) -> None:
        """Nothing: only the status is written, and it cannot say that it is refused."""
        del observed, refusal

    async def forget(self, request: Request) -> None:
        """Close the connection."""
        await self.connector.disconnect(request)
