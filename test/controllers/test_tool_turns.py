"""Runs that use tools: every call an object, every answer back in order, nothing lost and nothing doubled."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kubechain.api.taskrun import TaskRun, TaskRunPhase
from kubechain.api.taskruntoolcall import TaskRunToolCall, ToolCallPhase
from kubechain.controllers import plan, resources
from kubechain.llm.fake import FakeLLMClient, answer, calls
from test.controllers.builders import NOW, a_call
from test.controllers.test_durability import is_over
from test.controllers.world import NAMESPACE, Harm, Point, World, a_world

ADD = {
    "description": "Adds two numbers.",
    "parameters": {
        "type": "object",
        "properties": {"a": {"type": "number"}, "b": {"type": "number"}},
        "required": ["a", "b"],
    },
    "execute": {"builtin": {"name": "add"}},
    "toolType": "function",
}


async def started(world: World, model: FakeLLMClient, *points: Point, tool: dict[str, Any] | None = None) -> None:
    replica = world.replica(model)
    replica.exchange.points.extend(points)
    await world.apply_walk_through(tools=[{"name": "add"}], planning=True)
    await world.apply("tools", {"metadata": {"name": "add"}, "spec": tool or ADD})
    await world.apply_task()


async def calls_of(world: World) -> list[TaskRunToolCall]:
    found = await world.client.list(resources.TOOL_CALLS, "default")
    return sorted(found, key=lambda call: call.metadata.name)


def tool_answers(run: TaskRun) -> list[tuple[str | None, str]]:
    return [(message.tool_call_id, message.content) for message in run.status.context_window if message.role == "tool"]


async def test_a_tool_call_is_made_carried_out_and_answered() -> None:
    model = FakeLLMClient(calls(a_call("add", '{"a": 2, "b": 3}')), answer("five"))
    async with a_world() as world:
        await started(world, model)
        run = await world.until(is_over)
        assert (run.status.phase, run.status.output) == (TaskRunPhase.FINAL_ANSWER, "five")
        assert [message.role for message in run.status.context_window] == [
            "system",
            "user",
            "assistant",
            "tool",
            "assistant",
        ]
        assert tool_answers(run) == [("call_1", "5")]
        (call,) = await calls_of(world)
        assert call.metadata.name == "hello-1-t0-c0"
        assert (call.status.phase, call.status.result) == (ToolCallPhase.SUCCEEDED, "5")
        assert call.spec.arguments == '{"a": 2, "b": 3}'
        assert call.spec.tool_type == "function"
        assert [definition.name for definition in model.calls[0].tools] == ["add", plan.NAME]


async def test_a_call_of_a_function_costs_two_writes_and_its_turn_two() -> None:
    model = FakeLLMClient(calls(a_call("add", '{"a": 2, "b": 3}')), answer("five"))
    async with a_world() as world:
        await started(world, model)
        await world.until(is_over)
        writes = [line for line in world.replicas[0].exchange.writes if "/taskrun" in line]
        assert len(writes) == 1 + 2 + (2 + 2), writes


@pytest.mark.parametrize("count", [3, 8])
async def test_parallel_calls_of_functions_cost_two_writes_each_and_are_answered_in_order(count: int) -> None:
    asked = [a_call("add", f'{{"a": {idx}, "b": 0}}', call_id=f"id-{idx}") for idx in range(count)]
    model = FakeLLMClient(calls(*asked), answer("done"))
    async with a_world() as world:
        await started(world, model)
        run = await world.until(is_over)
        assert tool_answers(run) == [(f"id-{idx}", str(idx)) for idx in range(count)]
        writes = [line for line in world.replicas[0].exchange.writes if "/taskrun" in line]
        assert len(writes) == 1 + 2 + (2 + 2 * count), writes


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        pytest.param("frobnicate", "{}", 'there is no tool named "frobnicate"', id="a tool that does not exist"),
        pytest.param("add", "{", "JSON", id="arguments that are not JSON"),
        pytest.param("add", '{"a": "x", "b": 1}', "$.a", id="arguments that do not fit the schema"),
        pytest.param("add", "", "$", id="no arguments where some are needed"),
    ],
)
async def test_a_bad_call_is_answered_to_the_model(name: str, arguments: str, expected: str) -> None:
    model = FakeLLMClient(calls(a_call(name, arguments)), answer("sorry"))
    async with a_world() as world:
        await started(world, model)
        run = await world.until(is_over)
        assert run.status.output == "sorry"
        ((_, text),) = tool_answers(run)
        assert text.startswith("error: ")
        assert expected in text
        (call,) = await calls_of(world)
        assert call.status.phase == ToolCallPhase.FAILED


async def test_an_error_of_the_tool_is_an_answer() -> None:
    divide = ADD | {"execute": {"builtin": {"name": "divide"}}}
    model = FakeLLMClient(calls(a_call("add", '{"a": 1, "b": 0}')), answer("cannot"))
    async with a_world() as world:
        await started(world, model, tool=divide)
        run = await world.until(is_over)
        ((_, text),) = tool_answers(run)
        assert "division by zero" in text


async def test_two_hundred_calls_in_a_turn_are_all_answered() -> None:
    asked = [a_call("add", f'{{"a": {idx}, "b": 1}}', call_id=f"id-{idx}") for idx in range(200)]
    model = FakeLLMClient(calls(*asked), answer("done"))
    async with a_world() as world:
        await started(world, model)
        run = await world.until(is_over)
        assert [text for _, text in tool_answers(run)] == [str(idx + 1) for idx in range(200)]


async def test_more_calls_than_a_turn_may_have_end_the_run_with_the_reason() -> None:
    asked = [a_call("add", "{}", call_id=f"id-{idx}") for idx in range(300)]
    async with a_world() as world:
        await started(world, FakeLLMClient(calls(*asked), answer("done")))
        run = await world.until(is_over)
        assert run.status.phase == TaskRunPhase.FAILED
        assert "300 tool calls at once" in (run.status.error or "")


async def test_a_plan_ends_in_the_status_of_the_run() -> None:
    steps = '{"steps": [{"step": "look", "status": "Completed"}, {"step": "tell", "status": "Pending"}]}'
    model = FakeLLMClient(calls(a_call(plan.NAME, steps)), answer("done"))
    async with a_world() as world:
        await started(world, model)
        run = await world.until(is_over)
        assert [(step.step, step.status) for step in run.status.plan] == [("look", "Completed"), ("tell", "Pending")]
        assert tool_answers(run) == [("call_1", "Plan updated: 1 of 2 steps completed.")]


async def test_a_message_to_a_running_agent_is_read_once_and_before_it_is_done() -> None:
    model = FakeLLMClient(answer("first"), answer("second"))
    model.hold()
    async with a_world() as world:
        await started(world, model)
        await model.wait_for_calls(1)
        await world.patch_run({"spec": {"messages": [{"content": "And what about Mars?"}]}})
        model.release()
        run = await world.until(is_over)
        contents = [message.content for message in run.status.context_window]
        assert contents[2:] == ["first", "And what about Mars?", "second"]
        assert run.status.messages_read == 1
        assert run.status.output == "second"


async def test_an_agent_delegates_and_takes_the_answer() -> None:
    # Both agents think with one model: the parent delegates, the child answers, the parent concludes.
    delegation = calls(a_call("delegate_to_agent__scout", '{"message": "Go and see."}'))
    model = FakeLLMClient(delegation, answer("I saw it."), answer("It is there."))
    async with a_world() as world:
        world.replica(model)
        await world.apply_walk_through(subAgents=[{"name": "scout"}])
        spec = {"llmRef": {"name": "gpt-4o"}, "system": "You look at things."}
        await world.apply("agents", {"metadata": {"name": "scout"}, "spec": spec})
        await world.apply_task()
        run = await world.until(is_over)
        assert run.status.output == "It is there."
        assert tool_answers(run) == [("call_1", "I saw it.")]
        child = await world.run("hello-1-t0-c0-run")
        assert [message.content for message in child.status.context_window] == [
            "You look at things.",
            "Go and see.",
            "I saw it.",
        ]


async def test_cancelling_the_parent_cancels_the_tree() -> None:
    delegation = calls(a_call("delegate_to_agent__scout", '{"message": "Go and see."}'))
    model = FakeLLMClient(delegation, answer("too late"), latency_seconds=10)
    async with a_world() as world:
        world.replica(model)
        await world.apply_walk_through(subAgents=[{"name": "scout"}])
        spec = {"llmRef": {"name": "gpt-4o"}, "system": "You look at things."}
        await world.apply("agents", {"metadata": {"name": "scout"}, "spec": spec})
        await world.apply_task()
        await model.wait_for_calls(2)
        await world.patch_run({"spec": {"cancel": True}})
        assert (await world.until(is_over)).status.phase == TaskRunPhase.CANCELLED
        child = await world.until(is_over, "hello-1-t0-c0-run")
        assert child.status.phase == TaskRunPhase.CANCELLED


SCOUT = {"llmRef": {"name": "gpt-4o"}, "system": "You look at things."}


async def delegating(world: World, model: FakeLLMClient) -> None:
    world.replica(model)
    await world.apply_walk_through(subAgents=[{"name": "scout"}])
    await world.apply("agents", {"metadata": {"name": "scout"}, "spec": SCOUT})
    await world.apply_task()


async def test_a_deleted_run_of_another_agent_is_reported_and_never_started_again() -> None:
    delegation = calls(a_call("delegate_to_agent__scout", '{"message": "Go and see."}'))
    model = FakeLLMClient(delegation, answer("too late"), latency_seconds=10)
    async with a_world() as world:
        await delegating(world, model)
        await model.wait_for_calls(2)
        await world.client.delete(resources.TASK_RUNS, "default", "hello-1-t0-c0-run")
        run = await world.until(is_over)
        ((_, text),) = tool_answers(run)
        assert text.startswith("outcome unknown")
        assert "was deleted" in text
        assert [one.metadata.name for one in await world.client.list(resources.TASK_RUNS)] == ["hello-1"]


async def test_a_message_that_no_run_can_start_with_is_answered_to_the_model() -> None:
    delegation = calls(a_call("delegate_to_agent__scout", '{"message": "   "}'))
    async with a_world() as world:
        await delegating(world, FakeLLMClient(delegation, answer("sorry")))
        run = await world.until(is_over)
        assert run.status.output == "sorry"
        ((_, text),) = tool_answers(run)
        assert text.startswith('error: the API server refuses TaskRun "hello-1-t0-c0-run"')


async def test_a_call_that_waits_for_an_agent_goes_on_when_the_agent_is_ready() -> None:
    delegation = calls(a_call("delegate_to_agent__scout", '{"message": "Go and see."}'))
    model = FakeLLMClient(delegation, answer("I saw it."), answer("It is there."))
    model.hold()
    async with a_world() as world:
        await delegating(world, model)
        await model.wait_for_calls(1)
        await world.client.patch(resources.AGENTS, "default", "scout", {"spec": {"llmRef": {"name": "nowhere"}}})
        await world.agent_until(lambda agent: agent.metadata.name == "scout" and agent.status.status == "Error")
        model.release()
        await world.call_until(lambda call: call.status.status_detail.startswith("Waiting for agent"))
        await world.client.patch(resources.AGENTS, "default", "scout", {"spec": {"llmRef": {"name": "gpt-4o"}}})
        assert (await world.until(is_over)).status.output == "It is there."


async def test_a_plan_is_there_while_other_calls_of_its_turn_go_on_and_stays_when_the_run_is_cancelled() -> None:
    steps = '{"steps": [{"step": "look", "status": "InProgress"}]}'
    model = FakeLLMClient(calls(a_call(plan.NAME, steps), a_call("later", call_id="call_2")))
    async with a_world() as world:
        world.replica(model)
        later = {"toolType": "function", "execute": {"builtin": {"name": "current_time"}}}
        await world.apply("tools", {"metadata": {"name": "later"}, "spec": later})
        await world.apply_walk_through(planning=True, tools=[{"name": "later"}])
        model.hold()
        await world.apply_task()
        await model.wait_for_calls(1)
        broken = {"spec": {"parameters": {"type": "no such type"}}}
        await world.client.patch(resources.TOOLS, NAMESPACE, "later", broken)
        await world.tool_until(lambda tool: tool.status.status == "Error")
        model.release()
        run = await world.until(lambda run: run.status.phase == TaskRunPhase.TOOL_CALLS_PENDING)
        assert [step.step for step in run.status.plan] == ["look"]
        await world.patch_run({"spec": {"cancel": True}})
        run = await world.until(is_over)
        assert (run.status.phase, [step.step for step in run.status.plan]) == (TaskRunPhase.CANCELLED, ["look"])


async def test_a_tool_with_the_name_of_the_plan_is_a_tool_like_any_other() -> None:
    model = FakeLLMClient(calls(a_call(plan.NAME, '{"a": 2, "b": 3}')), answer("five"))
    async with a_world() as world:
        world.replica(model)
        await world.apply_walk_through(tools=[{"name": "add"}])
        await world.apply("tools", {"metadata": {"name": "add"}, "spec": ADD | {"name": plan.NAME}})
        await world.apply_task()
        run = await world.until(is_over)
        assert (run.status.output, run.status.plan) == ("five", ())


async def test_agents_that_delegate_in_a_ring_say_so() -> None:
    async with a_world() as world:
        world.replica(FakeLLMClient())
        await world.apply_walk_through(subAgents=[{"name": "scout"}])
        spec = {"llmRef": {"name": "gpt-4o"}, "system": "x", "subAgents": [{"name": "my-assistant"}]}
        await world.apply("agents", {"metadata": {"name": "scout"}, "spec": spec})
        agent = await world.agent_until(lambda agent: "ring" in agent.status.status_detail)
        assert agent.status.status_detail.endswith("my-assistant -> scout -> my-assistant")


POINTS = ("SendContextWindowToLLM", "ToolCallsPending", "FinalAnswer")
CALL_POINTS = ("Succeeded",)
"""A function is claimed and answered in one write; for other calls see `test_interrupted_calls`."""

SURVIVABLE: tuple[Harm, ...] = ("request lost", "reply lost", "409", "503")
CRASHES: tuple[Harm, ...] = ("crash before", "crash after")


@pytest.mark.parametrize("harm", SURVIVABLE)
@pytest.mark.parametrize("phase", [*POINTS, *CALL_POINTS])
async def test_a_failed_write_changes_nothing_about_a_run_with_tools(phase: str, harm: Harm) -> None:
    asked = [a_call("add", f'{{"a": {idx}, "b": 1}}', call_id=f"id-{idx}") for idx in range(2)]
    model = FakeLLMClient(calls(*asked), answer("done"))
    async with a_world() as world:
        point = Point(phase, harm)
        await started(world, model, point)
        run = await world.until(is_over)
        assert point.hits == 1
        assert run.status.output == "done"
        assert tool_answers(run) == [("id-0", "1"), ("id-1", "2")]


@pytest.mark.parametrize("harm", CRASHES)
@pytest.mark.parametrize("phase", [*POINTS, *CALL_POINTS])
async def test_the_next_manager_finishes_a_run_with_tools(phase: str, harm: Harm) -> None:
    asked = [a_call("add", f'{{"a": {idx}, "b": 1}}', call_id=f"id-{idx}") for idx in range(2)]
    first, second = FakeLLMClient(calls(*asked), answer("done")), None
    async with a_world() as world:
        await started(world, first, Point(phase, harm))
        await world.replicas[0].crashed.wait()
        asked_already = any(message.tool_calls for message in (await world.run()).status.context_window)
        second = FakeLLMClient(answer("done")) if asked_already else FakeLLMClient(calls(*asked), answer("done"))
        world.replica(second, "pod-a_2")
        run = await world.until(is_over)
        assert run.status.output == "done"
        assert tool_answers(run) == [("id-0", "1"), ("id-1", "2")]


async def test_an_unsafe_call_that_was_interrupted_is_reported_and_not_repeated() -> None:
    unsafe = ADD | {"semantics": "AtMostOnce"}
    model = FakeLLMClient(calls(a_call("add", '{"a": 2, "b": 3}')), answer("I will check."))
    async with a_world() as world:
        await started(world, model, Point("Succeeded", "crash before"), tool=unsafe)
        await world.replicas[0].crashed.wait()
        world.replica(FakeLLMClient(answer("I will check.")), "pod-a_2")
        run = await world.until(is_over)
        ((_, text),) = tool_answers(run)
        assert text.startswith("outcome unknown")
        (call,) = await calls_of(world)
        assert call.status.phase == ToolCallPhase.OUTCOME_UNKNOWN
        assert call.status.execution is not None
        assert call.status.execution.attempt == 0


async def test_a_deleted_call_without_effects_outside_is_made_again() -> None:
    model = FakeLLMClient(calls(a_call("add", '{"a": 2, "b": 3}')), answer("done"))
    async with a_world() as world:
        await started(world, model, Point("Succeeded", "503", times=30))
        call = await world.call_until(lambda call: call.status.phase is None)
        await world.client.delete(resources.TOOL_CALLS, "default", call.metadata.name)
        run = await world.until(is_over)
        ((_, text),) = tool_answers(run)
        assert text == "5"


ELSEWHERE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "elsewhere"}}
JSON_QUERY = {"description": "Queries.", "execute": {"builtin": {"name": "json_query"}}, "toolType": "function"}


async def a_strangers_result(world: World, namespace: str, run: str) -> None:
    """A call of another run that has answered, with the id that the model will name."""
    call = TaskRunToolCall.model_validate(
        {
            "metadata": {"name": f"{run}-t0-c0", "namespace": namespace},
            "spec": {"toolCallId": "call_1", "taskRunRef": {"name": run}, "toolRef": {"name": "add"}},
        }
    )
    made = await world.client.create(resources.TOOL_CALLS, call)
    status = made.status.model_copy(
        update={"phase": ToolCallPhase.SUCCEEDED, "result": '"of a stranger"', "completion_time": NOW}
    )
    await world.client.update_status(resources.TOOL_CALLS, made.model_copy(update={"status": status}))


@pytest.mark.parametrize(
    ("namespace", "run"),
    [
        pytest.param("default", "other-1", id="another run"),
        pytest.param("elsewhere", "hello-1", id="a run of the same name in another namespace"),
    ],
)
async def test_json_query_reads_the_results_of_its_own_run_only(namespace: str, run: str) -> None:
    own = a_call("add", '{"a": 2, "b": 3}', call_id="call_0")
    queries = [
        a_call("query", f'{{"toolCallId": "{asked}", "query": "@"}}', call_id=f"query_{asked}")
        for asked in ("call_0", "call_1")
    ]
    model = FakeLLMClient(calls(own), calls(*queries), answer("done"))
    async with a_world() as world:
        await world.client.request("POST", "/api/v1/namespaces", body=json.dumps(ELSEWHERE).encode())
        await a_strangers_result(world, namespace, run)
        world.replica(model)
        await world.apply_walk_through(tools=[{"name": "add"}, {"name": "query"}], planning=True)
        await world.apply("tools", {"metadata": {"name": "add"}, "spec": ADD})
        await world.apply("tools", {"metadata": {"name": "query"}, "spec": JSON_QUERY})
        await world.apply_task()
        finished = await world.until(is_over)
    _, (_, found), (_, refused) = tool_answers(finished)
    assert found == "5"
    assert refused.startswith('error: no earlier result of a tool call "call_1"')
    assert "stranger" not in refused
