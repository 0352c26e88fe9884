"""Ways to break the promise about servers in Pods that people are tempted by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from kubechain.api.mcpserver import MCPServer
from kubechain.controllers.mcpserver import hosting
from kubechain.controllers.mcpserver.hosting import Hoster
from kubechain.controllers.mcpserver.manifests import Manifest
from test.simulation.mutant import Mutant

_host = Hoster.host


async def _pod_first(self: Hoster, server: MCPServer, manifests: Sequence[Manifest]) -> None:
    """The Deployment before what protects its Pod."""
    await _host(self, server, tuple(reversed(manifests)))


async def _put_blindly(self: Hoster, server: MCPServer, manifest: Manifest, *, is_kept: bool = False) -> None:
    """Write whatever is there: a second token takes the place of the first."""
    del server, is_kept
    found = await self._find(manifest)  # pyright: ignore[reportPrivateUsage]
    if found is None:
        await self._create(manifest)  # pyright: ignore[reportPrivateUsage]
        return
    body: dict[str, Any] = {**manifest.body, "immutable": False}
    await self.client.request("PUT", hosting._path(manifest), body=orjson.dumps(body))  # pyright: ignore[reportPrivateUsage]


ALL = (
    Mutant("pod-first", ((Hoster, "host", _pod_first),), "mcp-in-pod"),
    Mutant("token-made-twice", ((Hoster, "_put", _put_blindly),), "mcp-in-pod", ("after", "stale", "errors")),
)
