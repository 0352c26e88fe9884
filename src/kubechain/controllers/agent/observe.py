"""An Agent and everything that it refers to."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from kubechain.api.agent import Agent
from kubechain.api.llm import LLM
from kubechain.api.meta import StatusObject, StatusType
from kubechain.controllers.toolkinds.agent import AgentReader
from kubechain.controllers.toolkinds.registry import ToolKinds, doubled_names


class Reader(Protocol):
    """Reads objects of one kind."""

    def get(self, namespace: str, name: str) -> StatusObject[Any, Any] | None:
        """The object of that name, None when there is none."""
        ...


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """An object of another kind that has the name of a missing one, and the field where it is to be listed."""

    kind: str
    field: str


@dataclass(frozen=True, slots=True)
class Dependency:
    """One reference of an Agent and the object that it names.

    Attributes:
        kind: `LLM`, `Tool`, …
        found: None when there is no such object.
        belongs: Where an object of that name and another kind is to be listed; None when there is no such object.
        has_substitute: Whether another object is used in its place while it is not ready.
    """

    kind: str
    name: str
    found: StatusObject[Any, Any] | None
    belongs: Elsewhere | None = None
    has_substitute: bool = False

    @property
    def is_ready(self) -> bool:
        """Whether the Agent can use it now, or what is used in its place."""
        return self.found is not None and (self.found.status.status == StatusType.READY or self.has_substitute)

    @property
    def is_broken(self) -> bool:
        """Whether waiting alone will not help."""
        return not self.is_ready and (self.found is None or self.found.status.status == StatusType.ERROR)


@dataclass(frozen=True, slots=True)
class Observed:
    """An Agent with its dependencies in the order of its spec.

    Attributes:
        cycle: Names of Agents that delegate to each other in a cycle, from this one back to it; empty for none.
        doubled: Names that two of its tools would share.
    """

    agent: Agent
    dependencies: tuple[Dependency, ...]
    cycle: tuple[str, ...] = ()
    doubled: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Readers:
    """Where each kind of dependency is read, and what the Agent's model would be offered of it."""

    llms: Reader
    tools: Reader
    mcp_servers: Reader
    contact_channels: Reader
    agents: AgentReader
    kinds: ToolKinds


def observe(agent: Agent, readers: Readers) -> Observed:
    """Gather the dependencies of `agent` from the caches."""
    return Observed(
        agent=agent,
        dependencies=tuple(_dependencies(agent, readers)),
        cycle=_cycle(agent, readers),
        doubled=tuple(doubled_names(readers.kinds.offers_of(agent))),
    )


def _cycle(agent: Agent, readers: Readers) -> tuple[str, ...]:
    """The shortest chain of delegations from the Agent back to itself; empty for none."""
    start, seen = agent.metadata.name, set[str]()
    chains: deque[tuple[str, ...]] = deque([(start,)])
    while chains:
        chain = chains.popleft()
        for name in _delegates(agent.metadata.namespace, chain[-1], readers):
            if name == start:
                return (*chain, name)
            if name not in seen:
                seen.add(name)
                chains.append((*chain, name))
    return ()


def _delegates(namespace: str, name: str, readers: Readers) -> list[str]:
    agent = readers.agents.get(namespace, name)
    return [] if agent is None else [offer.delegate for offer in readers.kinds.offers_of(agent) if offer.delegate]


def _dependencies(agent: Agent, readers: Readers) -> Iterable[Dependency]:
    spec = agent.spec
    references = (
        ("LLM", readers.llms, agent.llm_refs),
        ("Tool", readers.tools, spec.tools),
        ("MCPServer", readers.mcp_servers, spec.mcp_servers),
        ("ContactChannel", readers.contact_channels, spec.human_contact_channels),
        ("Agent", readers.agents, spec.sub_agents),
    )
    namespace = agent.metadata.namespace
    for kind, reader, named in references:
        for reference in named:
            found = reader.get(namespace, reference.name)
            yield Dependency(
                kind,
                reference.name,
                found,
                None if found else _elsewhere(namespace, reference.name, readers),
                has_substitute=isinstance(found, LLM) and _has_ready_fallback(found, readers),
            )


def _has_ready_fallback(llm: LLM, readers: Readers) -> bool:
    """Whether runs can call another LLM while this one is not ready. One that was not looked at yet soon is."""
    if llm.status.status is None:
        return False
    named = (readers.llms.get(llm.metadata.namespace, one.name) for one in llm.spec.fallbacks)
    return any(found is not None and found.status.status == StatusType.READY for found in named)


def _elsewhere(namespace: str, name: str, readers: Readers) -> Elsewhere | None:
    """Where an object of that name belongs: an Agent listed under `tools` is the usual mistake."""
    places: tuple[tuple[Elsewhere, Reader], ...] = (
        (Elsewhere("Agent", "subAgents"), readers.agents),
        (Elsewhere("MCPServer", "mcpServers"), readers.mcp_servers),
        (Elsewhere("Tool", "tools"), readers.tools),
        (Elsewhere("LLM", "llmRef"), readers.llms),
        (Elsewhere("ContactChannel", "humanContactChannels"), readers.contact_channels),
    )
    return next((place for place, reader in places if reader.get(namespace, name) is not None), None)
