"""Answers that must match a schema: right ones, wrong ones, and schemas that nothing can match."""

from __future__ import annotations

from typing import Any

import pytest

from kubechain.api import conditions, reasons
from kubechain.api.meta import StatusType
from kubechain.api.taskrun import TaskRun, TaskRunPhase
from kubechain.controllers import resources
from kubechain.controllers.taskrun.typed import ASKED_AGAIN_MAX
from kubechain.llm.fake import FakeLLMClient, answer, calls
from test.controllers.builders import a_call
from test.controllers.test_durability import is_over
from test.controllers.test_tool_turns import ADD
from test.controllers.world import NAMESPACE, World, a_world

CITY: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "people": {"type": "integer"}, "mayor": {"type": ["string", "null"]}},
    "required": ["city"],
    "additionalProperties": False,
}
RIGHT = '{"city": "Moonville", "people": 3, "mayor": null}'
RESULT = {"city": "Moonville", "people": 3, "mayor": None}
WRONG = '{"city": 7}'
PROBLEM = '$.city: 7 is not of type "string"'


async def ended(model: FakeLLMClient, *, task: dict[str, Any] | None = None, **agent: Any) -> tuple[World, TaskRun]:
    async with a_world() as world:
        world.replica(model)
        await world.apply("tools", {"metadata": {"name": "add"}, "spec": ADD})
        await world.apply_walk_through(**agent)
        await world.apply_task(**(task or {}))
        run = await world.until(is_over)
        return world, run


@pytest.mark.parametrize(
    ("task", "agent"),
    [
        pytest.param({"outputSchema": CITY}, {}, id="of the Task"),
        pytest.param({}, {"outputSchema": CITY}, id="of the Agent"),
        pytest.param({"outputSchema": CITY}, {"outputSchema": {"type": "object", "required": ["x"]}}, id="of both"),
    ],
)
async def test_the_answer_is_a_result_and_text(task: dict[str, Any], agent: dict[str, Any]) -> None:
    model = FakeLLMClient(answer(RIGHT))
    _, run = await ended(model, task=task, **agent)
    assert (run.status.phase, run.status.result, run.status.output) == (TaskRunPhase.FINAL_ANSWER, RESULT, RIGHT)
    assert conditions.is_true(run.status.conditions, conditions.SUCCEEDED)
    assert [call.output_schema for call in model.calls] == [CITY]


async def test_an_answer_without_a_schema_has_no_result() -> None:
    model = FakeLLMClient(answer(RIGHT))
    _, run = await ended(model)
    assert (run.status.result, run.status.output) == (None, RIGHT)
    assert model.calls[0].output_schema is None


async def test_the_task_says_the_result_of_its_run() -> None:
    async with a_world() as world:
        world.replica(FakeLLMClient(answer(RIGHT)))
        await world.apply_walk_through()
        await world.apply_task(outputSchema=CITY)
        task = await world.task_until(lambda task: bool(task.status.output))
        assert (task.status.result, task.status.output) == (RESULT, RIGHT)


async def test_a_wrong_answer_is_sent_back_with_the_reason() -> None:
    model = FakeLLMClient(answer(WRONG), answer(RIGHT))
    _, run = await ended(model, task={"outputSchema": CITY})
    assert (run.status.phase, run.status.result) == (TaskRunPhase.FINAL_ANSWER, RESULT)
    assert (run.status.turn, run.status.mismatch_count) == (2, 1)
    asked = model.calls[1].messages[-1]
    assert (asked.role, PROBLEM in asked.content) == ("user", True)
    assert [message.role for message in run.status.context_window][2:] == ["assistant", "user", "assistant"]
    assert run.status.usage is not None
    assert run.status.usage.model_calls == 2


async def test_a_model_that_never_matches_is_asked_a_bounded_number_of_times_and_its_text_is_kept() -> None:
    model = FakeLLMClient(answer("It has none."), answer(WRONG))
    _, run = await ended(model, task={"outputSchema": CITY})
    assert len(model.calls) == 1 + ASKED_AGAIN_MAX
    assert (run.status.phase, run.status.result, run.status.output) == (TaskRunPhase.FAILED, None, WRONG)
    assert run.status.error == f"3 answers of the model do not match outputSchema, the last one: {PROBLEM}"
    succeeded = conditions.find_condition(run.status.conditions, conditions.SUCCEEDED)
    assert succeeded is not None
    assert (succeeded.status, succeeded.reason) == ("False", reasons.OUTPUT_MISMATCH)
    assert run.status.context_window[-1].content == WRONG


