"""The last check of each LLM at its provider, and its invalidation.

Kept in memory only: after a restart each LLM is checked again, and nothing is written when nothing changed.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from kubechain.runtime.keys import Request
from kubechain.runtime.sources import Trigger


@dataclass(frozen=True, slots=True)
class Checked:
    """The last check of one LLM.

    Attributes:
        fingerprint: Generation of the LLM and version of its Secret.
        recheck_at: Monotonic time of the next check; None when only a change can lead to another result.
        attempt: How many times in a row the provider gave no verdict.
    """

    fingerprint: str
    recheck_at: float | None = None
    attempt: int = 0


@dataclass(slots=True)
class LLMChecks:
    """The last check of every LLM.

    Attributes:
        trigger: Feeds the control loop of LLMs.
    """

    trigger: Trigger
    _checked: dict[Request, Checked] = field(default_factory=dict[Request, Checked])

    def get(self, llm: Request) -> Checked | None:
        """The last check; None when the LLM must be checked."""
        return self._checked.get(llm)

    def remember(self, llm: Request, checked: Checked) -> None:
        """Keep the result of a check whose status is written."""
        self._checked[llm] = checked

    def forget(self, llm: Request) -> None:
        """Drop the last check of an LLM that is gone."""
        self._checked.pop(llm, None)

    def invalidate(self, llm: Request) -> None:
        """Request another check of an LLM: its provider has refused a run."""
        self.forget(llm)
        self.trigger.enqueue(llm)
