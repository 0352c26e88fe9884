"""An MCPServer, its resolved spec, and the state of this process's connection to it."""

from __future__ import annotations

from dataclasses import dataclass

from kubechain.api.mcpserver import MCPServer, MCPServerSpec
from kubechain.controllers.secrets import SecretReader, SecretUnavailable
from kubechain.mcp.model import ServerSpec, ServerState


@dataclass(frozen=True, slots=True)
class Observed:
    """All that is known about a server.

    Attributes:
        spec: With every secret resolved; None when one of them is missing.
        trouble: Which one.
        state: Of the connection, after it was told the spec; None without a spec.
    """

    server: MCPServer
    spec: ServerSpec | None
    trouble: str = ""
    state: ServerState | None = None


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
        confidential=(
            *(env[entry.name] for entry in spec.env if entry.value_from),
            *(headers[entry.name] for entry in spec.headers if entry.value_from),
        ),
    )


def secret_names(spec: MCPServerSpec) -> list[str]:
    """The Secrets that a server's variables and headers come from."""
    sources = (entry.value_from for entry in (*spec.env, *spec.headers))
    return [source.secret_key_ref.name for source in sources if source is not None]
