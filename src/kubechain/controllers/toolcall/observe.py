"""A tool call, the run that it belongs to, and what stands behind the name that the model used."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from kubechain.api.mcpserver import MCPServer
from kubechain.api.taskrun import PinnedTool, TaskRun
from kubechain.api.taskruntoolcall import TaskRunToolCall
from kubechain.api.tool import Tool
from kubechain.controllers.offers import Found


@dataclass(frozen=True, slots=True)
class Observed:
    """All that is known about a call before anything is decided.

    Attributes:
        run: None when it is gone, or when another one has its name.
        pinned: What the name stood for when the run began; None when it was never offered.
        found: What it stands for now; None when it was never offered.
        tool: The Tool behind it, where there is one.
        server: The MCPServer behind it, where there is one.
        is_connected: Whether this process has a working connection to the server.
        child: The run that another agent does for this call, once it exists.
        depth: How many runs delegated down to the call's own run; 0 for a run that a person or a Task started.
        holder_gone_in_seconds: For a claim found in the status: 0 when nobody works on it any more, else how long to
            wait before asking again.
    """

    call: TaskRunToolCall
    run: TaskRun | None
    now: datetime
    pinned: PinnedTool | None = None
    found: Found | None = None
    tool: Tool | None = None
    server: MCPServer | None = None
    is_connected: bool = False
    child: TaskRun | None = None
    depth: int = 0
    holder_gone_in_seconds: float = 0.0

    @property
    def is_awaited(self) -> bool:
        """Whether the run has not been answered yet: until then the call's object must stay."""
        run = self.run
        if run is None or run.metadata.deletion_timestamp is not None or run.status.completion_time is not None:
            return False
        return any(pending.tool_call_id == self.call.spec.tool_call_id for pending in run.status.pending_turn)
