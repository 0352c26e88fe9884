"""Errors of a tool call, grouped by whether the tool may have run.

    McpError
      NotSent            the tool did not run: safe to call again
      Uncertain          the call was sent and the tool may have run: do not repeat it automatically
        ConnectionLost   the connection ended, or the response is invalid
        TimedOut         no response in time

`ConnectionManager.call` raises them. Messages are short, the same for each attempt that fails in the same way, and hold
no secret. When a tool itself reports an error, the result is a `CallResult` with `is_error`.

A cancelled call raises `asyncio.CancelledError`. Treat it as `Uncertain`: the tool may have run.
"""

from __future__ import annotations


class McpError(Exception):
    """Base class of the errors of `ConnectionManager.call`."""


class NotSent(McpError):
    """The tool did not run: there is no connection, no such tool, or the call was refused before it ran."""


class Uncertain(McpError):
    """The call was sent and its outcome is unknown: the tool may have run."""


class ConnectionLost(Uncertain):
    """The connection ended while the call was in flight, or the response is invalid."""


class TimedOut(Uncertain):
    """No response arrived in time; the server was asked to cancel the call."""
