"""Writes what runs did to a chain of lines: prompts, answers, tool calls, results, decisions of people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import structlog

from kubechain.api.humanrequest import HumanRequest
from kubechain.api.message import Message
from kubechain.api.meta import KubeObject
from kubechain.api.taskruntoolcall import TaskRunToolCall
from kubechain.net.redaction import scrubbed
from kubechain.observability.witness import ByKind, ModelCall, ModelReply

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Lines(Protocol):
    """Takes lines; see `Chain`."""

    def append(self, event: str, facts: dict[str, Any]) -> None:
        """Write one.

        Raises:
            OSError: It cannot be written.
        """
        ...


class Auditor(ByKind):
    """Writes a line for each of them, without what looks like a secret."""

    def __init__(self, lines: Lines) -> None:
        """Write to `lines`."""
        self._lines = lines

    def asks(self, call: ModelCall, messages: Sequence[Message]) -> None:
        """Write the prompt, before it is sent."""
        self._append("prompt", _of_call(call) | {"messages": [_message(one) for one in messages]})

    def answered(self, call: ModelCall, reply: ModelReply) -> None:
        """Write the answer, or the class of the failure."""
        said = {"error": reply.error} if reply.message is None else {"message": _message(reply.message)}
        usage = {} if reply.usage is None else {"usage": reply.usage.to_wire()}
        self._append("answer", _of_call(call) | said | usage | {"seconds": round(reply.seconds, 3)})

    def wrote_call(self, before: TaskRunToolCall, after: TaskRunToolCall) -> None:
        """Write a tool call when it is claimed."""
        was, now = before.status, after.status
        if now.execution is not None and (was.execution is None or was.execution.token != now.execution.token):
            approved = now.approval.arguments if now.approval is not None else None
            arguments = scrubbed(approved if approved is not None else after.spec.arguments)
            self._append("tool_call", _of_tool(after) | {"attempt": now.execution.attempt, "arguments": arguments})

    def call_ended(self, call: TaskRunToolCall) -> None:
        """Write its result."""
        now = call.status
        ended = {"end": str(now.phase), "result": _text(now.result), "error": _text(now.error)}
        self._append("tool_result", _of_tool(call) | {name: text for name, text in ended.items() if text})

    def request_ended(self, request: HumanRequest) -> None:
        """Write a decision, or that nobody decided."""
        asked, decision = request.spec.request, request.spec.decision
        facts = {"run": asked.task_run_ref.name, "type": str(asked.type), "end": str(request.status.phase)}
        if decision is not None:
            wire: dict[str, Any] = decision.to_wire()
            facts |= {"decision": {name: _text(str(value)) for name, value in wire.items() if name != "by"}}
            facts |= {"by": decision.by or "", "identity": str(request.status.identity or "")}
        self._append("decision", _of_object(request) | facts)

    def _append(self, event: str, facts: dict[str, Any]) -> None:
        try:
            self._lines.append(event, facts)
        except OSError as error:
            log.error("the audit log cannot be written, a line is lost", event_lost=event, error=str(error))


def _of_object(obj: KubeObject) -> dict[str, Any]:
    metadata = obj.metadata
    return {"namespace": metadata.namespace, "name": metadata.name, "uid": metadata.uid}


def _of_tool(call: TaskRunToolCall) -> dict[str, Any]:
    return _of_object(call) | {"run": call.spec.task_run_ref.name, "tool": call.spec.tool_ref.name}


def _of_call(call: ModelCall) -> dict[str, Any]:
    claim = call.run.status.llm
    place = {} if claim is None else {"turn": claim.turn, "attempt": claim.attempt}
    about = {"agent": call.agent, "llm": call.llm, "provider": call.provider, "model": call.model}
    return _of_object(call.run) | about | place


def _message(message: Message) -> dict[str, Any]:
    calls = [
        {"id": call.id, "name": call.function.name, "arguments": scrubbed(call.function.arguments)}
        for call in message.tool_calls
    ]
    answers = {"toolCallID": message.tool_call_id} if message.tool_call_id else {}
    asked = {"toolCalls": calls} if calls else {}
    return {"role": message.role, "content": scrubbed(message.content), **answers, **asked}


def _text(text: str | None) -> str:
    return scrubbed(text or "")
