"""What a run says while its requests are made shorter, and what a provider's refusal of a long one means. Pure."""

from __future__ import annotations

from datetime import datetime

from kubechain.api import reasons
from kubechain.api.context import ContextPolicy, RunContext
from kubechain.api.meta import StatusType
from kubechain.api.taskrun import TaskRun, TaskRunPhase
from kubechain.controllers.frame import Event, Settled, normal, warning
from kubechain.controllers.taskrun import contextsize, ends
from kubechain.controllers.taskrun.steps import Fail
from kubechain.net.foreign import cut


def told(context: RunContext) -> str:
    """What is left out of requests, and why it is not a summary."""
    failure = context.summary_failure
    cut_text = f"; those before message {context.cut_before} are truncated" if context.cut_bytes else ""
    text = f"tool results before message {context.trimmed_before} are left out{cut_text}"
    return f"{text}; no summary could be made: {failure.message}" if failure else text


def news(context: RunContext) -> Event:
    """The event that tells that requests become shorter."""
    if context.summary_failure is not None:
        return warning(reasons.SUMMARY_FAILED, told(context))
    return normal(reasons.MODEL_WINDOW_EXCEEDED, told(context))


def too_long(run: TaskRun, message: str, now: datetime) -> Settled:
    """The provider refuses the request as too long: the next one is shorter, where the Agent allows that."""
    text = cut(message, ends.ERROR_MAX_CHARACTERS)
    if contextsize.policy(run) is ContextPolicy.FAIL:
        why = f"the conversation is too long for the model, and the Agent's context.policy is Fail: {text}"
        return ends.failed(run, Fail(reasons.MODEL_WINDOW_EXCEEDED, why), now)
    context = (run.status.context or RunContext()).with_changes(too_long=True)
    status = {
        "phase": TaskRunPhase.READY_FOR_LLM,
        "ready": True,
        "status": StatusType.READY,
        "status_detail": cut(f"The conversation is too long for the model: {text}", ends.ERROR_MAX_CHARACTERS),
        "error": text,
        "llm": None,
        "blocked_since": None,
        "context": context,
    }
    return Settled(status, (warning(reasons.MODEL_WINDOW_EXCEEDED, text),), facts=ends.call_facts(run, now))
