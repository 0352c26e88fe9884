"""How the runtime addresses, decodes and encodes each kind of `kubechain.api`."""

from __future__ import annotations

from typing import Any, TypeVar

from kubechain.api import kinds
from kubechain.api.meta import StatusObject
from kubechain.runtime.resource import Resource

T = TypeVar("T", bound="StatusObject[Any, Any]")


def resource_of(kind: kinds.Kind[T]) -> Resource[T]:
    """The runtime's view of one of our kinds."""
    return Resource(
        group=kind.group,
        version=kind.version,
        kind=kind.kind,
        plural=kind.plural,
        decode=kind.model.from_wire,
        encode=kind.model.to_json,
        is_frozen=True,
    )


LLMS = resource_of(kinds.LLM_KIND)
AGENTS = resource_of(kinds.AGENT_KIND)
TASKS = resource_of(kinds.TASK_KIND)
TASK_RUNS = resource_of(kinds.TASK_RUN_KIND)
TOOLS = resource_of(kinds.TOOL_KIND)
TOOL_CALLS = resource_of(kinds.TASK_RUN_TOOL_CALL_KIND)
MCP_SERVERS = resource_of(kinds.MCP_SERVER_KIND)
HUMAN_REQUESTS = resource_of(kinds.HUMAN_REQUEST_KIND)
APPROVAL_POLICIES = resource_of(kinds.APPROVAL_POLICY_KIND)
CONTACT_CHANNELS = resource_of(kinds.CONTACT_CHANNEL_KIND)
BUDGETS = resource_of(kinds.BUDGET_KIND)
CONTEXT_CHUNKS = resource_of(kinds.CONTEXT_CHUNK_KIND)
