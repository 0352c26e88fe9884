"""Runs that an earlier release left in the middle, and conversations of people, go on or end with a true reason."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from kubechain.api.taskrun import TaskRun, TaskRunPhase
from kubechain.controllers import resources
from kubechain.llm.fake import FakeLLMClient, answer
from test.controllers.test_durability import is_over
from test.controllers.test_tool_turns import ADD
from test.controllers.world import NAMESPACE, World, a_world

ROOT = f"/apis/kubechain.humanlayer.dev/v1alpha1/namespaces/{NAMESPACE}"
QUESTION = [{"role": "system", "content": "You are helpful."}, {"role": "user", "content": "1 + 2, 3 + 4?"}]


def asked(*ids: str) -> dict[str, Any]:
    function = {"name": "add", "arguments": '{"a": 1, "b": 2}'}
    return {"role": "assistant", "toolCalls": [{"id": one, "type": "function", "function": function} for one in ids]}


def answered(call_id: str) -> dict[str, Any]:
    return {"role": "tool", "toolCallId": call_id, "content": f"result of {call_id}"}


SUCCEEDED = {"phase": "Succeeded", "status": "Succeeded", "result": "3"}

HANDED_OVER: dict[str, tuple[str, Sequence[Any], Mapping[str, Any], str]] = {
    "before the model was asked": ("ReadyForLLM", QUESTION, {}, ""),
    "while the model was asked": ("SendContextWindowToLLM", QUESTION, {}, ""),
    "after a failure of the model": ("ErrorBackoff", QUESTION, {}, ""),
    "calls that are over": ("ToolCallsPending", [*QUESTION, asked("a", "b")], {"a": SUCCEEDED, "b": SUCCEEDED}, "3"),
    "calls that wait": ("ToolCallsPending", [*QUESTION, asked("a")], {"a": {}}, "3"),
    "a call that was begun": ("ToolCallsPending", [*QUESTION, asked("a")], {"a": {"phase": "Running"}}, "unknown"),
    "calls that are partly answered": (
        "ToolCallsPending",
        [*QUESTION, asked("a", "b"), answered("a")],
        {"a": SUCCEEDED, "b": SUCCEEDED},
        "3",
    ),
    "calls that are answered": ("ReadyForLLM", [*QUESTION, asked("a"), answered("a")], {"a": SUCCEEDED}, "result of a"),
    "an unanswered call in another phase": ("ReadyForLLM", [*QUESTION, asked("a")], {"a": SUCCEEDED}, "3"),
}
"""Phase, conversation, statuses of the calls by id, what the last tool message says."""


async def put_status(world: World, plural: str, name: str, status: Mapping[str, Any]) -> dict[str, Any]:
    found = json.loads(await world.client.request("GET", f"{ROOT}/{plural}/{name}"))
    body = json.dumps(found | {"status": status}).encode()
    return json.loads(await world.client.request("PUT", f"{ROOT}/{plural}/{name}/status", body=body))


async def handed_over(world: World, phase: str, window: Sequence[Any], calls: Mapping[str, Any]) -> None:
    """A run as an earlier release left it, before this one starts."""
    await world.apply_walk_through(tools=[{"name": "add"}])
    await world.apply("tools", {"metadata": {"name": "add"}, "spec": ADD})
    spec: dict[str, Any] = {"agentRef": {"name": "my-assistant"}, "userMessage": "1 + 2, 3 + 4?"}
    await world.apply("taskruns", {"metadata": {"name": "old"}, "spec": spec})
    status = {"phase": phase, "status": "Ready", "ready": True, "contextWindow": window}
    run = await put_status(world, "taskruns", "old", status)
    owner = {key: run[key] for key in ("apiVersion", "kind")} | {"name": "old", "uid": run["metadata"]["uid"]}
    for number, (call_id, call_status) in enumerate(calls.items()):
        spec = {"toolCallId": call_id, "taskRunRef": {"name": "old"}, "toolRef": {"name": "add"}}
        spec["arguments"] = '{"a": 1, "b": 2}'
        name = f"old-tc-{number}"
        metadata = {"name": name, "ownerReferences": [owner | {"controller": True}]}
        await world.apply("taskruntoolcalls", {"metadata": metadata, "spec": spec})
        if call_status:
            await put_status(world, "taskruntoolcalls", name, call_status)


def assert_every_call_is_answered(run: TaskRun) -> None:
    window = run.status.context_window
    wanted = [call.id for message in window for call in message.tool_calls]
    assert [message.tool_call_id for message in window if message.role == "tool"] == wanted


@pytest.mark.parametrize("left", HANDED_OVER)
async def test_a_run_of_an_earlier_release_goes_on_from_its_calls(left: str) -> None:
    phase, window, calls, result = HANDED_OVER[left]
    model = FakeLLMClient(answer("It is 3 and 7."))
    async with a_world() as world:
        await handed_over(world, phase, window, calls)
        world.replica(model)
        run = await world.until(is_over, "old")
        assert run.status.output == "It is 3 and 7."
        assert_every_call_is_answered(run)
        tools = [message.content for message in run.status.context_window if message.role == "tool"]
        assert result in (tools[-1] if tools else "")
        assert run.status.context_window[: len(window)] == tuple(
            type(run.status.context_window[0]).model_validate(one) for one in window
        )
        assert len(await world.client.list(resources.TOOL_CALLS, NAMESPACE)) == len(calls), "none is made again"


async def test_a_run_whose_calls_are_lost_fails_and_asks_no_model() -> None:
    model = FakeLLMClient(answer("never"))
    async with a_world() as world:
        await handed_over(world, "ToolCallsPending", [*QUESTION, asked("a", "b")], {"a": SUCCEEDED})
        world.replica(model)
        run = await world.until(is_over, "old")
        assert run.status.phase == TaskRunPhase.FAILED
        assert '"b" of tool "add"' in (run.status.error or "")
        assert model.calls == []


@pytest.mark.parametrize(
    "window",
    [
        pytest.param([*QUESTION, asked("a")], id="at the end"),
        pytest.param([*QUESTION, asked("a"), {"role": "user", "content": "Well?"}], id="in the middle"),
        pytest.param([*QUESTION, asked("a", "b"), answered("b")], id="one of two"),
    ],
)
async def test_a_persons_conversation_with_an_unanswered_call_fails_and_asks_no_model(window: list[Any]) -> None:
    model = FakeLLMClient(answer("never"))
    async with a_world() as world:
        world.replica(model)
        await world.apply_walk_through()
        spec = {"agentRef": {"name": "my-assistant"}, "contextWindow": window, "userMessage": "Go on."}
        await world.apply("taskruns", {"metadata": {"name": "fork"}, "spec": spec})
        run = await world.until(is_over, "fork")
        assert run.status.phase == TaskRunPhase.FAILED
        assert '"a" of tool "add"' in (run.status.error or "")
        assert model.calls == []
