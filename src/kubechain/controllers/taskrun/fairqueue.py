"""The runs that wait for one LLM: the agents take turns, and each agent's runs go in the order in which they came.

So an agent with one run waits for one run of each other agent, however many those have queued. In memory only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kubechain.runtime.keys import Request


@dataclass(slots=True)
class Waiting:
    """A queued run.

    Attributes:
        since: When it was queued.
        told: The rounded place that its status says; None where it says none.
    """

    since: float
    size_bytes: int = 0
    told: int | None = None


class FairQueue:
    """Queued runs by their agents; iterates in the order in which they go, if no other comes."""

    def __init__(self) -> None:
        """Start empty."""
        self._lines: dict[str, dict[Request, Waiting]] = {}
        """The runs of each agent; the agent whose turn it is comes first, and none is without runs."""
        self._agents: dict[Request, str] = {}

    def __len__(self) -> int:
        """Return how many runs wait."""
        return len(self._agents)

    def __iter__(self) -> Iterator[Request]:
        """Iterate over the runs, the first to go first."""
        lines = [iter(line) for line in self._lines.values()]
        while lines:
            heads = [(line, run) for line in lines if (run := next(line, None)) is not None]
            yield from (run for _, run in heads)
            lines = [line for line, _ in heads]

    def get(self, run: Request) -> Waiting | None:
        """The record of a run; None where it is not queued."""
        agent = self._agents.get(run)
        return None if agent is None else self._lines[agent][run]

    def add(self, run: Request, agent: str, waiting: Waiting) -> None:
        """Queue a run behind the others of its agent; one that is queued keeps its place."""
        if run not in self._agents:
            self._agents[run] = agent
            self._lines.setdefault(agent, {})[run] = waiting

    @property
    def first(self) -> Waiting | None:
        """The record of the run that goes next."""
        line = next(iter(self._lines.values()), None)
        return None if line is None else next(iter(line.values()))

    def pop(self) -> Request:
        """Remove the run that goes next; then it is the next agent's turn.

        Raises:
            StopIteration: None is queued.
        """
        agent, line = next(iter(self._lines.items()))
        run = next(iter(line))
        del line[run], self._agents[run], self._lines[agent]
        if line:
            self._lines[agent] = line
        return run

    def remove(self, run: Request) -> bool:
        """Take a run out, wherever it is; returns whether it was queued. The agents keep their turns."""
        agent = self._agents.pop(run, None)
        if agent is None:
            return False
        del self._lines[agent][run]
        if not self._lines[agent]:
            del self._lines[agent]
        return True

    def ahead(self, run: Request) -> int:
        """How many runs go before this one, if no other comes; 0 where it is not queued."""
        if run not in self._agents:
            return 0
        own = self._agents[run]
        rounds = next(index for index, other in enumerate(self._lines[own]) if other == run)
        ahead, is_before = rounds, True
        for agent, line in self._lines.items():
            if agent == own:
                is_before = False
            else:
                ahead += min(len(line), rounds + is_before)
        return ahead
