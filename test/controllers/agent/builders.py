"""Agents, and what stands around them."""

from __future__ import annotations

from kubechain.api.context import AgentContext, Summariser
from kubechain.api.references import LocalObjectReference
from kubechain.controllers.agent.observe import Readers
from test.controllers.builders import Shelf, an_agent, an_llm
from test.controllers.toolkinds.builders import all_tool_kinds


def readers(**shelves: Shelf) -> Readers:
    found = {name: shelves.get(name, Shelf()) for name in ("tools", "mcp_servers", "contact_channels", "agents")}
    kinds = all_tool_kinds(found["tools"], found["mcp_servers"], found["agents"])
    return Readers(llms=shelves.get("llms", Shelf(an_llm())), kinds=kinds, **found)


NEW = an_agent(status=None)
DELEGATING = an_agent(status=None, sub_agents=(LocalObjectReference(name="scout"),))
SUMMARISING = an_agent(
    status=None, context=AgentContext(summariser=Summariser(llm_ref=LocalObjectReference(name="mini")))
)
