"""Reading is lenient and lossless, writing is exact."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from kubechain.api.agent import Agent
from kubechain.api.kinds import ALL_KINDS, Kind
from kubechain.api.llm import LLM
from kubechain.api.message import Message, ToolCall, ToolCallFunction
from kubechain.api.meta import ObjectMeta, owner_reference, wire_name
from kubechain.api.references import LocalObjectReference
from kubechain.api.task import Task, TaskSpec
from kubechain.api.taskrun import LLMClaim, TaskRun, TaskRunPhase, TaskRunSpec, TaskRunStatus

NOON = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)


def a_task_run(**status: Any) -> TaskRun:
    run = TaskRun(
        metadata=ObjectMeta(name="hello-1", namespace="default", uid="u1"),
        spec=TaskRunSpec(task_ref=LocalObjectReference(name="hello")),
    )
    return run.with_status(**status) if status else run


STORED: dict[str, Any] = {
    "apiVersion": "kubechain.humanlayer.dev/v1alpha1",
    "kind": "TaskRun",
    "metadata": {
        "name": "hello-1",
        "namespace": "default",
        "resourceVersion": "17",
        "creationTimestamp": "2026-03-01T12:00:00Z",
        "managedFields": [{"manager": "kubectl", "fieldsV1": {"f:spec": {}}}],
        "selfLink": "/somewhere",
    },
    "spec": {"taskRef": {"name": "hello", "fromTheFuture": 1}, "alsoNew": {"deep": [None, {"x": None}]}},
    "status": {
        "phase": "SendContextWindowToLLM",
        "turn": 0,
        "contextWindow": [{"role": "user", "content": "", "newer": True}],
        "llm": {
            "turn": 0,
            "attempt": 0,
            "token": "t",
            "holder": "pod_uuid",
            "startedAt": "2026-03-01T12:00:00.000000Z",
            "deadline": "2026-03-01T12:05:00.500000Z",
        },
        "spanContext": {"traceID": "aa", "spanID": "bb"},
        "unheardOf": {"a": "b"},
    },
}


@pytest.mark.parametrize(
    "read", [STORED, json.dumps(STORED), json.dumps(STORED).encode()], ids=["dict", "text", "bytes"]
)
def test_what_is_read_is_written_back_byte_for_byte(read: Any) -> None:
    run = TaskRun.from_wire(read)
    assert run.to_wire() == STORED
    assert json.loads(run.to_json()) == STORED


def test_unknown_fields_survive_a_change_of_the_status() -> None:
    run = TaskRun.from_wire(STORED).with_status(turn=1)
    assert run.to_wire() == STORED | {"status": STORED["status"] | {"turn": 1}}


def test_an_object_that_was_made_here_says_what_it_is_and_nothing_that_nobody_set() -> None:
    assert a_task_run().to_wire() == {
        "apiVersion": "kubechain.humanlayer.dev/v1alpha1",
        "kind": "TaskRun",
        "metadata": {"name": "hello-1", "namespace": "default", "uid": "u1"},
        "spec": {"taskRef": {"name": "hello"}},
    }


def test_a_value_that_equals_its_default_is_written_when_it_was_set() -> None:
    assert a_task_run(turn=0, ready=False, context_window=()).to_wire()["status"] == {
        "turn": 0,
        "ready": False,
        "contextWindow": [],
    }


def test_none_takes_a_field_away() -> None:
    assert "error" not in a_task_run(error="broken").with_status(error=None).to_wire()["status"]


def test_a_status_that_was_never_written_is_empty_and_not_none() -> None:
    assert a_task_run().status == TaskRunStatus()
    assert a_task_run().status.phase is None


def test_with_status_refuses_a_field_that_does_not_exist() -> None:
    with pytest.raises(TypeError, match="has no field fase"):
        a_task_run(fase="Failed")


def test_with_status_refuses_a_value_of_the_wrong_type() -> None:
    with pytest.raises(ValidationError):
        a_task_run(phase="Sleeping")


def test_with_status_leaves_the_original_alone() -> None:
    run = a_task_run(phase=TaskRunPhase.PENDING)
    run.with_status(phase=TaskRunPhase.FAILED)
    assert run.status.phase is TaskRunPhase.PENDING


def test_objects_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        a_task_run().metadata.__setattr__("name", "other")


def test_reading_does_not_enforce_bounds_that_the_server_holds() -> None:
    stored = {"metadata": {"name": "old"}, "spec": {"llmRef": {"name": ""}, "system": ""}}
    assert Agent.from_wire(stored).spec.system == ""


def test_a_snake_case_name_on_the_wire_is_an_unknown_field() -> None:
    run = TaskRun.from_wire({"metadata": {"name": "x"}, "spec": {"task_ref": {"name": "y"}}})
    assert run.spec.task_ref is None


TIMES = {
    "already in UTC": NOON,
    "in another zone": NOON.astimezone(timezone(timedelta(hours=5, minutes=30))),
}


@pytest.mark.parametrize("time", TIMES.values(), ids=TIMES.keys())
def test_a_time_is_written_in_whole_seconds(time: datetime) -> None:
    run = a_task_run(start_time=time)
    assert run.status.start_time == NOON.replace(microsecond=0)
    assert run.to_wire()["status"]["startTime"] == "2026-03-01T12:00:00Z"


@pytest.mark.parametrize("time", TIMES.values(), ids=TIMES.keys())
def test_a_micro_time_is_written_with_six_digits(time: datetime) -> None:
    claim = LLMClaim(turn=0, attempt=0, token="t", holder="h", started_at=time, deadline=NOON.replace(microsecond=0))
    assert claim.to_wire()["startedAt"] == "2026-03-01T12:00:00.123456Z"
    assert claim.to_wire()["deadline"] == "2026-03-01T12:00:00.000000Z"


@given(st.datetimes(min_value=datetime(1970, 1, 2), max_value=datetime(9999, 12, 30), timezones=st.just(UTC)))
def test_what_a_time_is_in_memory_is_what_is_read_back(time: datetime) -> None:
    run = a_task_run(start_time=time, next_attempt_at=time)
    again = TaskRun.from_wire(run.to_json())
    assert again.status == run.status
    assert again.to_json() == run.to_json()


IRREGULAR = {
    "api_key_from": "apiKeyFrom",
    "channel_or_user_id": "channelOrUserID",
    "allowed_responder_ids": "allowedResponderIDs",
    "tool_call_request_id": "toolCallRequestId",
    "tool_call_id": "toolCallId",
    "external_call_id": "externalCallID",
    "call_id": "callID",
    "trace_id": "traceID",
    "user_msg_preview": "userMsgPreview",
    "valid_mcp_servers": "validMCPServers",
    "mcp_servers": "mcpServers",
    "external_api": "externalAPI",
    "everything_that_happened_so_far": "everythingThatHappenedSoFar",
    "task_run_tool_call_ref": "taskRunToolCallRef",
    "base_url": "baseUrl",
    "top_p": "topP",
    "args_sha": "argsSha",
}


@pytest.mark.parametrize(("attribute", "wire"), IRREGULAR.items(), ids=IRREGULAR.keys())
def test_wire_names_are_exact(attribute: str, wire: str) -> None:
    assert wire_name(attribute) == wire


def test_the_type_of_a_tool_call_is_always_spelled_out() -> None:
    message = Message(
        role="assistant",
        tool_calls=(ToolCall(id="call_1", function=ToolCallFunction(name="add", arguments='{"a": 1}')),),
    )
    assert message.to_wire() == {
        "role": "assistant",
        "toolCalls": [{"id": "call_1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}],
    }


def test_an_owner_blocks_its_own_deletion_only_when_it_controls() -> None:
    task = Task(
        metadata=ObjectMeta(name="hello", uid="u9"),
        spec=TaskSpec(agent_ref=LocalObjectReference(name="a"), message="m"),
    )
    assert owner_reference(task).to_wire() == {
        "apiVersion": "kubechain.humanlayer.dev/v1alpha1",
        "kind": "Task",
        "name": "hello",
        "uid": "u9",
        "controller": True,
        "blockOwnerDeletion": True,
    }
    assert owner_reference(task, controller=False).controller is False


@pytest.mark.parametrize("kind", ALL_KINDS, ids=lambda kind: kind.kind)
def test_each_model_says_its_own_kind(kind: Kind[Any]) -> None:
    assert kind.model.model_fields["kind"].default == kind.kind


def test_a_model_that_is_not_named_is_the_llms_own_name() -> None:
    named = LLM.from_wire({"metadata": {"name": "gpt-4o"}, "spec": {"provider": "openai"}})
    assert named.model_name == "gpt-4o"
    other = {"metadata": {"name": "mine"}, "spec": {"provider": "openai", "parameters": {"model": "gpt-4.1"}}}
    assert LLM.from_wire(other).model_name == "gpt-4.1"
