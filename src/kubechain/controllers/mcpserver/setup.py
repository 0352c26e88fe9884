"""Registers the control loop of MCPServers."""

from __future__ import annotations

from dataclasses import dataclass

from kubechain.api import reasons
from kubechain.controllers import resources
from kubechain.controllers.mcpserver import idling, watches
from kubechain.controllers.mcpserver.effects import Connector
from kubechain.controllers.mcpserver.hosting import Hoster
from kubechain.controllers.mcpserver.idling import Usage
from kubechain.controllers.mcpserver.observe import Observer, Pods
from kubechain.controllers.mcpserver.owned import OWNED, PODS, Owned, request_of_pod
from kubechain.controllers.mcpserver.ownimage import HostingSource
from kubechain.controllers.mcpserver.reconciler import MCPServerReconciler
from kubechain.controllers.parts import Parts
from kubechain.controllers.secrets import SECRETS
from kubechain.runtime.controller import Controller, controller
from kubechain.runtime.manager import Manager
from kubechain.runtime.resource import metadata_only


def setup(manager: Manager, parts: Parts) -> None:
    """Follow MCPServers, their Secrets, and the connections of this process, which the manager runs."""
    servers = manager.lister(resources.MCP_SERVERS)
    manager.add_index(resources.MCP_SERVERS, watches.BY_KEY_SOURCE, watches.secret_index)
    usage = Usage(manager.lister(resources.TOOL_CALLS), manager.clock)
    connector, pods = Connector(parts.connections), _pods(manager, parts, usage)
    is_shared = manager.gate is not None
    reconciler = MCPServerReconciler(
        servers=servers,
        observer=Observer(parts.secrets, connector, parts.settings.allow_stdio_servers, pods),
        connector=connector,
        hoster=Hoster(manager.client),
        usage=usage,
        writer=parts.writer(resources.MCP_SERVERS, reasons.MCP_CONTROLLER),
        clock=manager.clock,
        reports=lambda: not is_shared or manager.leads,
    )
    loop = (
        controller(manager, "mcpserver")
        .for_(resources.MCP_SERVERS)
        .watches(
            metadata_only(SECRETS), map=lambda secret: watches.server_requests_for_secret(servers, secret.metadata)
        )
        .triggered_by(parts.secrets.changed, map=lambda secret: watches.server_requests_for_secret(servers, secret))
        .triggered_by(parts.connection_changed)
        .with_(needs_leader=not is_shared)
    )
    if pods is not None:
        for resource in OWNED:
            loop.owns(resource)
        loop.watches(PODS, map=request_of_pod)
        manager.add_index(resources.TOOL_CALLS, idling.CALLS_BY_TOOL, idling.tool_of_call)
        manager.add_index(resources.MCP_SERVERS, idling.SERVERS_BY_TOOL, idling.tools_of)
        loop.watches(resources.TOOL_CALLS, map=lambda call: idling.server_requests_for_call(servers, call))
    made = loop.complete(reconciler)
    manager.add_runnable(parts.connections, needs_leader=not is_shared)
    if is_shared:
        manager.add_runnable(NewReporter(made))


@dataclass(frozen=True, slots=True)
class NewReporter:
    """Reports every server when this replica begins to lead: what it reconciled before, it did not write."""

    servers: Controller

    async def run(self) -> None:
        """Look at all servers once."""
        self.servers.resync()


def _pods(manager: Manager, parts: Parts, usage: Usage) -> Pods | None:
    """How servers are run in Pods; None where this manager does not."""
    isolation = parts.settings.isolation
    if isolation is None:
        return None
    source = HostingSource(manager.client, isolation.image, isolation.pod, isolation.namespace, isolation.url)
    return Pods(source, Owned.of(manager), usage)
