"""The data types of this package: specs, states, tools and call results. No I/O, no imports of the MCP library."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from pydantic import SecretStr

Transport = Literal["stdio", "sse", "http"]

START_SECONDS = 300.0
"""Default of `ServerSpec.start_seconds`: npx and uvx download for minutes at a slow connection."""


@dataclass(frozen=True, slots=True)
class ServerKey:
    """Identity of a server. Two namespaces may use the same name, and a deleted name may be reused.

    Attributes:
        namespace: Namespace of the MCPServer object.
        uid: Uid of the MCPServer object.
        name: Name for logs; not part of the identity.
    """

    namespace: str
    uid: str
    name: str = field(default="", compare=False)

    def __str__(self) -> str:
        """Return the form for logs: `namespace/name`."""
        return f"{self.namespace}/{self.name or self.uid}"


@dataclass(frozen=True, slots=True)
class ServerSpec:
    """How to connect to a server, with all secrets resolved.

    Attributes:
        transport: A child process (`stdio`), streamable HTTP (`http`) or the older HTTP with event streams (`sse`).
        command: Program, for stdio; looked up on the PATH of the manager.
        args: Arguments of the program; not interpreted by a shell.
        env: Environment variables, in addition to those in `environment.INHERITED`.
        url: URL, for http and sse.
        headers: Headers of each request, for http and sse.
        include: The only tools that are offered; None: all tools.
        exclude: Tools that are not offered.
        start_seconds: How long a child process may take to answer after its start; it may have to be downloaded first.
        is_bridged: Whether a program is started behind the URL for this connection, so that `start_seconds` counts.
        asks_first: Whether a person says that the server's tools do nothing before they ask; see `floor`.
        confidential: The values above that come from Secrets. They are redacted in tools and results, because some
            tools echo their configuration.
    """

    transport: Transport
    command: str = ""
    args: tuple[str, ...] = ()
    env: Mapping[str, SecretStr] = field(default_factory=dict[str, SecretStr])
    url: str = ""
    headers: Mapping[str, SecretStr] = field(default_factory=dict[str, SecretStr])
    include: tuple[str, ...] | None = None
    exclude: tuple[str, ...] = ()
    start_seconds: float = START_SECONDS
    is_bridged: bool = False
    asks_first: bool = False
    confidential: tuple[SecretStr, ...] = ()

    @property
    def starts_program(self) -> bool:
        """Whether a connection starts a program, which may have to be downloaded first."""
        return self.transport == "stdio" or self.is_bridged

    def fingerprint(self) -> str:
        """Return a digest of all fields except `confidential`, secret values included."""
        parts = (
            self.transport,
            self.command,
            self.args,
            sorted((name, value.get_secret_value()) for name, value in self.env.items()),
            self.url,
            sorted((name, value.get_secret_value()) for name, value in self.headers.items()),
            self.include,
            self.exclude,
            self.start_seconds,
            self.is_bridged,
            self.asks_first,
        )
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def secrets(self) -> tuple[SecretStr, ...]:
        """Return all values that must not appear in a status or a log, whether or not they come from Secrets."""
        return (*self.env.values(), *self.headers.values())


@dataclass(frozen=True, slots=True)
class ToolInfo:
    """A tool as the server describes it.

    Attributes:
        read_only: The server claims that the tool changes nothing. Untrusted.
        idempotent: The server claims that repeating a call is safe. Untrusted.
    """

    name: str
    description: str
    input_schema: dict[str, Any]
    read_only: bool = False
    idempotent: bool = False


@dataclass(frozen=True, slots=True)
class Flaw:
    """What is wrong with a tool of a server, as far as people should know.

    Attributes:
        tool: Name of the tool, or `#` and its number when it has none. Not for a terminal as it is.
        what: What is wrong.
        is_left_out: Whether the tool is not offered; otherwise the flaw was repaired or ignored.
    """

    tool: str
    what: str
    is_left_out: bool = False


class Phase(StrEnum):
    """Phase of a connection."""

    CONNECTING = "Connecting"
    READY = "Ready"
    BACKOFF = "Backoff"
    """The connection failed or ended; the next attempt follows within seconds."""
    FAILED = "Failed"
    """Fails until the spec is changed or the server is repaired; retried every few minutes."""


@dataclass(frozen=True, slots=True)
class ServerState:
    """Current state of a connection.

    Attributes:
        tools: Tools of the server after `include` and `exclude`; empty unless READY.
        flaws: What is wrong with tools of the server; empty unless READY.
        error: Why the connection is not READY; short, the same for each attempt that fails in the same way, without
            secrets. While CONNECTING, how far a slow start has come.
        connects: How many times the connection became READY.
        is_lost: Whether the connection that is not READY was READY before, with the spec that it has now.
        retry_in_seconds: Delay from the start of this phase to the next attempt; None when no attempt is scheduled.
        is_suspect: Whether an error suggests that the connection, which is READY, is broken. A probe is under way.
    """

    phase: Phase
    tools: tuple[ToolInfo, ...] = ()
    flaws: tuple[Flaw, ...] = ()
    error: str = ""
    connects: int = 0
    is_lost: bool = False
    retry_in_seconds: float | None = None
    is_suspect: bool = False


@dataclass(frozen=True, slots=True)
class CallResult:
    """Result of a tool call, as text for the model.

    Attributes:
        content: Joined text blocks, descriptions of other blocks, and without text blocks the structured content as
            JSON.
        is_error: The tool reported an error. The call itself succeeded.
    """

    content: str
    is_error: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits that prevent one server from harming the manager or other servers.

    Attributes:
        children: Maximum number of child processes per manager; each needs 30 to 100 MB.
        connect_seconds: Timeout of an attempt to connect over HTTP, from its start until the tools are listed; for a
            child process, `ServerSpec.start_seconds` is.
        progress_seconds: After how long a child process that has not answered is told of for the first time; then again
            whenever this time has doubled.
        probe_seconds: Interval between two probes of an idle connection.
        probe_timeout_seconds: Timeout of a probe, and of every request for the list of tools.
        drain_seconds: How long calls in flight may continue after the spec has changed.
        stop_grace_seconds: How long a child may take to exit after its stdin is closed, and again after SIGTERM.
        retry_first_seconds: Delay after the first failure; doubles with each further failure.
        retry_most_seconds: Maximum delay. A connection that was READY for this long resets the delay.
        retry_failed_seconds: Delay after a permanent failure.
        message_bytes: Maximum size of one message: a line of stdout, an HTTP body or an event.
        noise_bytes: Maximum output of a child between two messages that is not a message.
        pages: Maximum number of pages in a list of tools.
        tools: Maximum number of tools per server.
        listing_bytes: Maximum total size of the names, descriptions and schemas of a server's tools.
    """

    children: int = 32
    connect_seconds: float = 30.0
    progress_seconds: float = 5.0
    probe_seconds: float = 30.0
    probe_timeout_seconds: float = 10.0
    drain_seconds: float = 30.0
    stop_grace_seconds: float = 2.0
    retry_first_seconds: float = 0.2
    retry_most_seconds: float = 30.0
    retry_failed_seconds: float = 300.0
    message_bytes: int = 4 * 1024 * 1024
    noise_bytes: int = 1024 * 1024
    pages: int = 50
    tools: int = 1024
    listing_bytes: int = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Statistics:
    """Counters of a manager.

    Attributes:
        servers: Number of servers by phase.
        children: Number of child processes, including those that are stopping.
        calls_in_flight: Number of calls in flight on all connections.
        connects: How many times any connection became READY.
    """

    servers: Mapping[Phase, int]
    children: int
    calls_in_flight: int
    connects: int
