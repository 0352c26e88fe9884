"""What can go wrong with a tool call, sorted by what is known about its effect.

    McpError
      NotSent      certainly not executed: safe to call again
      Uncertain    sent, and it may have been executed: never to be repeated blindly

Raised by `ConnectionManager.call` and caught by the controllers. Messages are short, the same for each try of the same
failure, and hold no secret. A tool that says that it failed is no error here but a `CallResult` with `is_error`.

Whoever cancels a call gets `asyncio.CancelledError`, as everywhere; what it means for the effect is `Uncertain`.
"""

from __future__ import annotations


class McpError(Exception):
    """Base of what `ConnectionManager.call` raises."""


class NotSent(McpError):
    """The call was certainly not executed: no connection, no such tool, or refused before execution."""


class Uncertain(McpError):
    """The call was sent and its outcome is not known: it may have been executed."""


class ConnectionLost(Uncertain):
    """The connection ended, or its answer was no answer, while the call was in flight."""


class TimedOut(Uncertain):
    """No answer came in time; the server was told to stop."""
