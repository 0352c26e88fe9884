"""Objects of runs in all states, as the API server has them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from kubechain.api.humanrequest import HumanRequest
from kubechain.api.taskrun import TaskRun
from kubechain.api.taskruntoolcall import TaskRunToolCall

NOW = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)
SYSTEM = {"role": "system", "content": "You help."}


def at(seconds: float) -> str:
    """A time on the wire, in seconds before (negative) or after NOW."""
    return (NOW + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.000000Z")


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def answer(text: str, *calls: tuple[str, str, str]) -> dict[str, Any]:
    """An answer of the model; each call is its id, tool and arguments."""
    asked = [{"id": id, "type": "function", "function": {"name": tool, "arguments": args}} for id, tool, args in calls]
    return {"role": "assistant", "content": text} | ({"toolCalls": asked} if asked else {})


def result(id: str, text: str, **more: Any) -> dict[str, Any]:
    return {"role": "tool", "toolCallId": id, "content": text, **more}


def a_run(
    name: str = "hello-1", *, phase: str | None = None, spec: dict[str, Any] | None = None, **status: Any
) -> TaskRun:
    """A run of the agent `helper` on the LLM `gpt`; begun a minute ago where it has a phase."""
    begun: dict[str, Any] = {
        "phase": phase,
        "pinned": {"agentName": "helper", "llmName": "gpt"},
        "startTime": at(-60),
    }
    return TaskRun.from_wire(
        {
            "metadata": {"name": name, "namespace": "default", "uid": name, "creationTimestamp": at(-61)},
            "spec": {"agentRef": {"name": "helper"}, "userMessage": "What is new?"} | (spec or {}),
            "status": (begun if phase else {}) | status,
        }
    )


def a_call(
    name: str, id: str, tool: str, *, run: str = "hello-1", arguments: str = "{}", **status: Any
) -> TaskRunToolCall:
    return TaskRunToolCall.from_wire(
        {
            "metadata": {"name": name, "namespace": "default", "uid": name, "creationTimestamp": at(-30)},
            "spec": {
                "toolCallId": id,
                "taskRunRef": {"name": run},
                "toolRef": {"name": tool},
                "arguments": arguments,
                "toolType": status.pop("type", "mcp"),
            },
            "status": status,
        }
    )


def a_request(name: str, kind: str = "Approval", **asked: Any) -> HumanRequest:
    spec = {
        "type": kind,
        "subject": {"resource": "mcpservers", "name": "github"},
        "taskRunRef": {"name": "hello-1"},
        "digest": "sha256:" + "0" * 64,
        "choices": ["Approve", "Reject"],
    }
    return HumanRequest.from_wire(
        {
            "metadata": {"name": name, "namespace": "default", "creationTimestamp": at(-20)},
            "spec": {"request": spec | asked},
            "status": {"phase": "Open"},
        }
    )
