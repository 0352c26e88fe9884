"""Stub."""

from collections.abc import Callable, Mapping
from typing import Any
from kubechain.mcp.model import CallResult, Limits, ServerKey, ServerSpec, ServerState, Statistics


class ConnectionManager:
    """Connections to MCP servers."""

    def __init__(self, *, on_change: Callable[[ServerKey], None], limits: Limits = Limits()) -> None: ...
    def ensure(self, key: ServerKey, spec: ServerSpec) -> ServerState:
        raise NotImplementedError

    def state(self, key: ServerKey) -> ServerState | None:
        raise NotImplementedError

    async def remove(self, key: ServerKey) -> None: ...
    async def call(
        self,
        key: ServerKey,
        tool: str,
        arguments: Mapping[str, Any],
        *,
        timeout_seconds: float,
        meta: Mapping[str, Any],
    ) -> CallResult:
        raise NotImplementedError

    async def run(self) -> None: ...
    def statistics(self) -> Statistics:
        raise NotImplementedError
