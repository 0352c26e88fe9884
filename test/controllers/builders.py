"""Objects as tests need them: valid, ready, and different only in what a test names."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from kubechain.api.agent import Agent, AgentSpec
from kubechain.api.llm import LLM, LLMParameters, LLMProvider, LLMSpec
from kubechain.api.message import Message, ToolCall, ToolCallFunction
from kubechain.api.meta import ObjectMeta, StatusType, owner_reference
from kubechain.api.references import LocalObjectReference, SecretKeyRef, SecretKeySource
from kubechain.api.task import Task, TaskSpec
from kubechain.api.taskrun import LLMClaim, Pinned, TaskRun, TaskRunPhase, TaskRunSpec
from kubechain.api.usage import Usage
from kubechain.controllers.spending import SpendingReader
from kubechain.controllers.taskrun.budgets import Budget
from kubechain.controllers.taskrun.claims import claim_for
from kubechain.controllers.taskrun.observe import Observed
from kubechain.llm.client import Completion

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
NAMESPACE = "default"
TASK_UID = "11111111-1111-1111-1111-111111111111"
RUN_UID = "22222222-2222-2222-2222-222222222222"
ME = "pod-a_me"
QUESTION = "What is the capital of the moon?"


class Shelf:
    """A lister over a few objects."""

    def __init__(self, *objects: Any) -> None:
        self._by_name = {obj.metadata.name: obj for obj in objects}

    def get(self, namespace: str, name: str) -> Any:
        return self._by_name.get(name)


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def meta(name: str, **changes: Any) -> ObjectMeta:
    values: dict[str, Any] = {
        "name": name,
        "namespace": NAMESPACE,
        "uid": str(uuid.uuid5(uuid.NAMESPACE_DNS, name)),
        "generation": 1,
        "resource_version": "10",
    }
    return ObjectMeta(**(values | changes))


def an_llm(name: str = "gpt-4o", *, status: StatusType | None = StatusType.READY, **spec: Any) -> LLM:
    values: dict[str, Any] = {
        "provider": LLMProvider.OPENAI,
        "api_key_from": SecretKeySource(secret_key_ref=SecretKeyRef(name="openai", key="OPENAI_API_KEY")),
        "parameters": LLMParameters(),
    }
    llm = LLM(metadata=meta(name), spec=LLMSpec(**(values | spec)))
    return llm.with_status(status=status, ready=status == StatusType.READY, status_detail="as it is")


def an_agent(name: str = "my-assistant", *, status: StatusType | None = StatusType.READY, **spec: Any) -> Agent:
    values: dict[str, Any] = {"llm_ref": LocalObjectReference(name="gpt-4o"), "system": "You are helpful."}
    agent = Agent(metadata=meta(name), spec=AgentSpec(**(values | spec)))
    return agent if status is None else agent.with_status(status=status, ready=status == StatusType.READY)


def a_task(name: str = "hello", *, status: StatusType | None = StatusType.READY, **spec: Any) -> Task:
    values: dict[str, Any] = {"agent_ref": LocalObjectReference(name="my-assistant"), "message": QUESTION}
    task = Task(metadata=meta(name, uid=TASK_UID), spec=TaskSpec(**(values | spec)))
    return task if status is None else task.with_status(status=status, ready=status == StatusType.READY)


def messages(*contents: str) -> tuple[Message, ...]:
    """System, user, then assistant and user in turn."""
    roles = ("system", "user", *("assistant", "user") * len(contents))
    return tuple(
        Message.model_validate({"role": role, "content": content})
        for role, content in zip(roles, contents, strict=False)
    )


def a_run(
    name: str = "hello-1", *, phase: TaskRunPhase | None = None, spec: dict[str, Any] | None = None, **status: Any
) -> TaskRun:
    """A run of the Task `hello`, made by it; past its beginning when a phase after Pending is given."""
    values: dict[str, Any] = {"task_ref": LocalObjectReference(name="hello")} | (spec or {})
    run = TaskRun(
        metadata=meta(name, uid=RUN_UID, owner_references=(owner_reference(a_task()),)), spec=TaskRunSpec(**values)
    )
    if phase in (None, TaskRunPhase.INITIALIZING, TaskRunPhase.PENDING):
        return run.with_status(phase=phase, **status)
    begun: dict[str, Any] = {
        "phase": phase,
        "pinned": Pinned(agent_name="my-assistant", llm_name="gpt-4o"),
        "context_window": messages("You are helpful.", QUESTION),
        "start_time": NOW,
    }
    return run.with_status(**(begun | status))


def a_claim(*, attempt: int = 0, turn: int = 0, holder: str = ME, run: TaskRun | None = None) -> LLMClaim:
    return claim_for(run or a_run(), turn=turn, attempt=attempt, holder=holder, now=NOW, timeout_seconds=300)


def observed(run: TaskRun, **changes: Any) -> Observed:
    """A run in a world where everything is ready."""
    values: dict[str, Any] = {"task": a_task(), "agent": an_agent(), "llm": an_llm(), "now": NOW} | changes
    limits = values["agent"].spec.limits if values["agent"] else None
    own = Budget("", limits, SpendingReader(Shelf(), Shelf()).of_tree(run))
    values.setdefault("budgets", (own,))
    return Observed(run=run, **values)


def a_call(name: str, arguments: str = "{}", *, call_id: str = "call_1") -> ToolCall:
    return ToolCall(id=call_id, function=ToolCallFunction(name=name, arguments=arguments))


def an_answer(content: str = "It has none.", *calls: ToolCall) -> Completion:
    return Completion(
        message=Message(role="assistant", content=content, tool_calls=calls),
        usage=Usage(input_tokens=10, output_tokens=5, total_tokens=15, model_calls=1),
        finish_reason="tool_calls" if calls else "stop",
        model="gpt-4o",
    )
