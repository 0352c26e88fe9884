"""What has been read of a run and of the runs below it, however it was read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from kubechain.api import names
from kubechain.api.contextchunk import ContextChunkSpec
from kubechain.api.humanrequest import HumanRequest
from kubechain.api.taskrun import TaskRun, ToolCallType
from kubechain.api.taskruntoolcall import TaskRunToolCall
from kubechain.views.gathered import Gathered
from kubechain.views.wording import sentence

T = TypeVar("T")


@dataclass(slots=True)
class Shelf:
    """Objects by the name of their run.

    Attributes:
        gaps: What could not be read, and why.
    """

    runs: dict[str, TaskRun] = field(default_factory=dict[str, TaskRun])
    calls: dict[str, tuple[TaskRunToolCall, ...]] = field(default_factory=dict[str, tuple[TaskRunToolCall, ...]])
    requests: dict[str, tuple[HumanRequest, ...]] = field(default_factory=dict[str, tuple[HumanRequest, ...]])
    chunks: dict[str, tuple[ContextChunkSpec, ...]] = field(default_factory=dict[str, tuple[ContextChunkSpec, ...]])
    gaps: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])

    def missed(self, run: str, what: str, why: str) -> None:
        """Note that something of a run cannot be read."""
        self.gaps.setdefault(run, {})[what] = sentence(f"{what} cannot be read: {why}")

    def children(self, run: str) -> Iterable[tuple[str, str]]:
        """Yield the calls of a run that other runs answer, each with the name of that run."""
        for call in self.calls.get(run, ()):
            if call.spec.tool_type is ToolCallType.DELEGATE_TO_AGENT:
                yield call.metadata.name, names.sub_agent_run_name(call.metadata.name)

    def gathered(self, name: str) -> Gathered:
        """The run of this name with all that belongs to it, as far as it is here.

        Raises:
            KeyError: The run is not here.
        """
        return Gathered(
            run=self.runs[name],
            calls=self.calls.get(name, ()),
            requests=self.requests.get(name, ()),
            chunks=self.chunks.get(name, ()),
            children={call: self.gathered(child) for call, child in self.children(name) if self._answers(child, call)},
            gaps=tuple(self.gaps.get(name, {}).values()),
        )

    def _answers(self, run: str, call: str) -> bool:
        """Whether the run is here and is the one of that call, and no other of its name."""
        found = self.runs.get(run)
        reference = found.spec.task_run_tool_call_ref if found is not None else None
        return reference is not None and reference.name == call
