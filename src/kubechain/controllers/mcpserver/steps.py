"""What an MCPServer's control loop does next: one frozen value for each step."""

from __future__ import annotations

from dataclasses import dataclass

from kubechain.mcp.model import ServerSpec, ToolInfo


@dataclass(frozen=True, slots=True)
class Refuse:
    """Disconnect: the spec cannot work until it or a Secret changes."""

    detail: str


@dataclass(frozen=True, slots=True)
class Disconnect:
    """Close the connection to an earlier server of the same name, before the secrets of this one are read."""


@dataclass(frozen=True, slots=True)
class Connect:
    """Connect the server as it is specified."""

    spec: ServerSpec


@dataclass(frozen=True, slots=True)
class ReportUnconnected:
    """The connection is not usable now.

    Attributes:
        is_broken: Whether it failed, so that somebody may have to act.
    """

    detail: str
    is_broken: bool


@dataclass(frozen=True, slots=True)
class ReportTools:
    """The server is connected and offers these tools."""

    tools: tuple[ToolInfo, ...]


Step = Refuse | Disconnect | Connect | ReportUnconnected | ReportTools
