"""Writes what runs did to a chain of lines: prompts, answers, tool calls, results, decisions of people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import structlog

from kubechain.api.humanrequest import HumanRequest
from kubechain.api.message import Message
from kubechain.api.meta import KubeObject, StatusObject
from kubechain.api.taskruntoolcall import TaskRunToolCall
from kubechain.net.redaction import scrubbed
from kubechain.observability.witness import ModelCall, ModelReply, Witness, Written

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Lines(Protocol):
    """Takes lines; see `Chain`."""

    def append(self, event: str, facts: dict[str, Any]) -> None:
        """Write one.

        Raises:
            OSError: It cannot be written.
        """
        ...


class Auditor(Witness):
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

    def wrote(self, before: Written, after: Written) -> None:
        """Write a tool call when it is claimed, its result, and a decision."""
        match before, after:
            case TaskRunToolCall(), TaskRunToolCall():
                self._wrote_call(before, after)
            case HumanRequest(), HumanRequest():
                self._wrote_request(before, after)
            case StatusObject(), StatusObject():
                pass

    def _wrote_call(self, before: TaskRunToolCall, after: TaskRunToolCall) -> None:
        was, now = before.status, after.status
        tool = _of_object(after) | {"run": after.spec.task_run_ref.name, "tool": after.spec.tool_ref.name}
        if now.execution is not None and (was.execution is None or was.execution.token != now.execution.token):
            approved = now.approval.arguments if now.approval is not None else None
            arguments = scrubbed(approved if approved is not None else after.spec.arguments)
            self._append("tool_call", tool | {"attempt": now.execution.attempt, "arguments": arguments})
        if was.completion_time is None and now.completion_time is not None:
            ended = {"end": str(now.phase), "result": _text(now.result), "error": _text(now.error)}
            self._append("tool_result", tool | {name: text for name, text in ended.items() if text})

    def _wrote_request(self, before: HumanRequest, after: HumanRequest) -> None:
        was, now = before.status.phase, after.status.phase
        if now is None or not now.is_terminal or (was is not None and was.is_terminal):
            return
        request, decision = after.spec.request, after.spec.decision
        facts = {"run": request.task_run_ref.name, "type": str(request.type), "end": str(now)}
        if decision is not None:
            wire: dict[str, Any] = decision.to_wire()
            facts |= {"decision": {name: _text(str(value)) for name, value in wire.items() if name != "by"}}
            facts |= {"by": decision.by or "", "identity": str(after.status.identity or "")}
        self._append("decision", _of_object(after) | facts)

    def _append(self, event: str, facts: dict[str, Any]) -> None:
        try:
            self._lines.append(event, facts)
        except OSError as error:
            log.error("the audit log cannot be written, a line is lost", event_lost=event, error=str(error))


def _of_object(obj: KubeObject) -> dict[str, Any]:
    metadata = obj.metadata
    return {"namespace": metadata.namespace, "name": metadata.name, "uid": metadata.uid}


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
