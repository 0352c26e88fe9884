"""The plain values that go in and out of this package: what a server is, what it offers, how it is.

No I/O, no MCP library.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from pydantic import SecretStr

Transport = Literal["stdio", "sse", "http"]


@dataclass(frozen=True, slots=True)
class ServerKey:
    """Which server: two tenants may use one name, and one name may be deleted and made anew.

    Attributes:
        namespace: Of the MCPServer object.
        uid: Of the MCPServer object.
        name: For people only; no part of the identity.
    """

    namespace: str
    uid: str
    name: str = field(default="", compare=False)

    def __str__(self) -> str:
        """How logs show it."""
        return f"{self.namespace}/{self.name or self.uid}"


@dataclass(frozen=True, slots=True)
class ServerSpec:
    """How to reach a server, with every secret resolved.

    Attributes:
        transport: A child process (`stdio`), streamable HTTP (`http`) or the older HTTP with events (`sse`).
        command: Program, for stdio; looked up on the manager's own PATH.
        args: Its arguments; no shell is involved.
        env: Its variables, on top of a short list of the manager's own.
        url: Address, for http and sse.
        headers: That go with each request, for http and sse.
        include: Only these tools are offered; None: all of them.
        exclude: These tools are not offered.
        confidential: Those of the values above that come from Secrets: some tools repeat what they were given.
    """

    transport: Transport
    command: str = ""
    args: tuple[str, ...] = ()
    env: Mapping[str, SecretStr] = field(default_factory=dict[str, SecretStr])
    url: str = ""
    headers: Mapping[str, SecretStr] = field(default_factory=dict[str, SecretStr])
    include: tuple[str, ...] | None = None
    exclude: tuple[str, ...] = ()
    confidential: tuple[SecretStr, ...] = ()

    def fingerprint(self) -> str:
        """A digest of everything, secret values included; equal specs have equal fingerprints."""
        parts = (
            self.transport,
            self.command,
            self.args,
            sorted((name, value.get_secret_value()) for name, value in self.env.items()),
            self.url,
            sorted((name, value.get_secret_value()) for name, value in self.headers.items()),
            self.include,
            self.exclude,
        )
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def secrets(self) -> tuple[SecretStr, ...]:
        """The values that must never be shown in a status or a log, wherever they come from."""
        return (*self.env.values(), *self.headers.values())


@dataclass(frozen=True, slots=True)
class ToolInfo:
    """A tool that a server offers, in the server's own words.

    Attributes:
        read_only: The server says that it changes nothing. Untrusted.
        idempotent: The server says that it may be repeated. Untrusted.
    """

    name: str
    description: str
    input_schema: dict[str, Any]
    read_only: bool = False
    idempotent: bool = False


class Phase(StrEnum):
    """Where a connection stands."""

    CONNECTING = "Connecting"
    READY = "Ready"
    BACKOFF = "Backoff"
    """Lost or not reached; will be tried again within seconds."""
    FAILED = "Failed"
    """Cannot work until the spec changes or the server is repaired; tried again every few minutes."""


@dataclass(frozen=True, slots=True)
class ServerState:
    """How a connection stands now.

    Attributes:
        tools: What the server offers, after include and exclude; empty unless READY.
        error: Why it is not READY; short, the same for each try of the same failure, without secrets.
        connects: How many times it became READY since it was first ensured.
        retry_in_seconds: The pause before the next try, as decided when this phase began; None when none is planned.
    """

    phase: Phase
    tools: tuple[ToolInfo, ...] = ()
    error: str = ""
    connects: int = 0
    retry_in_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class CallResult:
    """What a tool answered, as text for the model.

    Attributes:
        content: Text blocks joined; other blocks described; structured content as JSON where there is no text.
        is_error: The tool says that it failed: an answer like any other.
    """

    content: str
    is_error: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds that keep one server from harming the manager or its neighbours.

    Attributes:
        children: Child processes per manager; each takes 30 to 100 MB of its own.
        connect_seconds: From the start of a try to the list of tools.
        probe_seconds: Between two looks at an idle connection.
        probe_timeout_seconds: For the answer to such a look, and for any listing of tools.
        drain_seconds: How long calls in flight may go on over a connection whose spec has changed.
        stop_grace_seconds: For a child to end by itself after its input closed, and again after SIGTERM.
        retry_first_seconds: First pause after a failure; doubles each time.
        retry_most_seconds: Longest such pause; also how long a connection must last to count as recovered.
        retry_failed_seconds: Pause after a failure that only a change can repair.
        message_bytes: One message of a server: a line of a child's output, a body or an event over HTTP.
        noise_bytes: Output of a child that is no message, between two messages.
        pages: Of one listing of tools.
        tools: That one server may offer.
        listing_bytes: Names, descriptions and schemas of one server's tools together.
    """

    children: int = 32
    connect_seconds: float = 30.0
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
    """What a manager holds at the moment.

    Attributes:
        servers: By phase.
        children: Child processes, those that are just ending included.
        calls_in_flight: Over all connections.
        connects: Times that any connection became READY.
    """

    servers: Mapping[Phase, int]
    children: int
    calls_in_flight: int
    connects: int
