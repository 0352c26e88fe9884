"""Which LLMs have an open circuit: the loop of TaskRuns finds it out, the loop of LLMs says so in their status.

Kept in memory only: after a restart every circuit is closed, and the next calls show how the provider is.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from kubechain.runtime.keys import Request
from kubechain.runtime.sources import Trigger


@dataclass(slots=True)
class OpenCircuits:
    """The LLMs whose provider is taken for down, with the failure that says so.

    Attributes:
        trigger: Feeds the control loop of LLMs.
    """

    trigger: Trigger
    _details: dict[Request, str] = field(default_factory=dict[Request, str])

    def get(self, llm: Request) -> str | None:
        """The failure that opened the circuit; None while it is closed."""
        return self._details.get(llm)

    def opened(self, llm: Request, detail: str) -> None:
        """Note a circuit that opened."""
        self._details[llm] = detail
        self.trigger.enqueue(llm)

    def closed(self, llm: Request) -> None:
        """Note a circuit that closed."""
        if self._details.pop(llm, None) is not None:
            self.trigger.enqueue(llm)
