"""Which servers in Pods are used: by the tool calls that there are, so that a restart forgets no use that goes on.

A server that no call has needed for `idleAfterSeconds` sleeps: its Deployment has no Pod. A call that needs it wakes
it. A call that waits for a person does not need it yet.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from kubechain.api import names
from kubechain.api.mcpserver import MCPServer
from kubechain.api.taskruntoolcall import TaskRunToolCall, ToolCallPhase
from kubechain.runtime.clock import Clock
from kubechain.runtime.keys import Request
from kubechain.runtime.store import Lister

SERVERS_BY_TOOL = "sleepy-servers-by-tool"
CALLS_BY_TOOL = "needy-calls-by-tool"

NEEDS_SERVER = frozenset(
    {None, ToolCallPhase.PENDING, ToolCallPhase.READY_TO_EXECUTE_APPROVED_TOOL, ToolCallPhase.RUNNING}
)


def tools_of(server: MCPServer) -> list[str]:
    """Index of servers that may sleep, by the names of their tools as calls have them, with their namespace."""
    if server.spec.idle_after_seconds is None:
        return []
    return [_key(server.metadata.namespace, _offered(server, tool.name)) for tool in server.status.tools]


def tool_of_call(call: TaskRunToolCall) -> list[str]:
    """Index of calls that need their server now, by the name of the tool, with their namespace."""
    needs_it = call.status.completion_time is None and (call.status.phase or None) in NEEDS_SERVER
    return [_key(call.metadata.namespace, call.spec.tool_ref.name)] if needs_it else []


def server_requests_for_call(servers: Lister[MCPServer], call: TaskRunToolCall) -> Iterable[Request]:
    """The servers that may sleep and have the tool of a call."""
    found = servers.by_index(SERVERS_BY_TOOL, _key(call.metadata.namespace, call.spec.tool_ref.name))
    return [Request(server.metadata.namespace, server.metadata.name) for server in found]


@dataclass(slots=True)
class Usage:
    """When servers were used last, as far as this process knows: one that it has just seen counts as used."""

    calls: Lister[TaskRunToolCall]
    clock: Clock
    _used_at: dict[str, float] = field(default_factory=dict[str, float], init=False)

    def is_wanted(self, server: MCPServer) -> bool:
        """Whether a call needs the server now."""
        return any(self.calls.by_index(CALLS_BY_TOOL, key) for key in tools_of(server))

    def idle_seconds(self, server: MCPServer) -> float:
        """For how long no call has needed the server."""
        now = self.clock.monotonic()
        if self.is_wanted(server):
            self._used_at[server.metadata.uid] = now
        return now - self._used_at.setdefault(server.metadata.uid, now)

    def forget(self, uid: str) -> None:
        """Begin anew: the server has just been put to sleep or woken."""
        self._used_at.pop(uid, None)


def _offered(server: MCPServer, tool: str) -> str:
    return names.mcp_tool_name(server.metadata.name, tool)


def _key(namespace: str, tool: str) -> str:
    return f"{namespace}/{tool}"
