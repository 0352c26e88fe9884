"""The effects of an MCPServer: its connection is opened, replaced or closed."""

from __future__ import annotations

from dataclasses import dataclass, field

from kubechain.api.mcpserver import MCPServer
from kubechain.controllers.toolkinds.mcp import server_key
from kubechain.mcp.manager import ConnectionManager
from kubechain.mcp.model import Phase, ServerKey, ServerSpec, ServerState
from kubechain.runtime.keys import Request


@dataclass(slots=True)
class Connector:
    """The connections of this process, by the name of their MCPServer."""

    connections: ConnectionManager
    _keys: dict[Request, ServerKey] = field(default_factory=dict[Request, ServerKey], init=False)

    def state(self, key: ServerKey, spec: ServerSpec) -> ServerState | None:
        """How the connection stands; None when there is none with this key and spec."""
        return self.connections.state(key) if self.connections.is_specified(key, spec) else None

    def is_failing(self, key: ServerKey) -> bool:
        """Whether there is a connection that does not work, whatever its spec."""
        state = self.connections.state(key)
        return state is not None and state.phase in (Phase.BACKOFF, Phase.FAILED)

    def is_replaced(self, server: MCPServer) -> bool:
        """Whether there is a connection to an earlier server of the same name."""
        key = server_key(server)
        return self._keys.get(Request(key.namespace, key.name), key) != key

    def connect(self, request: Request, key: ServerKey, spec: ServerSpec) -> None:
        """Connect, or connect anew when the spec is another."""
        self._keys[request] = key
        self.connections.ensure(key, spec)

    async def disconnect(self, request: Request) -> None:
        """Close the connection of a server that is gone, was replaced or cannot work; idempotent."""
        key = self._keys.pop(request, None)
        if key is not None:
            await self.connections.remove(key)
