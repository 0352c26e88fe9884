"""Registers the control loop of Tools."""

from __future__ import annotations

from kubechain.api import reasons
from kubechain.api.tool import Tool
from kubechain.controllers import resources
from kubechain.controllers.parts import Parts
from kubechain.controllers.secrets import SECRETS
from kubechain.controllers.tool import watches
from kubechain.controllers.tool.observe import Observer
from kubechain.controllers.tool.reconciler import ToolReconciler
from kubechain.runtime.controller import controller
from kubechain.runtime.manager import Manager
from kubechain.runtime.resource import metadata_only


def setup(manager: Manager, parts: Parts) -> None:
    """Follow Tools, and the Secrets and Agents that they refer to."""
    tools, agents = manager.lister(resources.TOOLS), manager.lister(resources.AGENTS)

    def secret_index(tool: Tool) -> list[str]:
        return [f"{tool.metadata.namespace}/{key.name}" for key in parts.tool_kinds.secret_keys(tool)]

    manager.add_index(resources.TOOLS, watches.BY_KEY_SOURCE, secret_index)
    manager.add_index(resources.TOOLS, watches.BY_AGENT, watches.agent_index)
    reconciler = ToolReconciler(
        tools=tools,
        observer=Observer(kinds=parts.tool_kinds, agents=agents, secrets=parts.secrets),
        writer=parts.writer(resources.TOOLS, reasons.TOOL_CONTROLLER),
        clock=manager.clock,
    )
    (
        controller(manager, "tool")
        .for_(resources.TOOLS)
        .watches(metadata_only(SECRETS), map=lambda secret: watches.tool_requests_for_secret(tools, secret.metadata))
        .triggered_by(parts.secrets.changed, map=lambda secret: watches.tool_requests_for_secret(tools, secret))
        .watches(resources.AGENTS, map=lambda agent: watches.tool_requests_for_agent(tools, agent))
        .complete(reconciler)
    )
