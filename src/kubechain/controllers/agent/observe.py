"""An Agent and everything that it refers to."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from kubechain.api.agent import Agent
from kubechain.api.meta import StatusObject, StatusType


class Reader(Protocol):
    """A lister, as far as this kind needs one."""

    def get(self, namespace: str, name: str) -> StatusObject[Any, Any] | None:
        """The object of that name, None when there is none."""
        ...


@dataclass(frozen=True, slots=True)
class Dependency:
    """One reference of an Agent and what stands behind it.

    Attributes:
        kind: As people write it: ``LLM``, ``Tool``, …
        found: None when there is no such object.
    """

    kind: str
    name: str
    found: StatusObject[Any, Any] | None

    @property
    def is_ready(self) -> bool:
        """Whether the Agent can use it now."""
        return self.found is not None and self.found.status.status == StatusType.READY

    @property
    def is_broken(self) -> bool:
        """Whether waiting alone will not help."""
        return self.found is None or self.found.status.status == StatusType.ERROR


@dataclass(frozen=True, slots=True)
class Observed:
    """An Agent with its dependencies in the order of its spec."""

    agent: Agent
    dependencies: tuple[Dependency, ...]


@dataclass(frozen=True, slots=True)
class Readers:
    """Where each kind of dependency is looked up; a kind without a reader has nothing to offer yet."""

    llms: Reader
    tools: Reader
    mcp_servers: Reader
    contact_channels: Reader
    agents: Reader


def observe(agent: Agent, readers: Readers) -> Observed:
    """Gather the dependencies of ``agent`` from the caches."""
    return Observed(agent=agent, dependencies=tuple(_dependencies(agent, readers)))


def _dependencies(agent: Agent, readers: Readers) -> Iterable[Dependency]:
    spec = agent.spec
    references = (
        ("LLM", readers.llms, (spec.llm_ref,)),
        ("Tool", readers.tools, spec.tools),
        ("MCPServer", readers.mcp_servers, spec.mcp_servers),
        ("ContactChannel", readers.contact_channels, spec.human_contact_channels),
        ("Agent", readers.agents, spec.sub_agents),
    )
    for kind, reader, named in references:
        for reference in named:
            yield Dependency(kind, reference.name, reader.get(agent.metadata.namespace, reference.name))
