"""Which LLMs have an open circuit: the loop of TaskRuns finds it out, the loop of LLMs says so in their status.

Kept in memory only: after a restart every circuit is closed, and the next calls show how the provider is. Where
replicas share the runs, each has circuits of its own, and tells the leader of them, which writes the status.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from kubechain.controllers.peers import DETAIL_MAX_CHARACTERS, TOLD_MAX, Peers
from kubechain.net.foreign import cut
from kubechain.runtime.keys import Request
from kubechain.runtime.sources import Trigger

ANNOTATION = "kubechain.humanlayer.dev/open-circuits"
"""What a replica says of its circuits: an object with the failure of each LLM, by `namespace/name`."""


@dataclass(slots=True)
class OpenCircuits:
    """The LLMs whose provider is taken for down, with the failure that says so.

    Attributes:
        trigger: Feeds the control loop of LLMs.
        peers: Replicas that share the runs with this one; None where it is alone.
    """

    trigger: Trigger
    peers: Peers | None = None
    _details: dict[Request, str] = field(default_factory=dict[Request, str])
    _of_others: dict[Request, str] = field(default_factory=dict[Request, str])

    def __post_init__(self) -> None:
        """Listen to the others."""
        if self.peers is not None:
            self.peers.when_noted(self._listen)

    def get(self, llm: Request) -> str | None:
        """The failure that opened a circuit, here or at another replica; None while all are closed."""
        return self._details.get(llm) or self._of_others.get(llm)

    def opened(self, llm: Request, detail: str) -> None:
        """Note a circuit that opened."""
        self._details[llm] = detail
        self._tell(llm)

    def closed(self, llm: Request) -> None:
        """Note a circuit that closed."""
        if self._details.pop(llm, None) is not None:
            self._tell(llm)

    def _tell(self, llm: Request) -> None:
        self.trigger.enqueue(llm)
        if self.peers is not None:
            told = list(self._details.items())[:TOLD_MAX]
            self.peers.note(ANNOTATION, written({one: cut(detail, DETAIL_MAX_CHARACTERS) for one, detail in told}))

    def _listen(self) -> None:
        assert self.peers is not None
        before, self._of_others = self._of_others, {}
        for text in self.peers.notes(ANNOTATION):
            self._of_others |= read(text)
        for llm in before.keys() ^ self._of_others.keys():
            self.trigger.enqueue(llm)


def written(circuits: dict[Request, str]) -> str:
    """Return the text that tells of open circuits."""
    return msgspec.json.encode({str(llm): detail for llm, detail in circuits.items()}).decode()


def read(text: str) -> dict[Request, str]:
    """Return what a text tells; nothing where it cannot be read."""
    try:
        found = msgspec.json.decode(text, type=dict[str, str])
    except msgspec.MsgspecError:
        return {}
    parts = {tuple(name.split("/")): detail for name, detail in found.items()}
    return {Request(*part): detail for part, detail in parts.items() if len(part) == 2}
