"""An MCPServer, its resolved spec, and the state of this process's connection to it."""

from __future__ import annotations

from dataclasses import dataclass

from kubechain.api.mcpserver import MCPServer
from kubechain.controllers.mcpserver.effects import Connector
from kubechain.controllers.secrets import SecretReader, SecretUnavailable
from kubechain.controllers.toolkinds.mcp import server_key
from kubechain.mcp.model import START_SECONDS, ServerSpec, ServerState


@dataclass(frozen=True, slots=True)
class Observed:
    """All that a decision about a server depends on.

    Attributes:
        spec: With every secret resolved; None when one of them is missing.
        trouble: Which one.
        state: Of this process's connection; None when there is none, or one with another spec.
        is_replaced: Whether this process is still connected to an earlier server of the same name.
        allows_stdio: Whether servers may run as child processes of this one.
    """

    server: MCPServer
    spec: ServerSpec | None
    trouble: str = ""
    state: ServerState | None = None
    is_replaced: bool = False
    allows_stdio: bool = True


@dataclass(frozen=True, slots=True)
class Observer:
    """Reads what a decision about a server needs."""

    secrets: SecretReader
    connector: Connector
    allows_stdio: bool = True

    async def observe(self, server: MCPServer) -> Observed:
        """Read everything, change nothing."""
        if self.connector.is_replaced(server):
            return Observed(server=server, spec=None, is_replaced=True)
        if not self.allows_stdio and server.spec.transport_type == "stdio":
            return Observed(server=server, spec=None, allows_stdio=False)
        spec = await resolve(server, self.secrets)
        if isinstance(spec, str):
            return Observed(server=server, spec=None, trouble=spec)
        return Observed(server=server, spec=spec, state=self.connector.state(server_key(server), spec))


async def resolve(server: MCPServer, secrets: SecretReader) -> ServerSpec | str:
    """The server's spec with every secret in its place, or what is missing."""
    spec, namespace = server.spec, server.metadata.namespace
    try:
        env = await secrets.named_values(namespace, spec.env)
        headers = await secrets.named_values(namespace, spec.headers)
    except SecretUnavailable as error:
        return str(error)
    return ServerSpec(
        transport=spec.transport_type,
        command=spec.command or "",
        args=spec.args,
        env=env,
        url=spec.url or "",
        headers=headers,
        include=(spec.tools.include or None) if spec.tools else None,
        exclude=spec.tools.exclude if spec.tools else (),
        start_seconds=float(spec.start_timeout_seconds or START_SECONDS),
        asks_first=bool(spec.asks_before_acting),
        confidential=(
            *(env[entry.name] for entry in spec.env if entry.value_from),
            *(headers[entry.name] for entry in spec.headers if entry.value_from),
        ),
    )
