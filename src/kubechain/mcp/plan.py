"""Decides the next step of the owner task of a connection. Pure: no clock, no I/O, no MCP library."""

from __future__ import annotations

from dataclasses import dataclass, replace

from kubechain.mcp.failures import ConnectFailure
from kubechain.mcp.link import Page
from kubechain.mcp.model import Flaw, Limits, Phase, ServerSpec, ToolInfo
from kubechain.net.backoff import EQUAL_JITTER, Backoff

RELIST_SECONDS = 0.2
"""Minimum interval between two listings, no matter how often a server announces changes of its tools."""

LOOK_AGAIN_SECONDS = 1.0
"""Interval between two probes of a connection that may be broken, while calls in flight keep it open."""


# -- an open connection --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Service:
    """Facts about an open connection.

    Attributes:
        failure: Why the connection has ended; None while it is open.
        is_respecified: The spec has changed since the connection was opened.
        has_changed_tools: The server has announced a change of its tools since they were last listed.
        is_suspect: An error since the last listing suggests that the connection is broken.
        is_in_doubt: The same of any error since the last listing that succeeded.
        looked_seconds_ago: Time since the tools were last listed.
        respecified_seconds_ago: Time since the spec changed.
        calls_in_flight: Number of calls that closing the connection would interrupt.
    """

    failure: ConnectFailure | None = None
    is_respecified: bool = False
    has_changed_tools: bool = False
    is_suspect: bool = False
    is_in_doubt: bool = False
    looked_seconds_ago: float = 0.0
    respecified_seconds_ago: float = 0.0
    calls_in_flight: int = 0


@dataclass(frozen=True, slots=True)
class Close:
    """Close the connection."""


@dataclass(frozen=True, slots=True)
class Look:
    """List the tools. This updates them, and probes whether the server still responds."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait for the next event, for at most `seconds`."""

    seconds: float


def in_service(service: Service, limits: Limits) -> Close | Look | Wait:
    """Decide the next step for an open connection."""
    if service.failure is not None:
        return Close()
    if service.is_respecified:
        left = limits.drain_seconds - service.respecified_seconds_ago
        return Wait(left) if service.calls_in_flight and left > 0 else Close()
    left = _due_seconds(service, limits) - service.looked_seconds_ago
    return Wait(left) if left > 0 else Look()


def _due_seconds(service: Service, limits: Limits) -> float:
    """Return how long after a listing the next one is due."""
    if service.has_changed_tools or service.is_suspect:
        return RELIST_SECONDS
    return min(LOOK_AGAIN_SECONDS, limits.probe_seconds) if service.is_in_doubt else limits.probe_seconds


def is_fatal(failure: ConnectFailure | None, *, calls_in_flight: int) -> bool:
    """Return whether a failed probe ends the connection. During a call it does not: a busy server may not reply."""
    return failure is not None and calls_in_flight == 0


# -- between two connections ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class History:
    """Consecutive failures of a server.

    Attributes:
        failure_count: Failures since the last connection that recovered (see `Limits.retry_most_seconds`).
        kind: Kind of the latest failure.
        message: Message of the first consecutive failure of this kind, so that the displayed error does not change.
    """

    failure_count: int = 0
    kind: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Pause:
    """The delay before the next attempt, with the phase and the error to display."""

    phase: Phase
    error: str
    seconds: float


def after_failure(
    history: History, failure: ConnectFailure, *, served_seconds: float, limits: Limits, chance: float
) -> tuple[History, Pause]:
    """Compute the delay before the next attempt.

    Args:
        history: The failures before this one.
        failure: The latest failure.
        served_seconds: How long the connection was READY.
        limits: Bounds of the delay.
        chance: Random number from 0 to 1, for jitter.
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
    """The pages of a list of tools that were received so far."""

    tools: tuple[ToolInfo, ...] = ()
    flaws: tuple[Flaw, ...] = ()
    cursors: frozenset[str] = frozenset()
    page_count: int = 0
    byte_count: int = 0

    def add(self, page: Page, limits: Limits) -> Listing:
        """Add a page.

        Raises:
            ConnectFailure: The list repeats a cursor or exceeds a limit.
        """
        tools, cursor = page.tools, page.cursor
        if cursor is not None and cursor in self.cursors:
            raise ConnectFailure("tools/list: the server repeats a cursor")
        grown = replace(
            self,
            tools=(*self.tools, *tools),
            flaws=(*self.flaws, *page.flaws),
            cursors=self.cursors if cursor is None else self.cursors | {cursor},
            page_count=self.page_count + 1,
            byte_count=self.byte_count + sum(map(_size, tools)),
        )
        if grown.page_count == limits.pages and cursor is not None:
            raise ConnectFailure(f"tools/list: over {limits.pages} pages")
        if len(grown.tools) + len(grown.flaws) > limits.tools:
            raise ConnectFailure(f"tools/list: over {limits.tools} tools")
        if grown.byte_count > limits.listing_bytes:
            raise ConnectFailure(f"tools/list: over {limits.listing_bytes} bytes of names, descriptions and schemas")
        return grown


def offered(listing: Listing, spec: ServerSpec) -> tuple[tuple[ToolInfo, ...], tuple[Flaw, ...]]:
    """Return the tools that agents may use, in the order of the server, and the flaws of the tools that the spec wants.

    Of tools with the same name, the first is offered.
    """
    chosen: dict[str, ToolInfo] = {}
    flaws = [flaw for flaw in listing.flaws if _is_wanted(flaw.tool, spec)]
    for tool in listing.tools:
        if not _is_wanted(tool.name, spec):
            continue
        if tool.name in chosen:
            flaws.append(Flaw(tool.name, "the server lists it twice; the first is offered"))
        chosen.setdefault(tool.name, tool)
    return tuple(chosen.values()), tuple(flaws)


def _is_wanted(name: str, spec: ServerSpec) -> bool:
    return name not in spec.exclude and (spec.include is None or name in spec.include)


def _size(tool: ToolInfo) -> int:
    return len(tool.name) + len(tool.description) + len(str(tool.input_schema))
