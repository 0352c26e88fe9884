"""The spans of runs, model calls and tool calls, by OpenTelemetry's conventions for generative AI. Pure.

A span is made when what it tells of has ended, from the object that says so: nothing is kept while it goes on, so that
a restart or another manager changes nothing. The names are those of OpenTelemetry's package of semantic conventions,
which a test compares.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from kubechain.api import traces
from kubechain.api.message import Message
from kubechain.api.taskrun import LLMClaim, SpanContext, TaskRun, TaskRunPhase, ToolCallType
from kubechain.api.taskruntoolcall import TaskRunToolCall, ToolCallPhase
from kubechain.net.foreign import cut
from kubechain.net.redaction import scrubbed
from kubechain.observability.witness import ModelCall, ModelReply
from kubechain.runtime.telemetry import NAMESPACE, OBJECT_NAME, Attribute

Value = Attribute | tuple[str, ...]

FindRun = Callable[[str, str], TaskRun | None]
"""Gets a run by namespace and name; None where it is gone."""

CONTENT_CHARACTERS = 16_384
"""Of one attribute with content, where it is recorded at all."""

PROVIDERS: Mapping[str, str] = MappingProxyType(
    {"mistral": "mistral_ai", "google": "gcp.gemini", "vertex": "gcp.vertex_ai", "bedrock": "aws.bedrock"}
)
"""Providers that the conventions have under another name than ours."""


@dataclass(frozen=True, slots=True)
class Span:
    """A span that has ended.

    Attributes:
        above: The span that it is a part of; None for the first of a trace.
        error: What went wrong, in a word; empty for nothing.
        is_client: Whether it is a call of another system.
    """

    name: str
    context: SpanContext
    began_at: datetime
    ended_at: datetime
    above: SpanContext | None = None
    attributes: Mapping[str, Value] = field(default_factory=dict[str, Value])
    error: str = ""
    is_client: bool = False

    @property
    def is_linked(self) -> bool:
        """Whether it refers to the span above by a link, because it is in another trace."""
        return self.above is not None and self.above.trace_id != self.context.trace_id


def of_run(run: TaskRun, *, now: datetime) -> Span:
    """The span of a run that has ended; one that never began waited since it was created."""
    agent = _agent(run)
    began_at = run.status.start_time or run.metadata.creation_timestamp or now
    usage = run.status.usage
    tokens = {} if usage is None else _tokens(usage.input_tokens, usage.output_tokens)
    attributes: dict[str, Value] = {
        "gen_ai.operation.name": "invoke_agent",
        **({"gen_ai.agent.name": agent} if agent else {}),
        "gen_ai.conversation.id": run.metadata.uid,
        **_object(run.metadata.namespace, run.metadata.name),
        **tokens,
    }
    phase = run.status.phase
    error = "" if phase == TaskRunPhase.FINAL_ANSWER else str(phase)
    name = f"invoke_agent {agent}" if agent else "invoke_agent"
    return Span(name, traces.place_of(run), began_at, now, traces.parent_of(run), attributes, error)


def _agent(run: TaskRun) -> str:
    """The agent of a run; empty where it had none before it ended."""
    if run.status.pinned is not None:
        return run.status.pinned.agent_name
    return run.spec.agent_ref.name if run.spec.agent_ref is not None else ""


def of_model_call(
    call: ModelCall, claim: LLMClaim, reply: ModelReply, *, now: datetime, content: Sequence[Message] | None = None
) -> Span | None:
    """The span of a model call.

    Args:
        content: What was sent, where content is recorded.
    """
    run = call.run
    span_id = traces.span_id_of(run.metadata.uid, "model call", claim.token)
    context = traces.of_part(run, span_id, claim.started_at)
    if context is None:
        return None
    usage = reply.usage
    attributes: dict[str, Value] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": PROVIDERS.get(call.provider, call.provider),
        "gen_ai.request.model": call.model,
        "gen_ai.conversation.id": run.metadata.uid,
        "gen_ai.agent.name": call.agent,
        **_object(run.metadata.namespace, run.metadata.name),
        **({} if usage is None else _tokens(usage.input_tokens, usage.output_tokens)),
        **({"gen_ai.response.finish_reasons": (reply.finish_reason,)} if reply.finish_reason else {}),
    }
    if content is not None:
        attributes["gen_ai.input.messages"] = _messages(content)
        if reply.message is not None:
            attributes["gen_ai.output.messages"] = _messages([reply.message])
    began_at = claim.started_at
    return Span(
        f"chat {call.model}", context, began_at, now, run.status.span_context, attributes, reply.error, is_client=True
    )


def of_tool_call(
    call: TaskRunToolCall, run: TaskRun | None, *, now: datetime, is_content_recorded: bool = False
) -> Span | None:
    """The span of a tool call that has ended; None where it was not carried out."""
    context, began_at = call.status.span_context, call.status.start_time
    if context is None or began_at is None or run is None:
        return None
    if call.status.execution is not None:
        began_at = max(began_at, call.status.execution.started_at)
    tool = call.spec.tool_ref.name
    attributes: dict[str, Value] = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": tool,
        "gen_ai.tool.call.id": call.spec.tool_call_id,
        "gen_ai.tool.type": "function" if call.spec.tool_type == ToolCallType.FUNCTION else "extension",
        "gen_ai.conversation.id": run.metadata.uid,
        **({"mcp.method.name": "tools/call"} if call.spec.tool_type == ToolCallType.MCP else {}),
        **_object(call.metadata.namespace, call.metadata.name),
    }
    if is_content_recorded:
        attributes["gen_ai.tool.call.arguments"] = _content(call.spec.arguments)
        attributes["gen_ai.tool.call.result"] = _content(call.status.result or "")
    error = "" if call.status.phase == ToolCallPhase.SUCCEEDED else str(call.status.phase)
    return Span(f"execute_tool {tool}", context, began_at, now, run.status.span_context, attributes, error)


def _object(namespace: str, name: str) -> dict[str, Value]:
    return {NAMESPACE: namespace, OBJECT_NAME: name}


def _tokens(sent: int, written: int) -> dict[str, Value]:
    return {"gen_ai.usage.input_tokens": sent, "gen_ai.usage.output_tokens": written}


def _messages(messages: Sequence[Message]) -> str:
    told = [{"role": one.role, "parts": [{"type": "text", "content": one.content}]} for one in messages]
    return _content(json.dumps(told, ensure_ascii=False))


def _content(text: str) -> str:
    return cut(scrubbed(text), CONTENT_CHARACTERS)
