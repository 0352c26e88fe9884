"""What the state of a connection means for an MCPServer: pure, complete by type check."""

from __future__ import annotations

from kubechain.api.mcpserver import MCPServer
from kubechain.controllers.frame import Done
from kubechain.controllers.mcpserver import offering
from kubechain.controllers.mcpserver.observe import Observed
from kubechain.controllers.mcpserver.steps import Connect, Disconnect, Refuse, ReportTools, ReportUnconnected, Step
from kubechain.mcp.model import Phase, ServerState

FORBIDDEN_STDIO = (
    "spec.type: stdio: this manager starts no programs (--allow-stdio-servers=false); "
    "run the server elsewhere and give its url with type http"
)


def decide(observed: Observed) -> Step | Done:
    """The next step for one server."""
    if observed.is_replaced:
        return Disconnect()
    if observed.server.spec.transport_type == "stdio" and not observed.allows_stdio:
        return Refuse(FORBIDDEN_STDIO)
    if observed.spec is None:
        return Refuse(observed.trouble)
    state = observed.state
    if state is None:
        return Connect(observed.spec)
    match state.phase:
        case Phase.READY:
            return ReportTools(*offering.of(state.tools, state.flaws))
        case Phase.CONNECTING if _takes_over(observed.server, state):
            return Done()
        case Phase.CONNECTING:
            return ReportUnconnected(state.error or "Connecting")
        case Phase.BACKOFF:
            what = "Connection lost" if state.is_lost else "Cannot connect"
            return ReportUnconnected(f"{what}, trying again: {state.error}", is_failing=True, is_lost=state.is_lost)
        case Phase.FAILED:
            return ReportUnconnected(state.error, is_broken=True)


def _takes_over(server: MCPServer, state: ServerState) -> bool:
    """Whether an earlier process was connected to the server as it is specified now, and this one is not yet.

    The status stays as it is meanwhile, and so do the Agents that use the server, unless the start takes long.
    """
    is_as_specified = server.status.observed_generation == server.metadata.generation
    return server.status.connected and is_as_specified and state.connects == 0 and not state.error
