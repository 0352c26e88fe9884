"""The seam between the control loops and metrics, traces and audit: a `Witness` is told what was written and called.

Its methods return at once and never fail a reconcile. What must not go here: a listener of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kubechain.api.humanrequest import HumanRequest
from kubechain.api.message import Message
from kubechain.api.meta import StatusObject
from kubechain.api.taskrun import TaskRun
from kubechain.api.taskruntoolcall import TaskRunToolCall
from kubechain.api.usage import Usage

Written = StatusObject[Any, Any]


@dataclass(frozen=True, slots=True)
class ModelCall:
    """A call of a model under a claim.

    Attributes:
        run: As it was written with the claim.
        llm: Name of the LLM.
        provider: As in the LLM's spec.
        model: The provider's name of the model.
    """

    run: TaskRun
    llm: str
    provider: str
    model: str

    @property
    def agent(self) -> str:
        """Name of the agent whose run it is."""
        pinned = self.run.status.pinned
        return pinned.agent_name if pinned is not None else ""


@dataclass(frozen=True, slots=True)
class ModelReply:
    """How a call of a model ended.

    Attributes:
        seconds: How long it took.
        message: The answer; None where there is none.
        usage: Tokens and cost, as far as the call may be billed.
        error: Class of the failure; empty where the model answered.
        finish_reason: As the provider names it.
    """

    seconds: float
    message: Message | None = None
    usage: Usage | None = None
    error: str = ""
    finish_reason: str = ""


class Witness:
    """Is told, and does nothing; whoever listens overrides what it needs."""

    def wrote(self, before: Written, after: Written) -> None:
        """Take note of a status that is persisted.

        Args:
            before: The object as the write was decided on.
            after: The object as the server has it now.
        """

    def lost(self, obj: Written) -> None:
        """Take note of an effect whose outcome does not count: its claim is another process's now."""

    def asks(self, call: ModelCall, messages: Sequence[Message]) -> None:
        """Take note of what a model is about to be sent."""

    def answered(self, call: ModelCall, reply: ModelReply) -> None:
        """Take note of how a model call ended."""

    def dequeued(self, namespace: str, llm: str, waited_seconds: float) -> None:
        """Take note of a run that waited for a slot of its LLM and got one."""


class ByKind(Witness):
    """Tells runs, tool calls and requests to people apart, and tells the end of each once."""

    def wrote(self, before: Written, after: Written) -> None:
        """Tell the method of the kind, then that of its end."""
        match before, after:
            case TaskRun(), TaskRun():
                self.wrote_run(before, after)
                if before.status.completion_time is None and (at := after.status.completion_time) is not None:
                    self.run_ended(after, at)
            case TaskRunToolCall(), TaskRunToolCall():
                self.wrote_call(before, after)
                if before.status.completion_time is None and after.status.completion_time is not None:
                    self.call_ended(after)
            case HumanRequest(), HumanRequest():
                if not before.status.is_over and after.status.is_over:
                    self.request_ended(after)
            case StatusObject(), StatusObject():
                pass

    def wrote_run(self, before: TaskRun, after: TaskRun) -> None:
        """Take note of a run's status."""

    def run_ended(self, run: TaskRun, at: datetime) -> None:
        """Take note of the end of a run."""

    def wrote_call(self, before: TaskRunToolCall, after: TaskRunToolCall) -> None:
        """Take note of a tool call's status."""

    def call_ended(self, call: TaskRunToolCall) -> None:
        """Take note of the end of a tool call."""

    def request_ended(self, request: HumanRequest) -> None:
        """Take note of the end of a request."""


class Witnesses(Witness):
    """Tells several."""

    def __init__(self, *others: Witness) -> None:
        """Tell each of them, in this order."""
        self._others = others

    def wrote(self, before: Written, after: Written) -> None:
        """Tell each."""
        for other in self._others:
            other.wrote(before, after)

    def lost(self, obj: Written) -> None:
        """Tell each."""
        for other in self._others:
            other.lost(obj)

    def asks(self, call: ModelCall, messages: Sequence[Message]) -> None:
        """Tell each."""
        for other in self._others:
            other.asks(call, messages)

    def answered(self, call: ModelCall, reply: ModelReply) -> None:
        """Tell each."""
        for other in self._others:
            other.answered(call, reply)

    def dequeued(self, namespace: str, llm: str, waited_seconds: float) -> None:
        """Tell each."""
        for other in self._others:
            other.dequeued(namespace, llm, waited_seconds)


NOBODY = Witness()
