"""MCPServer's control loop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from kubechain.api.mcpserver import MCPServer
from kubechain.controllers import frame
from kubechain.controllers.frame import Again, Done, Settled, StatusWriter, soonest
from kubechain.controllers.mcpserver import settle
from kubechain.controllers.mcpserver.decide import decide
from kubechain.controllers.mcpserver.effects import Connector
from kubechain.controllers.mcpserver.hosting import Hoster, NotOurs
from kubechain.controllers.mcpserver.idling import Usage
from kubechain.controllers.mcpserver.observe import Observed, Observer
from kubechain.controllers.mcpserver.steps import (
    AwaitPod,
    Connect,
    Disconnect,
    Host,
    MakeToken,
    Refuse,
    ReportAsleep,
    ReportTools,
    ReportUnconnected,
    Scale,
    Step,
    Withdraw,
)
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
        reports: Whether this process writes the status and the objects of a Pod: of replicas that share runs, each is
            connected and one writes.
    """

    servers: Lister[MCPServer]
    observer: Observer
    connector: Connector
    hoster: Hoster
    usage: Usage
    writer: StatusWriter[MCPServer]
    clock: Clock
    reports: Callable[[], bool] = lambda: True

    finalizer: ClassVar[str | None] = None
    live_steps: ClassVar[tuple[type, ...]] = (MakeToken, Host)

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
            case Scale(replicas):
                return await self._scale(server, replicas)
            case ReportAsleep():
                await self.connector.disconnect(request)
                return await self._report(server, settle.asleep(server, now))
            case MakeToken():
                await self._change_objects(server, step)
                return Done(observed.look_again_seconds)
            case Host() | Withdraw():
                return await self._change_objects(server, step)
            case AwaitPod():
                await self.connector.disconnect(request)
                return await self._report(server, settle.awaits_pod(server, step, now))
            case Connect(spec):
                self.connector.connect(request, server_key(server), spec)
                return Again(server)
            case Refuse(detail, look_again_seconds):
                await self.connector.disconnect(request)
                done = await self._report(server, settle.refused(server, detail, now))
                return Done(soonest(done.requeue_after_seconds, look_again_seconds))
            case ReportUnconnected():
                done = await self._report(server, settle.unconnected(server, step, now))
                return Done(soonest(done.requeue_after_seconds, observed.look_again_seconds))
            case ReportTools():
                return await self._report(server, settle.connected(server, step, now))

    async def _report(self, server: MCPServer, settled: Settled) -> Done:
        if not self.reports():
            return Done(settled.requeue_after_seconds)
        return await self.writer.finish(server, settled)

    async def _scale(self, server: MCPServer, replicas: int) -> Done:
        """Put the server to sleep, or wake it; the watch of its Deployment leads to the next step."""
        if replicas == 0:
            await self.connector.disconnect(Request(server.metadata.namespace, server.metadata.name))
        if not self.reports():
            return Done()
        await self.hoster.scale(server, replicas)
        self.usage.forget(server.metadata.uid)
        return Done()

    async def _change_objects(self, server: MCPServer, step: MakeToken | Host | Withdraw) -> Again[MCPServer] | Done:
        """Make or delete what a Pod needs; the watches of these objects lead to the next step."""
        if not self.reports():
            return Done()
        try:
            match step:
                case MakeToken():
                    await self.hoster.make_token(server)
                case Host(manifests):
                    await self.hoster.host(server, manifests)
                case Withdraw(kinds):
                    await self.hoster.withdraw(server, kinds)
        except NotOurs as error:
            return await self._report(server, settle.refused(server, str(error), self.clock.now()))
        return Done()

    def refused(self, observed: Observed, refusal: WriteRefused) -> Settled | None:
        """Say which object of a Pod the API server refuses, and try again later: people change quotas and policies."""
        if observed.server.spec.is_in_pod or observed.left_over:
            return settle.object_refused(observed.server, refusal, self.clock.now())
        return None

    async def forget(self, request: Request) -> None:
        """Close the connection."""
        await self.connector.disconnect(request)