async def test_the_limit_of_turns_holds_for_answers_that_are_sent_back() -> None:
    model = FakeLLMClient(answer(WRONG))
    _, run = await ended(model, task={"outputSchema": CITY}, limits={"maxTurns": 2})
    assert len(model.calls) == 2
    succeeded = conditions.find_condition(run.status.conditions, conditions.SUCCEEDED)
    assert succeeded is not None
    assert succeeded.reason == reasons.LIMIT_EXCEEDED


async def test_tools_are_called_before_and_after_an_answer_that_is_sent_back() -> None:
    add = calls(a_call("add", '{"a": 2, "b": 3}'))
    model = FakeLLMClient(add, answer("five"), calls(a_call("add", '{"a": 3, "b": 3}', call_id="c2")), answer(RIGHT))
    _, run = await ended(model, task={"outputSchema": CITY}, tools=[{"name": "add"}])
    assert (run.status.phase, run.status.result) == (TaskRunPhase.FINAL_ANSWER, RESULT)
    assert all([tool.name for tool in call.tools] == ["add"] for call in model.calls)


async def test_another_agent_reads_the_result_alone() -> None:
    down = calls(a_call("delegate_to_agent__scout", '{"message": "Go and see."}'))
    model = FakeLLMClient(down, answer(f"```json\n{RIGHT}\n```"), answer("seen"))
    async with a_world() as world:
        world.replica(model)
        spec = {"llmRef": {"name": "gpt-4o"}, "system": "You look at things.", "outputSchema": CITY}
        await world.apply("agents", {"metadata": {"name": "scout"}, "spec": spec})
        await world.apply_walk_through(subAgents=[{"name": "scout"}])
        await world.apply_task()
        run = await world.until(is_over)
        assert run.status.output == "seen"
        (call,) = await world.client.list(resources.TOOL_CALLS, NAMESPACE)
        assert call.status.result == '{"city":"Moonville","people":3,"mayor":null}'


async def test_an_agent_with_a_schema_that_nothing_is_validated_against_is_not_ready() -> None:
    async with a_world() as world:
        world.replica(FakeLLMClient(answer(RIGHT)))
        await world.apply_walk_through(outputSchema={"type": "object", "properties": {"x": {"$ref": "http://a/b"}}})
        agent = await world.agent_until(lambda agent: agent.status.status == StatusType.ERROR)
        assert agent.status.status_detail.startswith('spec.outputSchema: $.properties.x["$ref"]: must begin with #/')


async def test_a_task_with_such_a_schema_makes_no_run_until_it_is_edited() -> None:
    async with a_world() as world:
        world.replica(FakeLLMClient(answer(RIGHT)))
        await world.apply_walk_through()
        await world.apply_task(outputSchema={"type": "string"})
        task = await world.task_until(lambda task: task.status.status == StatusType.ERROR)
        assert task.status.status_detail == "spec.outputSchema: must describe an object, not string"
        await world.client.patch(resources.TASKS, NAMESPACE, "hello", {"spec": {"outputSchema": None}})
        run = await world.until(is_over)
        assert run.status.phase == TaskRunPhase.FINAL_ANSWER


async def test_a_run_with_such_a_schema_fails_before_its_model_is_called() -> None:
    async with a_world() as world:
        model = FakeLLMClient(answer(RIGHT))
        world.replica(model)
        await world.apply_walk_through()
        spec = {"agentRef": {"name": "my-assistant"}, "userMessage": "Hi", "outputSchema": {"type": "string"}}
        await world.apply("taskruns", {"metadata": {"name": "alone"}, "spec": spec})
        run = await world.until(is_over, "alone")
        assert run.status.error == "spec.outputSchema: must describe an object, not string"
        assert model.calls == []


async def test_an_edit_of_the_agent_does_not_change_the_schema_of_a_run_that_has_begun() -> None:
    model = FakeLLMClient(answer(RIGHT))
    async with a_world() as world:
        world.replica(model)
        model.hold()
        await world.apply_walk_through(outputSchema=CITY)
        await world.apply_task()
        await model.wait_for_calls(1)
        await world.client.patch(resources.AGENTS, NAMESPACE, "my-assistant", {"spec": {"outputSchema": None}})
        model.release()
        run = await world.until(is_over)
        assert run.status.result == RESULT
