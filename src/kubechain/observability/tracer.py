"""Makes a span of everything that ends, and hands it to an exporter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from kubechain.api.message import Message
from kubechain.api.taskrun import TaskRun
from kubechain.api.taskruntoolcall import TaskRunToolCall
from kubechain.observability import spans
from kubechain.observability.spans import FindRun, Span
from kubechain.observability.witness import ByKind, ModelCall, ModelReply
from kubechain.runtime.clock import Clock


class Tracer(ByKind):
    """Traces runs, model calls and tool calls."""

    def __init__(
        self, export: Callable[[Span], None], find_run: FindRun, clock: Clock, *, is_content_recorded: bool = False
    ) -> None:
        """Trace to an exporter.

        Args:
            export: Takes a span; does not block and does not fail.
            find_run: For the run of a tool call.
            is_content_recorded: Whether spans have prompts, answers, arguments and results.
        """
        self._export = export
        self._find_run = find_run
        self._clock = clock
        self._is_content_recorded = is_content_recorded
        self._sent: dict[str, Sequence[Message]] = {}
        """What is sent by the calls in flight, by the tokens of their claims."""

    def run_ended(self, run: TaskRun, at: datetime) -> None:
        """Make the span of a run."""
        del at  # of whole seconds
        self._send(spans.of_run(run, now=self._clock.now()))

    def call_ended(self, call: TaskRunToolCall) -> None:
        """Make the span of a tool call."""
        run = self._find_run(call.metadata.namespace, call.spec.task_run_ref.name)
        now, has_content = self._clock.now(), self._is_content_recorded
        self._send(spans.of_tool_call(call, run, now=now, is_content_recorded=has_content))

    def asks(self, call: ModelCall, messages: Sequence[Message]) -> None:
        """Keep what is sent, where content is recorded."""
        if self._is_content_recorded and call.run.status.llm is not None:
            self._sent[call.run.status.llm.token] = messages

    def answered(self, call: ModelCall, reply: ModelReply) -> None:
        """Make the span of the call."""
        claim = call.run.status.llm
        if claim is None:
            return
        content = self._sent.pop(claim.token, None)
        self._send(spans.of_model_call(call, claim, reply, now=self._clock.now(), content=content))

    def _send(self, span: Span | None) -> None:
        if span is not None:
            self._export(span)
