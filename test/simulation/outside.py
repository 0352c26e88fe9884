"""The services outside of every manager: what their state is, and how people and mishaps change it.

One for each simulation, shared by the faces that each process has of them (`fakes`), and by what people do.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from kubechain.llm.errors import LLMError
from kubechain.mcp.failures import ConnectFailure
from test.simulation.cluster import Cluster

GONE = "connection refused"


@dataclass(slots=True)
class Letter:
    """A message at a contact channel.

    Attributes:
        label: Channel and request.
        copies: How often it arrived.
        ending: How it says that the request ended; empty as long as it does not.
    """

    label: str
    copies: int = 0
    ending: str = ""


@dataclass(slots=True)
class Outside:
    """What the services will do next.

    Attributes:
        hiccups: What a model says before it follows its script, by the beginning of the call's label.
        failing: How the provider of each LLM fails whose name is here.
        slow: Beginnings of the labels of what takes longer than anybody waits.
        refused_keys: Those that their service does not take any more.
        is_mcp_down: Whether MCP servers can be reached at all.
        refused_writes: Beginnings of the labels of the writes that a policy of the API server refuses.
        is_contact_down: Whether contact channels can be reached at all.
        is_contact_mute: Whether contact channels can be reached, and take no message.
        letters: What arrived at contact channels, by the key of the message.
        hung_up: How often they went away, so that a call knows whether its connection is still the same.
    """

    hiccups: dict[str, list[LLMError]] = field(default_factory=dict[str, list[LLMError]])
    failing: dict[str, LLMError] = field(default_factory=dict[str, LLMError])
    slow: tuple[str, ...] = ()
    refused_keys: set[str] = field(default_factory=set[str])
    refused_writes: set[str] = field(default_factory=set[str])
    is_mcp_down: bool = False
    is_contact_down: bool = False
    is_contact_mute: bool = False
    letters: dict[str, Letter] = field(default_factory=dict[str, Letter])
    hung_up: int = 0
    _links: list[Callable[[ConnectFailure], None]] = field(default_factory=list[Callable[[ConnectFailure], None]])

    def connected(self, ended: Callable[[ConnectFailure], None]) -> None:
        """Remember who is to be told when the MCP servers go away."""
        self._links.append(ended)

    def hang_up(self) -> None:
        """The MCP servers go away."""
        self.is_mcp_down = True
        self.hung_up += 1
        for ended in self._links:
            ended(ConnectFailure(GONE))
        self._links.clear()

    def come_back(self) -> None:
        """The MCP servers can be reached again."""
        self.is_mcp_down = False

    def hiccup(self, label: str, llm: str) -> LLMError | None:
        """What the model says instead of an answer: once, or for as long as its provider fails."""
        if (failure := self.failing.get(llm)) is not None:
            return copy.copy(failure)
        for start, errors in self.hiccups.items():
            if label.startswith(start) and errors:
                return errors.pop(0)
        return None


@dataclass(frozen=True, slots=True)
class Stage:
    """What people can lay hands on.

    Attributes:
        later: Lets something happen so many seconds from now.
    """

    cluster: Cluster
    outside: Outside
    later: Callable[[float, Act], None]


Act = Callable[[Stage], None]
"""Something that people do, or that happens to a service."""


def hiccups_of(told: Mapping[str, Sequence[LLMError]]) -> dict[str, list[LLMError]]:
    """A copy that a simulation may use up."""
    return {start: [copy.copy(error) for error in errors] for start, errors in told.items()}
