"""What the state of a connection means for an MCPServer: pure, complete by type check."""

from __future__ import annotations

from dataclasses import dataclass

from kubechain.api.mcpserver import MCPServer
from kubechain.controllers.mcpserver.observe import Observed
from kubechain.mcp.model import Phase, ServerState, ToolInfo


@dataclass(frozen=True, slots=True)
class Refuse:
    """The spec cannot work as long as neither it nor a Secret changes."""

    detail: str


@dataclass(frozen=True, slots=True)
class Rest:
    """This process is just getting the connection that another one had: nothing is known that people should read."""


@dataclass(frozen=True, slots=True)
class Connect:
    """On the way, for the first time or again."""

    detail: str
    is_broken: bool


@dataclass(frozen=True, slots=True)
class Serve:
    """Connected, and this is what it offers."""

    tools: tuple[ToolInfo, ...]


Step = Refuse | Rest | Connect | Serve

UNSUPPORTED_APPROVAL = "spec.approvalContactChannel: this release cannot ask people for approval; remove it to go on"
"""Never run unapproved what somebody wants approved."""


def decide(observed: Observed) -> Step:
    """The next step for one server."""
    if observed.server.spec.approval_contact_channel is not None:
        return Refuse(UNSUPPORTED_APPROVAL)
    state = observed.state
    if state is None:
        return Refuse(observed.trouble)
    match state.phase:
        case Phase.READY:
            return Serve(state.tools)
        case Phase.CONNECTING if _takes_over(observed.server, state):
            return Rest()
        case Phase.CONNECTING:
            return Connect("Connecting", is_broken=False)
        case Phase.BACKOFF:
            return Connect(f"Connection lost, trying again: {state.error}", is_broken=False)
        case Phase.FAILED:
            return Connect(state.error, is_broken=True)


def _takes_over(server: MCPServer, state: ServerState) -> bool:
    """Whether the server was connected to, as it is specified now, by whoever was the manager before this process.

    Its Agents stay ready meanwhile: a restart of the manager is nothing that they should tell anybody about.
    """
    is_as_specified = server.status.observed_generation == server.metadata.generation
    return server.status.connected and is_as_specified and state.connects == 0
