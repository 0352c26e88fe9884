"""Tool's control loop."""

from __future__ import annotations

from kubechain.api.agent import Agent
from kubechain.api.tool import Tool
from kubechain.controllers.frame import StatusWriter
from kubechain.controllers.resources import TOOLS
from kubechain.controllers.secrets import SecretReader
from kubechain.controllers.tool.decide import decide
from kubechain.controllers.tool.observe import Check, Observed, secret_names
from kubechain.controllers.tool.settle import settle
from kubechain.runtime.clock import Clock
from kubechain.runtime.controller import Result
from kubechain.runtime.keys import Request
from kubechain.runtime.metadata import Metadata
from kubechain.runtime.store import Lister

EQUIPMENT_RECHECK_SECONDS = 300.0
"""What a Tool lacks on this machine (a container engine, say) may come without any watch telling."""


class ToolReconciler:
    """Keeps every Tool's status true; it calls none."""

    def __init__(
        self,
        *,
        tools: Lister[Tool],
        agents: Lister[Agent],
        secrets: SecretReader,
        check: Check,
        writer: StatusWriter,
        clock: Clock,
    ) -> None:
        self._tools = tools
        self._agents = agents
        self._secrets = secrets
        self._check = check
        self._writer = writer
        self._clock = clock

    async def reconcile(self, request: Request) -> Result:
        """Bring one Tool's status up to date."""
        tool = self._tools.get(request.namespace, request.name)
        if tool is None or tool.metadata.deletion_timestamp is not None:
            return Result()
        observed = await self._observe(tool)
        await self._writer.write(TOOLS, tool, settle(tool, decide(observed), self._clock.now()))
        return Result(EQUIPMENT_RECHECK_SECONDS if observed.trouble else None)

    async def _observe(self, tool: Tool) -> Observed:
        namespace, reference = tool.metadata.namespace, tool.spec.agent_ref
        missing = (name for name in secret_names(tool) if self._secrets.version(namespace, name) is None)
        return Observed(
            tool=tool,
            agent=self._agents.get(namespace, reference.name) if reference else None,
            missing_secrets=tuple(missing),
            trouble=await self._check(tool),
        )


BY_KEY_SOURCE = "key-source"
BY_AGENT = "agent"


def secret_index(tool: Tool) -> list[str]:
    """Index of Tools by the Secrets that they refer to."""
    return [f"{tool.metadata.namespace}/{name}" for name in secret_names(tool)]


def agent_index(tool: Tool) -> list[str]:
    """Index of Tools by the Agent that they delegate to."""
    return [f"{tool.metadata.namespace}/{tool.spec.agent_ref.name}"] if tool.spec.agent_ref else []


def tool_requests_for_secret(tools: Lister[Tool], secret: Metadata) -> list[Request]:
    """The Tools that a change of a Secret concerns."""
    return _requests(tools.by_index(BY_KEY_SOURCE, f"{secret.namespace}/{secret.name}"))


def tool_requests_for_agent(tools: Lister[Tool], agent: Agent) -> list[Request]:
    """The Tools that delegate to an Agent."""
    return _requests(tools.by_index(BY_AGENT, f"{agent.metadata.namespace}/{agent.metadata.name}"))


def _requests(tools: list[Tool]) -> list[Request]:
    return [Request(tool.metadata.namespace, tool.metadata.name) for tool in tools]
