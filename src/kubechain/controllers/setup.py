"""Registers the control loops of all kinds with a manager. What must not go here: decisions."""

from __future__ import annotations

from kubechain.controllers import gauges, resources
from kubechain.controllers import parts as shared
from kubechain.controllers.agent.setup import setup as setup_agent
from kubechain.controllers.approvalpolicy.setup import setup as setup_approval_policy
from kubechain.controllers.budget.setup import setup as setup_budget
from kubechain.controllers.contactchannel.setup import setup as setup_contact_channel
from kubechain.controllers.humanrequest.setup import setup as setup_human_request
from kubechain.controllers.llm.setup import setup as setup_llm
from kubechain.controllers.mcpserver.setup import setup as setup_mcp_server
from kubechain.controllers.parts import BRIDGE_URL, DEFAULT_MAX_CONCURRENT_RUNS, Clients, Isolation, Settings
from kubechain.controllers.task.setup import setup as setup_task
from kubechain.controllers.taskrun.setup import setup as setup_task_run
from kubechain.controllers.tool.setup import setup as setup_tool
from kubechain.controllers.toolcall.setup import setup as setup_tool_call
from kubechain.runtime.manager import Manager

__all__ = ["BRIDGE_URL", "DEFAULT_MAX_CONCURRENT_RUNS", "Clients", "Isolation", "Settings", "add_controllers"]

SETUPS = (
    setup_llm,
    setup_tool,
    setup_mcp_server,
    setup_contact_channel,
    setup_agent,
    setup_task,
    setup_task_run,
    setup_tool_call,
    setup_human_request,
    setup_approval_policy,
    setup_budget,
)


def add_controllers(manager: Manager, *, clients: Clients, settings: Settings | None = None) -> None:
    """Build every control loop and add it to the manager, before the manager starts."""
    parts = shared.build(manager, clients=clients, settings=settings or Settings())
    for setup in SETUPS:
        setup(manager, parts)
    _follow_gauges(manager, parts)


def _follow_gauges(manager: Manager, parts: shared.Parts) -> None:
    bounded = parts.meter.bounded
    cached = gauges.CacheGauges(bounded, manager.clock)
    manager.informer(resources.TASK_RUNS).add_handler(cached.run_changed)
    manager.informer(resources.HUMAN_REQUESTS).add_handler(cached.request_changed)
    for source in (
        cached.collect,
        gauges.circuits(manager.lister(resources.LLMS), bounded),
        gauges.budgets(parts.budget_book, bounded),
        gauges.connections(lambda: parts.connections.statistics().servers, bounded),
    ):
        manager.metrics.follow(source)
