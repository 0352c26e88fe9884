"""A Tool and what it refers to."""

from __future__ import annotations

from dataclasses import dataclass

from kubechain.api.agent import Agent
from kubechain.api.tool import Tool
from kubechain.controllers.secrets import SecretReader, SecretUnavailable
from kubechain.controllers.toolkinds.model import NOT_KNOWN
from kubechain.controllers.toolkinds.registry import ToolKinds
from kubechain.runtime.store import Lister
from kubechain.tools.arguments import check_schema
from kubechain.tools.model import NotExecuted
from kubechain.tools.parameters import check_callable


@dataclass(frozen=True, slots=True)
class Observed:
    """All that a decision about a Tool depends on.

    Attributes:
        agent: The Agent that it delegates to, if it does and the Agent exists.
        missing_secret: What is missing of the Secrets that it refers to; empty for nothing.
        look_again_seconds: When to look for it again; None where a watch tells of it.
        trouble: Why it cannot be carried out by this process; empty when it can.
    """

    tool: Tool
    agent: Agent | None = None
    missing_secret: str = ""
    look_again_seconds: float | None = None
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Observer:
    """Reads what a decision about a Tool needs; calls nothing that the Tool names."""

    kinds: ToolKinds
    agents: Lister[Agent]
    secrets: SecretReader

    async def observe(self, tool: Tool) -> Observed:
        """Read everything, change nothing."""
        namespace, reference = tool.metadata.namespace, tool.spec.agent_ref
        missing = await self._missing_secret(tool)
        return Observed(
            tool=tool,
            agent=self.agents.get(namespace, reference.name) if reference else None,
            missing_secret=str(missing) if missing else "",
            look_again_seconds=missing.look_again_seconds if missing else None,
            trouble=await self._trouble(tool),
        )

    async def _missing_secret(self, tool: Tool) -> SecretUnavailable | None:
        try:
            for key in self.kinds.secret_keys(tool):
                await self.secrets.value(tool.metadata.namespace, key.name, key.key)
        except SecretUnavailable as error:
            return error
        return None

    async def _trouble(self, tool: Tool) -> str:
        handlers = self.kinds.handlers(tool)
        if not handlers:
            return f"what the Tool does is {NOT_KNOWN}"
        try:
            check_schema(tool.input_schema)
            check_callable(tool.input_schema)
            for handler in handlers:
                await handler.check(tool)
        except NotExecuted as error:
            return str(error)
        return ""
