"""What a story is told from: a run as the API server has it, with everything that belongs to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kubechain.api.contextchunk import ContextChunkSpec
from kubechain.api.humanrequest import HumanRequest
from kubechain.api.taskrun import TaskRun
from kubechain.api.taskruntoolcall import TaskRunToolCall


@dataclass(frozen=True, slots=True)
class Gathered:
    """A run and what belongs to it; what cannot be read is left out and named in `gaps`.

    Attributes:
        calls: Those of this run, in any order.
        requests: HumanRequests of this run and of its calls.
        chunks: The older part of the conversation, the first chunk first, as far as it is what was recorded.
        children: Runs that answer calls, by the name of the call.
    """

    run: TaskRun
    calls: tuple[TaskRunToolCall, ...] = ()
    requests: tuple[HumanRequest, ...] = ()
    chunks: tuple[ContextChunkSpec, ...] = ()
    children: Mapping[str, Gathered] = field(default_factory=dict[str, "Gathered"])
    gaps: tuple[str, ...] = ()

    def request(self, name: str) -> HumanRequest | None:
        """The HumanRequest of this name."""
        return next((each for each in self.requests if each.metadata.name == name), None)
