"""What the owner of a connection does next. Pure: facts in, a step out; no clock, no waiting, no library."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from kubechain.mcp.failures import ConnectFailure
from kubechain.mcp.model import Limits, Phase, ServerSpec, ToolInfo
from kubechain.net.backoff import EQUAL_JITTER, Backoff

RELIST_SECONDS = 0.2
"""Between two listings at least, however often a server says that its tools have changed."""

_TOOL_NAME_CHARACTERS = 256
"""As much as the status of an MCPServer holds."""


# -- a connection in service ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Service:
    """What is known of a connection in service.

    Attributes:
        failure: Why it is of no use any more.
        is_respecified: Its spec is no longer the one it was made for.
        has_changed_tools: The server said so, and nobody has looked.
        is_suspect: Something failed, and nobody has looked.
        looked_seconds_ago: Since the tools were last listed, or listing was last put off.
        respecified_seconds_ago: Since the spec changed.
        calls_in_flight: That would be lost with the connection.
    """

    failure: ConnectFailure | None = None
    is_respecified: bool = False
    has_changed_tools: bool = False
    is_suspect: bool = False
    looked_seconds_ago: float = 0.0
    respecified_seconds_ago: float = 0.0
    calls_in_flight: int = 0


@dataclass(frozen=True, slots=True)
class Close:
    """Leave the connection."""


@dataclass(frozen=True, slots=True)
class Look:
    """List the tools: to know them, and to see whether the server still answers."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Do nothing until something happens, or so many seconds have passed."""

    seconds: float


def in_service(service: Service, limits: Limits) -> Close | Look | Wait:
    """Decide what to do with a connection in service."""
    if service.failure is not None:
        return Close()
    if service.is_respecified:
        left = limits.drain_seconds - service.respecified_seconds_ago
        return Wait(left) if service.calls_in_flight and left > 0 else Close()
    due = RELIST_SECONDS if service.has_changed_tools or service.is_suspect else limits.probe_seconds
    left = due - service.looked_seconds_ago
    return Wait(left) if left > 0 else Look()


def is_fatal(failure: ConnectFailure | None, *, calls_in_flight: int) -> bool:
    """Say whether a failed look ends the connection: not while calls run, for a busy server may answer nothing else."""
    return failure is not None and calls_in_flight == 0


# -- between two connections ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class History:
    """The failures in a row.

    Attributes:
        failure_count: Since the last connection that lasted.
        kind: Of the latest.
        message: As it was first put, for as long as the kind stays the same: what is shown does not flicker.
    """

    failure_count: int = 0
    kind: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait before the next try, and show why."""

    phase: Phase
    error: str
    seconds: float


def after_failure(
    history: History, failure: ConnectFailure, *, served_seconds: float, limits: Limits, chance: float
) -> tuple[History, Pause]:
    """Decide how long to wait.

    Args:
        history: The failures before this one.
        failure: The latest.
        served_seconds: How long the connection was of use.
        limits: The bounds of the pause.
        chance: From 0 to 1, so that many connections do not come back at once.
    """
    if served_seconds >= limits.retry_most_seconds:
        history = History()
    message = history.message if failure.kind == history.kind else str(failure)
    first, most = limits.retry_first_seconds, limits.retry_most_seconds
    if failure.is_permanent:
        first = most = limits.retry_failed_seconds
    seconds = Backoff(first, most, jitter=EQUAL_JITTER).seconds(history.failure_count, chance)
    phase = Phase.FAILED if failure.is_permanent else Phase.BACKOFF
    next_history = History(history.failure_count + 1, failure.kind, message)
    return next_history, Pause(phase, message, round(seconds, 3))


# -- the tools -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Listing:
    """The pages of a listing, so far."""

    tools: tuple[ToolInfo, ...] = ()
    cursors: frozenset[str] = frozenset()
    page_count: int = 0
    byte_count: int = 0

    def add(self, tools: Sequence[ToolInfo], cursor: str | None, limits: Limits) -> Listing:
        """Take a page.

        Raises:
            ConnectFailure: the listing does not end, or is too large.
        """
        if cursor is not None and cursor in self.cursors:
            raise ConnectFailure("tools/list: the server repeats a cursor")
        grown = replace(
            self,
            tools=(*self.tools, *tools),
            cursors=self.cursors if cursor is None else self.cursors | {cursor},
            page_count=self.page_count + 1,
            byte_count=self.byte_count + sum(map(_size, tools)),
        )
        if grown.page_count == limits.pages and cursor is not None:
            raise ConnectFailure(f"tools/list: over {limits.pages} pages")
        if len(grown.tools) > limits.tools:
            raise ConnectFailure(f"tools/list: over {limits.tools} tools")
        if grown.byte_count > limits.listing_bytes:
            raise ConnectFailure(f"tools/list: over {limits.listing_bytes} bytes of names, descriptions and schemas")
        return grown


def offered(tools: Iterable[ToolInfo], spec: ServerSpec) -> tuple[ToolInfo, ...]:
    """Return the tools that agents may use: of two with one name the first, in the server's order."""
    chosen: dict[str, ToolInfo] = {}
    for tool in tools:
        is_usable = 0 < len(tool.name) <= _TOOL_NAME_CHARACTERS and tool.name not in spec.exclude
        if is_usable and (spec.include is None or tool.name in spec.include):
            chosen.setdefault(tool.name, tool)
    return tuple(chosen.values())


def _size(tool: ToolInfo) -> int:
    return len(tool.name) + len(tool.description) + len(str(tool.input_schema))
