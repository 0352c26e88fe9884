"""Protocols between the owner task of a connection and the MCP library.

`sdk` implements them with the library; tests of the owner task implement fakes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from kubechain.mcp.elicitation import Inputs
from kubechain.mcp.failures import ConnectFailure
from kubechain.mcp.model import CallResult, Flaw, Limits, ServerKey, ServerSpec, ToolInfo
from kubechain.mcp.warden import Warden


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list of tools.

    Attributes:
        cursor: Cursor of the next page; None on the last page.
        flaws: What is wrong with tools of this page.
    """

    tools: Sequence[ToolInfo]
    cursor: str | None = None
    flaws: Sequence[Flaw] = ()


class Link(Protocol):
    """An open connection to a server."""

    async def list_tools(self, cursor: str | None) -> Page:
        """Request one page of the tools.

        Raises:
            ConnectFailure: The request failed, or the response is invalid.
        """
        ...

    async def call(
        self,
        tool: str,
        arguments: Mapping[str, Any],
        *,
        meta: Mapping[str, Any],
        inputs: Inputs | None = None,
        may_hold: bool = False,
    ) -> CallResult | Inputs:
        """Call a tool once. On cancellation, ask the server to cancel the call.

        Args:
            tool: Its name.
            arguments: Its arguments.
            meta: Contents of `_meta`.
            inputs: What the same call returned before, with replies.
            may_hold: Whether the call may be held while a person is asked; see `floor`.

        Raises:
            McpError: `NotSent` or `Uncertain`; see `errors`.
        """
        ...


class Observer(Protocol):
    """Receives the events of a connection. Its methods are synchronous and must not raise."""

    def ended(self, failure: ConnectFailure) -> None:
        """Report that the connection has ended."""
        ...

    def tools_changed(self) -> None:
        """Report that the server announced a change of its tools."""
        ...

    def said(self, text: str) -> None:
        """Report what a child process has written to stderr so far: its first error, or its last lines; no secret."""
        ...

    def suspect(self) -> None:
        """Report an error after which the connection may be broken, so that the owner task probes the server."""
        ...


class Connector(Protocol):
    """Opens connections."""

    def __call__(
        self, key: ServerKey, spec: ServerSpec, *, limits: Limits, warden: Warden, observer: Observer
    ) -> AbstractAsyncContextManager[Link]:
        """Return a context manager that opens the connection on entry and closes it on exit, in the same task.

        Raises:
            ConnectFailure: The connection failed; raised directly or inside an exception group.
        """
        ...
