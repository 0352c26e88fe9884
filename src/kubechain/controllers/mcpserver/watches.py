"""The index of MCPServers by their Secrets, and the map from a changed Secret to its servers."""

from __future__ import annotations

from kubechain.api.mcpserver import MCPServer, MCPServerSpec
from kubechain.api.names import mcp_pod_name
from kubechain.runtime.keys import Request
from kubechain.runtime.metadata import Metadata
from kubechain.runtime.store import Lister

BY_KEY_SOURCE = "servers-by-key-source"


def secret_names(spec: MCPServerSpec) -> list[str]:
    """The Secrets that a server's variables and headers come from."""
    sources = (entry.value_from for entry in (*spec.env, *spec.headers))
    return [source.secret_key_ref.name for source in sources if source is not None]


def secret_index(server: MCPServer) -> list[str]:
    """The Secrets that a server's variables and headers come from, and that of its bridge, with their namespace."""
    own = [mcp_pod_name(server.metadata.name)] if server.spec.is_in_pod else []
    return [f"{server.metadata.namespace}/{name}" for name in (*secret_names(server.spec), *own)]


def server_requests_for_secret(servers: Lister[MCPServer], secret: Metadata | Request) -> list[Request]:
    """The servers that refer to a Secret."""
    found = servers.by_index(BY_KEY_SOURCE, f"{secret.namespace}/{secret.name}")
    return [Request(server.metadata.namespace, server.metadata.name) for server in found]
