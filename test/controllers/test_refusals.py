"""What the API server refuses is told and tried again; what it never takes ends with its reason."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from kubechain.api.meta import StatusObject
from kubechain.api.taskrun import TaskRunPhase
from kubechain.api.taskruntoolcall import ToolCallPhase
from kubechain.controllers import resources
from kubechain.llm.fake import FakeLLMClient, answer, calls
from kubechain.runtime.resource import Resource
from test.controllers.builders import a_call
from test.controllers.refusing import ANSWERS, MALFORMED, Answer, creates, refuse, statuses
from test.controllers.test_delegation import delegation
from test.controllers.test_durability import is_over
from test.controllers.test_tool_turns import ADD
from test.controllers.world import NAMESPACE, World, a_world

FOR_A_WHILE_SECONDS = 300.0
REASONS = pytest.mark.parametrize("said", [pytest.param(said, id=who) for who, said in ANSWERS.items()])


async def events_about(world: World, name: str) -> list[tuple[str, str, str]]:
    """(type, reason, note) of each event about an object."""
    raw = await world.client.request("GET", f"/apis/events.k8s.io/v1/namespaces/{NAMESPACE}/events")
    items = msgspec.json.decode(raw)["items"]
    return [(one["type"], one["reason"], one["note"]) for one in items if one["regarding"]["name"] == name]


async def assert_told(
    world: World, resource: Resource[Any], name: str, said: Answer, reason: str, *, is_over: bool = False
) -> StatusObject[Any, Any]:
    """Status and one event say who refuses and why."""
    obj = await world.client.get(resource, NAMESPACE, name)
    assert said.message in obj.status.status_detail
    assert str(said.code) in obj.status.status_detail
    assert obj.status.status == "Error"
    assert not obj.status.ready
    assert ("trying again until" in obj.status.status_detail) != is_over
    warnings = [event for event in await events_about(world, name) if event[0] == "Warning"]
    assert [event[1] for event in warnings] == [reason]
    assert said.message in warnings[0][2]
    return obj


def one_call() -> FakeLLMClient:
    return FakeLLMClient(calls(a_call("add", '{"a": 1, "b": 2}')), answer("It is 3."))


async def an_adder(world: World, **tool: Any) -> None:
    await world.apply_walk_through(tools=[{"name": "add"}])
    await world.apply("tools", {"metadata": {"name": "add"}, "spec": ADD | tool})
    await world.apply_task()


@REASONS
async def test_a_refused_run_is_told_by_its_task_and_created_when_it_may_be(said: Answer) -> None:
    async with a_world() as world:
        wire = refuse(world.replica(FakeLLMClient(answer("It has none."))), creates("taskruns"), said)
        await world.apply_walk_through()
        await world.apply_task()
        await asyncio.sleep(FOR_A_WHILE_SECONDS)
        await assert_told(world, resources.TASKS, "hello", said, "TaskRunRefused")
        wire.is_on = False
        assert (await world.until(is_over)).status.output == "It has none."
        await asyncio.sleep(1)
        task = await world.client.get(resources.TASKS, NAMESPACE, "hello")
        assert (task.status.ready, task.status.blocked_since) == (True, None)


@REASONS
async def test_a_refused_tool_call_is_told_by_its_run_and_created_when_it_may_be(said: Answer) -> None:
    async with a_world() as world:
        wire = refuse(world.replica(one_call()), creates("taskruntoolcalls"), said)
        await an_adder(world)
        await asyncio.sleep(FOR_A_WHILE_SECONDS)
        await assert_told(world, resources.TASK_RUNS, "hello-1", said, "ToolCallRefused")
        wire.is_on = False
        run = await world.until(is_over)
        assert (run.status.output, run.status.blocked_since) == ("It is 3.", None)


@REASONS
async def test_a_refused_run_of_another_agent_is_told_by_the_call_and_created_when_it_may_be(said: Answer) -> None:
    async with a_world() as world:
        model = FakeLLMClient(delegation("scout"), answer("seen"), answer("It has none."))
        replica = world.replica(model)
        await world.apply_walk_through(subAgents=[{"name": "scout"}])
        spec = {"llmRef": {"name": "gpt-4o"}, "system": "You look at things."}
        await world.apply("agents", {"metadata": {"name": "scout"}, "spec": spec})
        is_child = creates("taskruns")
        wire = refuse(
            replica, lambda verb, path, sent: is_child(verb, path, sent) and "userMessage" in sent["spec"], said
        )
        await world.apply_task()
        await asyncio.sleep(FOR_A_WHILE_SECONDS)
        await assert_told(world, resources.TOOL_CALLS, "hello-1-t0-c0", said, "SubAgentRefused")
        wire.is_on = False
        assert (await world.until(is_over)).status.output == "It has none."


def results_of_a_turn(method: str, target: str, body: Any) -> bool:
    """Whether a request writes the results of the first turn, with the claim of the next one."""
    return statuses("taskruns", "SendContextWindowToLLM")(method, target, body) and body["status"].get("turn") == 1


WHAT: dict[str, tuple[Callable[[str, str, Any], bool], Resource[Any], str]] = {
    "a tool call": (creates("taskruntoolcalls"), resources.TASK_RUNS, "hello-1"),
    "the claim of a turn": (statuses("taskruns", "SendContextWindowToLLM"), resources.TASK_RUNS, "hello-1"),
    "the results of a turn": (results_of_a_turn, resources.TASK_RUNS, "hello-1"),
}


@pytest.mark.parametrize("what", WHAT)
async def test_what_is_refused_for_longer_than_the_limit_fails_the_run_with_the_reason(what: str) -> None:
    matches, _, _ = WHAT[what]
    said = ANSWERS["a policy (422)"]
    async with a_world() as world:
        refuse(world.replica(one_call()), matches, said)
        await an_adder(world)
        await asyncio.sleep(4_000)
        run = await world.until(is_over)
        assert run.status.phase == TaskRunPhase.FAILED
        assert said.message in (run.status.error or "")
        assert "given up after 3600 s" in (run.status.error or "")


@pytest.mark.parametrize(("turn", "roles"), [(0, ["system", "user"]), (1, ["system", "user", "assistant", "tool"])])
async def test_what_comes_before_a_refused_claim_is_recorded_and_the_agents_limit_counts(
    turn: int, roles: list[str]
) -> None:
    said, is_claim = ANSWERS["a policy (422)"], statuses("taskruns", "SendContextWindowToLLM")

    def claims_turn(method: str, target: str, sent: Any) -> bool:
        return is_claim(method, target, sent) and sent["status"]["llm"]["turn"] == turn

    async with a_world() as world:
        refuse(world.replica(one_call()), claims_turn, said)
        await world.apply_walk_through(tools=[{"name": "add"}], limits={"retryFor": "10m"})
        await world.apply("tools", {"metadata": {"name": "add"}, "spec": ADD})
        await world.apply_task()
        await asyncio.sleep(FOR_A_WHILE_SECONDS)
        run = await assert_told(world, resources.TASK_RUNS, "hello-1", said, "StatusRefused")
        assert (run.status.phase, run.status.turn) == (TaskRunPhase.READY_FOR_LLM, turn)
        assert [message.role for message in run.status.context_window] == roles
        assert "given up after 600 s" in ((await world.until(is_over)).status.error or "")


async def test_a_tool_call_that_breaks_its_schema_fails_the_run_at_once() -> None:
    async with a_world() as world:
        wire = refuse(world.replica(one_call()), creates("taskruntoolcalls"), MALFORMED)
        await an_adder(world)
        run = await world.until(is_over)
        assert MALFORMED.message in (run.status.error or "")
        assert wire.refused == 1


async def test_a_task_gives_up_after_the_limit_and_begins_anew_when_it_is_edited() -> None:
    said = ANSWERS["a quota (403)"]
    async with a_world() as world:
        wire = refuse(world.replica(FakeLLMClient(answer("It has none."))), creates("taskruns"), said)
        await world.apply_walk_through()
        await world.apply_task()
        await asyncio.sleep(4_000)
        task = await world.client.get(resources.TASKS, NAMESPACE, "hello")
        assert "given up after 3600 s" in task.status.status_detail
        tries = wire.refused
        await asyncio.sleep(4_000)
        assert wire.refused == tries
        await world.client.patch(resources.TASKS, NAMESPACE, "hello", {"spec": {"message": "And the sun?"}})
        await asyncio.sleep(30)
        assert wire.refused > tries
        wire.is_on = False
        assert (await world.until(is_over)).status.output == "It has none."


NO_FAILURES = pytest.mark.parametrize(
    "said", [pytest.param(said, id=who) for who, said in ANSWERS.items() if said.code != 500]
)


@NO_FAILURES
async def test_a_result_that_is_refused_for_a_while_is_kept(said: Answer) -> None:
    async with a_world() as world:
        replica = world.replica(one_call())
        wire = refuse(replica, statuses("taskruntoolcalls", "Succeeded"), said)
        await an_adder(world, semantics="AtMostOnce")
        await asyncio.sleep(FOR_A_WHILE_SECONDS)
        call = await world.client.get(resources.TOOL_CALLS, NAMESPACE, "hello-1-t0-c0")
        assert call.status.phase == ToolCallPhase.RUNNING
        assert said.message in call.status.status_detail
        wire.is_on = False
        assert (await world.until(is_over)).status.output == "It is 3."


@NO_FAILURES
async def test_a_result_of_a_function_that_is_refused_is_told_and_recorded_when_it_may_be(said: Answer) -> None:
    async with a_world() as world:
        wire = refuse(world.replica(one_call()), statuses("taskruntoolcalls", "Succeeded"), said)
        await an_adder(world)
        await asyncio.sleep(FOR_A_WHILE_SECONDS)
        await assert_told(world, resources.TOOL_CALLS, "hello-1-t0-c0", said, "StatusRefused")
        wire.is_on = False
        run = await world.until(is_over)
        assert [message.content for message in run.status.context_window if message.role == "tool"] == ["3"]


async def test_a_result_of_a_function_that_is_refused_for_longer_than_the_limit_is_answered_to_the_model() -> None:
    said = ANSWERS["a policy (422)"]
    async with a_world() as world:
        refuse(world.replica(one_call()), statuses("taskruntoolcalls", "Succeeded"), said)
        await an_adder(world)
        run = await world.until(is_over)
        (told,) = [message.content for message in run.status.context_window if message.role == "tool"]
        assert said.message in told
        assert "given up after 3600 s" in told


@pytest.mark.parametrize("code", ["401", "403", "422"])
async def test_statuses_that_cannot_be_written_fail_readiness_until_they_can(code: str) -> None:
    said = Answer(int(code), "", "not before Monday")
    async with a_world() as world:
        replica = world.replica(one_call())
        wire = refuse(replica, statuses("taskruns"), said)
        await an_adder(world)
        await asyncio.sleep(FOR_A_WHILE_SECONDS)
        assert "not before Monday" in replica.manager.readiness.failures()["writes"]
        assert "kubechain_refused_objects 1.0" in replica.manager.metrics.exposition().decode()
        events = await events_about(world, "hello-1")
        assert [event[:2] for event in events] == [("Warning", "WriteRefused")]
        wire.is_on = False
        async with asyncio.timeout(10):
            assert (await world.until(is_over)).status.output == "It is 3."
        assert "writes" not in replica.manager.readiness.failures()
