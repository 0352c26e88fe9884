"""The seam between the owner of a connection and the MCP library: what a live connection can do, what it reports.

`sdk` is the real one; tests of the owner bring their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from kubechain.mcp.failures import ConnectFailure
from kubechain.mcp.model import CallResult, Limits, ServerKey, ServerSpec, ToolInfo
from kubechain.mcp.warden import Warden


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a listing of tools.

    Attributes:
        cursor: Asks for the next part; None: this was the last.
    """

    tools: Sequence[ToolInfo]
    cursor: str | None = None


class Link(Protocol):
    """A live connection."""

    async def list_tools(self, cursor: str | None) -> Page:
        """Ask for a part of the tools.

        Raises:
            ConnectFailure: no answer, or none that can be used.
        """
        ...

    async def call(self, tool: str, arguments: Mapping[str, Any], meta: Mapping[str, Any]) -> CallResult:
        """Call a tool, once. When cancelled, the server is told to stop.

        Raises:
            McpError: see there.
        """
        ...


class Observer(Protocol):
    """Whoever wants to know how a connection fares. Synchronous; never raises."""

    def ended(self, failure: ConnectFailure) -> None:
        """The connection is of no use any more."""
        ...

    def tools_changed(self) -> None:
        """The server says that its tools have changed."""
        ...

    def suspect(self) -> None:
        """Something failed that may mean the end of the connection: worth a look."""
        ...


class Connector(Protocol):
    """Makes connections."""

    def __call__(
        self, key: ServerKey, spec: ServerSpec, *, limits: Limits, warden: Warden, observer: Observer
    ) -> AbstractAsyncContextManager[Link]:
        """Connect, hand out the connection, and end it; all in the task of whoever enters.

        Raises:
            ConnectFailure: alone or in exception groups.
        """
        ...
