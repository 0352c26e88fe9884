"""Runs that ask a person when they have reached a limit, from the request to the end: the real loops and engine."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from kubechain.api.budget import BudgetAddition
from kubechain.api.conditions import LIMIT_REACHED, find_condition
from kubechain.api.humanrequest import HumanRequestPhase
from kubechain.api.task import LastRunPhase
from kubechain.api.taskrun import TaskRun, TaskRunPhase
from kubechain.controllers import resources
from kubechain.controllers.setup import Settings
from kubechain.llm.client import Completion
from kubechain.llm.fake import FakeLLMClient, answer, calls
from test.controllers.builders import a_call
from test.controllers.people import decide, request_is, request_of
from test.controllers.test_durability import is_over
from test.controllers.world import NAMESPACE, World, a_world

FIRST = "hello-1-budget-1"
SECOND = "hello-1-budget-2"

REACHED = "the run reached its limit of 2 turns"


def a_step(number: int = 0) -> Completion:
    """A turn that does not end the run."""
    return calls(a_call("update_plan", '{"steps": []}', call_id=f"id-{number}"))


@asynccontextmanager
async def working_world(
    *turns: Completion, settings: Settings | None = None, task: dict[str, Any] | None = None, **limits: Any
) -> AsyncGenerator[World]:
    """A run whose Agent asks when a limit is reached, two turns unless said otherwise, and which needs more."""
    async with a_world() as world:
        script = turns or tuple(a_step(number) for number in range(3))
        world.replica(FakeLLMClient(*script, answer("done")), settings=settings)
        await world.apply_walk_through(planning=True, limits={"onExceeded": "Ask"} | (limits or {"maxTurns": 2}))
        await world.apply_task(**task or {})
        yield world


async def end_of(world: World) -> TaskRun:
    return await world.until(is_over)


async def test_a_run_at_its_limit_waits_for_a_person_and_says_so() -> None:
    async with working_world() as world:
        request = await request_of(world, FIRST)
        run = await world.run()
        assert (run.status.phase, run.status.status) == (TaskRunPhase.READY_FOR_LLM, "Pending")
        assert run.status.status_detail == f'Waiting for a person: {REACHED}; HumanRequest "{FIRST}" asks what to add'
        told = find_condition(run.status.conditions, LIMIT_REACHED)
        assert told is not None
        assert (told.status, told.reason) == ("True", "BudgetRequested")
        content = request.spec.request
        assert (content.type, content.subject.resource, content.subject.name) == ("Budget", "agents", "my-assistant")
        assert content.choices == ("Approve", "Reject")
        assert "maxTurns: 2 allowed, 2 used with its sub-agents, 2 more by Approve" in (content.message or "")
        assert f"kubechain answer {FIRST} -n default --add turns=2" in (content.message or "")


async def test_the_task_of_a_run_that_waits_for_a_person_says_so() -> None:
    async with working_world() as world:
        await request_of(world, FIRST)
        await asyncio.sleep(1)
        task = await world.client.get(resources.TASKS, NAMESPACE, "hello")
        assert task.status.last_run is not None
        assert task.status.last_run.phase == LastRunPhase.WAITING
        assert task.status.status_detail.startswith('TaskRun "hello-1": Waiting for a person')
        await decide(world, "Approve", FIRST)
        await end_of(world)


@pytest.mark.parametrize(
    ("more", "added"),
    [
        pytest.param({}, BudgetAddition(turns=2), id="the limit once more without an answer"),
        pytest.param({"answer": '{"turns": 5}'}, BudgetAddition(turns=5), id="what the answer says"),
        pytest.param(
            {"answer": '{"turns": 3, "tokens": 7, "toolCalls": 9}'},
            BudgetAddition(turns=3, tokens=7, tool_calls=9),
            id="several limits at once",
        ),
    ],
)
async def test_an_approval_lets_the_run_go_on(more: dict[str, str], added: BudgetAddition) -> None:
    async with working_world() as world:
        await decide(world, "Approve", FIRST, **more)
        run = await end_of(world)
        assert (run.status.phase, run.status.turn) == (TaskRunPhase.FINAL_ANSWER, 4)
        (asked,) = run.status.budget_requests
        assert (asked.choice, asked.by, asked.added) == ("Approve", "bob", added)
        told = find_condition(run.status.conditions, LIMIT_REACHED)
        assert told is not None
        assert told.status == "False"
        closed = await world.request_until(request_is(HumanRequestPhase.DECIDED, FIRST))
        assert closed.status.status_detail == "Approve by bob (Claimed)"


async def test_a_decision_about_a_budget_costs_four_writes_more() -> None:
    written: list[Counter[str]] = []
    for max_turns in (2, 9):
        async with working_world(maxTurns=max_turns) as world:
            if max_turns == 2:
                await decide(world, "Approve", FIRST)
                await world.request_until(request_is(HumanRequestPhase.DECIDED, FIRST))
            await end_of(world)
            lines = [line.partition("/default/")[2].split()[0] for line in world.replicas[0].exchange.writes]
            written.append(Counter(line for line in lines if line.startswith(("taskruns/", "humanrequests"))))
    asked, unasked = written
    # The turn's results alone, the record of what is asked; what was added goes with the claim of the next turn.
    assert asked["taskruns/hello-1/status"] == unasked["taskruns/hello-1/status"] + 2
    assert asked["humanrequests"] + asked[f"humanrequests/{FIRST}/status"] == 2
    assert sum(asked.values()) == sum(unasked.values()) + 4


async def test_what_is_added_counts_once_and_a_limit_that_is_reached_again_is_asked_about_anew() -> None:
    async with working_world(*(a_step(number) for number in range(4)), maxTurns=2) as world:
        await decide(world, "Approve", FIRST, answer='{"turns": 1}')
        second = await request_of(world, SECOND)
        assert "maxTurns: 3 allowed, 3 used" in (second.spec.request.message or "")
        await decide(world, "Approve", SECOND)
        run = await end_of(world)
        assert (run.status.phase, run.status.turn) == (TaskRunPhase.FINAL_ANSWER, 5)
        assert [one.added and one.added.turns for one in run.status.budget_requests] == [1, 2]
        for name in (FIRST, SECOND):
            await world.request_until(request_is(HumanRequestPhase.DECIDED, name))


@pytest.mark.parametrize(
    ("response", "why"),
    [
        pytest.param('{"turns": 0}', "turns", id="nothing is added"),
        pytest.param('{"hours": 5}', "hours", id="a limit that does not exist"),
        pytest.param(
            '{"tokens": 5}', "it does not lift a limit that was reached, which takes at least 1 turns", id="no"
        ),
        pytest.param("ten", "not valid JSON", id="no JSON"),
    ],
)
async def test_an_answer_that_cannot_be_used_is_asked_for_again(response: str, why: str) -> None:
    async with working_world() as world:
        await decide(world, "Approve", FIRST, answer=response)
        second = await request_of(world, SECOND)
        assert f"The answer to {FIRST} could not be used: " in (second.spec.request.message or "")
        assert why in (second.spec.request.message or "")
        await decide(world, "Approve", SECOND)
        run = await end_of(world)
        assert run.status.phase == TaskRunPhase.FINAL_ANSWER
        assert [one.added and one.added.turns for one in run.status.budget_requests] == [None, 2]


async def test_a_rejection_fails_the_run_with_the_comment() -> None:
    async with working_world() as world:
        await decide(world, "Reject", FIRST, comment="Too expensive.")
        run = await end_of(world)
        assert (run.status.phase, run.status.error) == (
            TaskRunPhase.FAILED,
            f"{REACHED}: bob added nothing: Too expensive.",
        )
        assert run.status.budget_requests[0].choice == "Reject"
        await world.request_until(request_is(HumanRequestPhase.DECIDED, FIRST))


async def test_a_run_that_nobody_decides_about_fails_after_seven_days() -> None:
    async with working_world() as world:
        request = await request_of(world, FIRST)
        assert request.spec.request.expires_at is not None
        await asyncio.sleep(7 * 86_400 - 60)
        assert (await world.run()).status.phase == TaskRunPhase.READY_FOR_LLM
        await asyncio.sleep(120)
        run = await end_of(world)
        assert run.status.phase == TaskRunPhase.FAILED
        assert (run.status.error or "").startswith(f"{REACHED}: nobody decided in time: the request expired at ")
        await world.request_until(request_is(HumanRequestPhase.EXPIRED, FIRST))


@pytest.mark.parametrize(
    ("act", "phase"),
    [
        pytest.param({"spec": {"cancel": True}}, TaskRunPhase.CANCELLED, id="cancelled"),
        pytest.param(None, TaskRunPhase.FAILED, id="past its deadline"),
    ],
)
async def test_what_was_asked_is_withdrawn_when_the_run_ends(act: dict[str, Any] | None, phase: TaskRunPhase) -> None:
    async with working_world(task={} if act else {"activeDeadlineSeconds": 60}) as world:
        await request_of(world, FIRST)
        if act is not None:
            await world.patch_run(act)
        assert (await end_of(world)).status.phase == phase
        withdrawn = await world.request_until(request_is(HumanRequestPhase.WITHDRAWN, FIRST))
        assert withdrawn.status.status_detail.startswith(f"Withdrawn: the run is over ({phase})")


async def test_the_request_of_a_deleted_run_goes_with_it() -> None:
    async with working_world() as world:
        await request_of(world, FIRST)
        await world.client.delete(resources.TASK_RUNS, NAMESPACE, "hello-1")
        await asyncio.sleep(60)
        assert not await world.client.list(resources.HUMAN_REQUESTS, NAMESPACE)


async def test_a_limit_that_is_raised_meanwhile_lets_the_run_go_on() -> None:
    async with working_world() as world:
        await request_of(world, FIRST)
        limits = {"spec": {"limits": {"maxTurns": 9}}}
        await world.client.patch(resources.AGENTS, NAMESPACE, "my-assistant", limits)
        run = await end_of(world)
        assert run.status.phase == TaskRunPhase.FINAL_ANSWER
        assert [one.ended for one in run.status.budget_requests] == ["Withdrawn"]
        await world.request_until(request_is(HumanRequestPhase.WITHDRAWN, FIRST))


async def test_a_run_that_waits_fails_when_its_agent_asks_no_longer() -> None:
    async with working_world() as world:
        await request_of(world, FIRST)
        limits = {"spec": {"limits": {"onExceeded": "Fail"}}}
        await world.client.patch(resources.AGENTS, NAMESPACE, "my-assistant", limits)
        run = await end_of(world)
        assert (run.status.phase, run.status.error) == (TaskRunPhase.FAILED, REACHED)
        await world.request_until(request_is(HumanRequestPhase.WITHDRAWN, FIRST))


async def test_tool_calls_beyond_the_limit_wait_for_a_person() -> None:
    three = calls(*(a_call("update_plan", '{"steps": []}', call_id=f"id-{number}") for number in range(3)))
    async with working_world(three, maxToolCalls=2) as world:
        request = await request_of(world, FIRST)
        run = await world.run()
        assert run.status.phase == TaskRunPhase.TOOL_CALLS_PENDING
        assert not await world.client.list(resources.TOOL_CALLS, NAMESPACE)
        assert "maxToolCalls: 2 allowed, 3 used with its sub-agents, 2 more by Approve" in (
            request.spec.request.message or ""
        )
        await decide(world, "Approve", FIRST, answer='{"toolCalls": 1}')
        run = await end_of(world)
        assert (run.status.phase, run.status.tool_call_count) == (TaskRunPhase.FINAL_ANSWER, 3)


async def test_a_decision_counts_only_where_its_author_is_verified_if_that_is_required() -> None:
    async with working_world(settings=Settings(require_verified_approvals=True)) as world:
        await decide(world, "Approve", FIRST)
        run = await end_of(world)
        assert run.status.phase == TaskRunPhase.FAILED
        assert "the decision does not count, since its author is not verified" in (run.status.error or "")


async def test_a_wait_of_days_costs_no_write() -> None:
    async with working_world() as world:
        await request_of(world, FIRST)
        await asyncio.sleep(60)
        before = len(world.replicas[0].exchange.writes)
        await asyncio.sleep(3 * 86_400)
        assert len(world.replicas[0].exchange.writes) == before


async def test_another_manager_goes_on_where_a_person_decided_while_none_was_there() -> None:
    async with working_world() as world:
        await request_of(world, FIRST)
        world.replicas[0].crash()
        await decide(world, "Approve", FIRST)
        world.replica(FakeLLMClient(a_step(3), answer("done")), identity="pod-b_1")
        run = await end_of(world)
        assert (run.status.phase, len(run.status.budget_requests)) == (TaskRunPhase.FINAL_ANSWER, 1)


DELEGATED = calls(a_call("delegate_to_agent__scout", json.dumps({"message": "Go and see."})))


async def a_pair(world: World, limits: dict[str, Any], scout: dict[str, Any]) -> None:
    """An Agent with limits that delegates to another one with its own."""
    spec = {"llmRef": {"name": "gpt-4o"}, "system": "You look at things.", "planning": True, "limits": scout}
    await world.apply("agents", {"metadata": {"name": "scout"}, "spec": spec})
    await world.apply_walk_through(subAgents=[{"name": "scout"}], limits=limits)
    await world.apply_task()


async def test_the_run_below_asks_about_its_own_limit_while_the_run_above_waits() -> None:
    async with a_world() as world:
        world.replica(FakeLLMClient(DELEGATED, a_step(), answer("seen"), answer("done")))
        await a_pair(world, {}, {"maxTurns": 1, "onExceeded": "Ask"})
        name = "hello-1-t0-c0-run-budget-1"
        request = await request_of(world, name)
        assert request.spec.request.subject.name == "scout"
        await decide(world, "Approve", name)
        assert (await end_of(world)).status.phase == TaskRunPhase.FINAL_ANSWER


async def test_a_run_below_waits_for_what_is_added_to_the_limit_of_the_run_above() -> None:
    async with a_world() as world:
        world.replica(FakeLLMClient(DELEGATED, a_step(), a_step(1), answer("seen"), answer("done")))
        await a_pair(world, {"maxTurns": 2, "onExceeded": "Ask"}, {})
        request = await request_of(world, FIRST)
        assert request.spec.request.subject.name == "my-assistant"
        waiting = await world.until(lambda run: run.status.status == "Pending", "hello-1-t0-c0-run")
        assert waiting.status.status_detail == (
            'TaskRun "hello-1" and its sub-agents reached its limit of 2 turns: waiting for a person to add to it'
        )
        await decide(world, "Approve", FIRST, answer='{"turns": 9}')
        run = await end_of(world)
        assert (run.status.phase, len(run.status.budget_requests)) == (TaskRunPhase.FINAL_ANSWER, 1)
        requests = await world.client.list(resources.HUMAN_REQUESTS, NAMESPACE)
        assert [one.metadata.name for one in requests] == [FIRST]


async def test_the_tree_ends_with_the_run_above_whose_budget_is_rejected() -> None:
    async with a_world() as world:
        world.replica(FakeLLMClient(DELEGATED, a_step(), a_step(1), answer("never asked for")))
        await a_pair(world, {"maxTurns": 2, "onExceeded": "Ask"}, {})
        await decide(world, "Reject", FIRST)
        assert (await end_of(world)).status.phase == TaskRunPhase.FAILED
        below = await world.until(is_over, "hello-1-t0-c0-run")
        assert below.status.phase == TaskRunPhase.CANCELLED
