"""MCPServer's control loop."""

from __future__ import annotations

from kubechain.api.mcpserver import MCPServer
from kubechain.controllers.frame import StatusWriter
from kubechain.controllers.mcpserver.decide import decide
from kubechain.controllers.mcpserver.observe import Observed, resolve, secret_names
from kubechain.controllers.mcpserver.settle import settle
from kubechain.controllers.resources import MCP_SERVERS
from kubechain.controllers.secrets import SecretReader
from kubechain.mcp.manager import ConnectionManager
from kubechain.mcp.model import Phase, ServerKey
from kubechain.runtime.clock import Clock
from kubechain.runtime.controller import Result
from kubechain.runtime.keys import Request
from kubechain.runtime.metadata import Metadata
from kubechain.runtime.store import Lister


class MCPServerReconciler:
    """Tells the connection manager what is wanted, and everybody else what came of it."""

    def __init__(
        self,
        *,
        servers: Lister[MCPServer],
        connections: ConnectionManager,
        secrets: SecretReader,
        writer: StatusWriter,
        clock: Clock,
    ) -> None:
        self._servers = servers
        self._connections = connections
        self._secrets = secrets
        self._writer = writer
        self._clock = clock
        self._keys: dict[Request, ServerKey] = {}

    async def reconcile(self, request: Request) -> Result:
        """Bring connection and status of one server up to date."""
        server = self._servers.get(request.namespace, request.name)
        if server is None or server.metadata.deletion_timestamp is not None:
            await self._forget(request)
            return Result()
        observed = await self._observe(server, request)
        await self._writer.write(MCP_SERVERS, server, settle(server, decide(observed), self._clock.now()))
        return Result()

    async def _observe(self, server: MCPServer, request: Request) -> Observed:
        key = key_of(server)
        if self._keys.get(request, key) != key:
            await self._forget(request)
        spec = await resolve(server, self._secrets)
        if isinstance(spec, str) or server.spec.approval_contact_channel is not None:
            await self._forget(request)
            return Observed(server=server, spec=None, trouble=spec if isinstance(spec, str) else "")
        self._keys[request] = key
        return Observed(server=server, spec=spec, state=self._connections.ensure(key, spec))

    async def _forget(self, request: Request) -> None:
        """Close the connection of a server that is gone, was replaced or cannot work: nothing may run on."""
        key = self._keys.pop(request, None)
        if key is not None:
            await self._connections.remove(key)


def key_of(server: MCPServer) -> ServerKey:
    """Which connection is this server's: another object of the same name gets another one."""
    return ServerKey(server.metadata.namespace, server.metadata.uid, server.metadata.name)


class ConnectionStates:
    """Which servers this process is connected to, for those who are about to call one."""

    def __init__(self, connections: ConnectionManager) -> None:
        self._connections = connections

    def is_connected(self, server: MCPServer) -> bool:
        """Whether a call would reach it now."""
        state = self._connections.state(key_of(server))
        return state is not None and state.phase == Phase.READY


BY_KEY_SOURCE = "key-source"


def secret_index(server: MCPServer) -> list[str]:
    """Index of servers by the Secrets that their variables and headers come from."""
    return [f"{server.metadata.namespace}/{name}" for name in secret_names(server.spec)]


def server_requests_for_secret(servers: Lister[MCPServer], secret: Metadata) -> list[Request]:
    """The servers that a change of a Secret concerns."""
    found = servers.by_index(BY_KEY_SOURCE, f"{secret.namespace}/{secret.name}")
    return [Request(server.metadata.namespace, server.metadata.name) for server in found]
