"""How large a conversation is for its model, and whether that is too large. Pure.

`growth` decides what is left out then.
"""

from __future__ import annotations

from collections.abc import Sequence

from kubechain.api.context import DEFAULT_AT_FRACTION, AgentContext, ContextPolicy, RunContext, SummaryFailure
from kubechain.api.llm import LLM
from kubechain.api.message import Message
from kubechain.api.taskrun import TaskRun
from kubechain.api.usage import COUNT_LIMIT, Usage

BYTES_PER_TOKEN = 4
"""Of text whose tokens nobody has counted yet."""


def settings(run: TaskRun) -> AgentContext:
    """What the Agent said when the run began."""
    pinned = run.status.pinned
    return (pinned.context if pinned else None) or AgentContext()


def policy(run: TaskRun) -> ContextPolicy:
    """What becomes of the conversation when it outgrows the window."""
    return settings(run).policy or ContextPolicy.SUMMARISE


def window_tokens(llm: LLM | None) -> int | None:
    """Most tokens of a request; None where nobody says."""
    if llm is None:
        return None
    told = llm.status.model.context_window if llm.status.model else None
    return llm.spec.parameters.context_window or told


def is_due(run: TaskRun, llm: LLM | None) -> bool:
    """Whether the next request is to be shorter, if it can be."""
    context = run.status.context
    if context is None or run.status.completion_time is not None:
        return False
    window = window_tokens(llm)
    is_large = window is not None and context.tokens is not None and context.tokens >= from_tokens(run, window)
    return context.too_long or is_large


def from_tokens(run: TaskRun, window: int) -> float:
    """The size of a request from which on the policy acts, for a window of so many tokens."""
    return window * float(settings(run).at_fraction or DEFAULT_AT_FRACTION)


def counted(run: TaskRun, usage: Usage) -> RunContext | None:
    """The size of the conversation after an answer, as the provider counts it; None where it does not say."""
    tokens = bounded(usage.input_tokens + usage.output_tokens - usage.reasoning_tokens)
    before = run.status.context or RunContext()
    return before.with_changes(tokens=tokens, too_long=False) if usage.input_tokens > 0 else run.status.context


def grown(run: TaskRun, messages: Sequence[Message]) -> RunContext | None:
    """The size of the conversation with more messages, where it was counted before."""
    context = run.status.context
    if context is None or context.tokens is None:
        return context
    return context.with_changes(tokens=bounded(context.tokens + size_bytes(messages) // BYTES_PER_TOKEN))


def failed_summary(run: TaskRun, context: RunContext, message: str) -> RunContext:
    """The record of a summary that could not be made."""
    return context.with_changes(summary_failure=SummaryFailure(turn=run.status.turn, message=message[:1024]))


def bounded(tokens: int) -> int:
    """A number of tokens that the status can have, whatever a provider counts."""
    return min(max(tokens, 0), COUNT_LIMIT)


def size_bytes(messages: Sequence[Message]) -> int:
    """The size of a request, without what its dialect puts around."""
    return sum(len(message.to_json()) for message in messages)
