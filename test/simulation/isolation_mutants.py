"""Ways to break the promise about servers in Pods that people are tempted by."""

from __future__ import annotations

from collections.abc import Sequence

from kubechain.api.mcpserver import MCPServer
from kubechain.controllers.mcpserver.hosting import Hoster
from kubechain.controllers.mcpserver.manifests import Manifest
from test.simulation.mutant import Mutant

_host = Hoster.host


async def _pod_first(self: Hoster, server: MCPServer, manifests: Sequence[Manifest]) -> None:
    """The Deployment before what protects its Pod."""
    await _host(self, server, tuple(reversed(manifests)))


ALL = (Mutant("pod-first", ((Hoster, "host", _pod_first),), "mcp-in-pod"),)
