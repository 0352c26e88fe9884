"""What the state of a connection means for an MCPServer: pure, complete by type check."""

from __future__ import annotations

from kubechain.api.mcpserver import MCPServer
from kubechain.api.meta import StatusType
from kubechain.controllers.frame import Done
from kubechain.controllers.mcpserver import offering
from kubechain.controllers.mcpserver.observe import InPod, Observed
from kubechain.controllers.mcpserver.steps import (
    AwaitPod,
    Connect,
    Disconnect,
    Host,
    MakeToken,
    PodStep,
    Refuse,
    ReportAsleep,
    ReportTools,
    ReportUnconnected,
    Scale,
    Step,
    Withdraw,
)
from kubechain.mcp.model import Phase, ServerSpec, ServerState

FORBIDDEN_STDIO = (
    "spec.type: stdio: this manager starts no programs (--allow-stdio-servers=false); "
    "set spec.isolation: Pod, or run the server elsewhere and give its url with type http"
)
NO_PODS = (
    "spec.isolation: Pod: this manager runs no servers in Pods of their own (--isolate-servers); "
    "config/isolation gives it the flag and the rights"
)


def decide(observed: Observed) -> Step | Done:
    """The next step for one server."""
    if observed.is_replaced:
        return Disconnect()
    if refusal := _forbidden(observed):
        return Refuse(refusal)
    if observed.trouble:
        return Refuse(observed.trouble, observed.look_again_seconds)
    if observed.left_over:
        return Withdraw(observed.left_over)
    if observed.pod is not None and (step := _of_pod(observed.pod, observed.state, observed.server)):
        return step
    if observed.spec is None:
        return Done()
    return _of_connection(observed, observed.spec)


def _forbidden(observed: Observed) -> str:
    """Why this manager does not run the server as it is specified; empty if it does."""
    spec = observed.server.spec
    if spec.is_in_pod:
        return "" if observed.hosts_pods else NO_PODS
    return FORBIDDEN_STDIO if spec.transport_type == "stdio" and not observed.allows_stdio else ""


def _of_pod(pod: InPod, state: ServerState | None, server: MCPServer) -> PodStep | None:
    """What the Pod of a server needs before there is anything to connect to; None if nothing.

    A connection that works counts more than a Pod that is said not to be ready.
    """
    if not pod.has_token:
        return MakeToken()
    if pod.outdated:
        return Host(pod.outdated)
    if pod.is_asleep:
        may_sleep = pod.sleeps_in_seconds is not None and not pod.is_wanted and _can_be_woken(server)
        return ReportAsleep() if may_sleep else Scale(1)
    is_connected = state is not None and state.phase == Phase.READY
    is_recorded = server.status.connected and _can_be_woken(server)
    if is_connected and is_recorded and pod.sleeps_in_seconds == 0 and not pod.is_wanted:
        return Scale(0)
    if pod.is_ready or is_connected:
        return None
    return AwaitPod(pod.trouble, is_waking=_can_be_woken(server))


def _can_be_woken(server: MCPServer) -> bool:
    """Whether the server may sleep and its tools, as it is specified now, are recorded: its users wait for it."""
    is_as_specified = server.status.observed_generation == server.metadata.generation
    may_sleep = server.spec.idle_after_seconds is not None
    return may_sleep and is_as_specified and server.status.status == StatusType.READY


def _of_connection(observed: Observed, spec: ServerSpec) -> Step | Done:
    state = observed.state
    if state is None:
        return Connect(spec)
    match state.phase:
        case Phase.READY:
            again = observed.pod.sleeps_in_seconds if observed.pod is not None else None
            return ReportTools(*offering.of(state.tools, state.flaws), look_again_seconds=again)
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
    has_users = server.status.connected or _can_be_woken(server)
    return has_users and is_as_specified and state.connects == 0 and not state.error
