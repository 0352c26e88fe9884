"""An agent that asks a person, from the request to the answer that the model reads: the real loops and engine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from kubechain.api.humanrequest import HumanRequestPhase
from kubechain.api.taskrun import TaskRunPhase
from kubechain.api.taskruntoolcall import ToolCallPhase
from kubechain.controllers import resources
from kubechain.controllers.setup import Settings
from kubechain.llm.fake import FakeLLMClient, answer, calls
from kubechain.runtime.errors import Invalid
from test.controllers.builders import a_call
from test.controllers.people import CALL, answers_of, decide, request_is, request_of
from test.controllers.refusing import ANSWERS, Refusing, creates, refuse
from test.controllers.test_durability import is_over
from test.controllers.test_tool_turns import CRASHES, SURVIVABLE
from test.controllers.world import NAMESPACE, Harm, Point, World, a_world

ASKED = calls(a_call("ask_human", '{"message": "Which region?"}'))
QUOTA = ANSWERS["a quota (403)"]
ALL_TOOLS = {"tools": ["*"], "action": "Require"}


@asynccontextmanager
async def asking_world(
    *points: Point,
    policies: tuple[dict[str, Any], ...] = (),
    task: dict[str, Any] | None = None,
    settings: Settings | None = None,
) -> AsyncGenerator[World]:
    """A run whose model asks a person, and then answers.

    Args:
        points: Where the first manager is harmed.
        policies: Specs of ApprovalPolicies.
        task: More of the Task's spec.
        settings: Of the manager.
    """
    async with a_world() as world:
        first = world.replica(FakeLLMClient(ASKED, answer("done")), settings=settings)
        first.exchange.points.extend(points)
        await world.apply_walk_through(askHuman=True)
        for number, policy in enumerate(policies):
            await world.apply("approvalpolicies", {"metadata": {"name": f"policy-{number}"}, "spec": policy})
        await world.agent_until(lambda agent: agent.status.ready)
        await world.apply_task(**task or {})
        yield world


async def test_the_answer_of_a_person_is_the_result_of_the_call() -> None:
    async with asking_world() as world:
        request = (await request_of(world)).spec.request
        assert (request.type, request.tool, request.choices) == ("Question", "ask_human", ("Answer", "Reject"))
        assert (request.subject.resource, request.subject.name) == ("agents", "my-assistant")
        assert "Which region?" in (request.message or "")
        assert f"kubechain answer {CALL} -n default --text TEXT" in (request.message or "")
        await decide(world, "Answer", answer="eu-west-1")
        assert await answers_of(world) == ["eu-west-1"]
        decided = await world.request_until(request_is(HumanRequestPhase.DECIDED))
        assert decided.status.status_detail == "Answer by bob (Claimed)"
        call = await world.call_until(lambda call: call.status.phase == ToolCallPhase.SUCCEEDED)
        assert call.status.status_detail == "Answer by bob"
        assert call.status.input is not None
        assert (call.status.input.by, call.status.input.round) == ("bob", 0)


async def test_a_comment_alone_is_an_answer_too() -> None:
    async with asking_world() as world:
        await decide(world, "Answer", comment="eu-west-1")
        assert await answers_of(world) == ["eu-west-1"]


@pytest.mark.parametrize(
    ("more", "text"),
    [
        pytest.param({"comment": "Ask the owner."}, "rejected: Ask the owner.", id="with a comment"),
        pytest.param({}, "rejected: a person declined to answer", id="without one"),
    ],
)
async def test_a_person_may_decline_to_answer(more: dict[str, str], text: str) -> None:
    async with asking_world() as world:
        await decide(world, "Reject", **more)
        assert await answers_of(world) == [text]
        await world.request_until(request_is(HumanRequestPhase.DECIDED))


async def test_nobody_answers_for_seven_days() -> None:
    async with asking_world() as world:
        await request_of(world)
        await world.replicas[0].stop()
        await asyncio.sleep(7 * 86_400 - 60)
        world.replica(FakeLLMClient(answer("done")), "pod-a_2")
        call = await world.call_until(lambda call: call.metadata.name == CALL)
        assert call.status.phase == ToolCallPhase.AWAITING_HUMAN_INPUT
        (text,) = await answers_of(world)
        assert text.startswith("rejected: nobody answered in time")
        await world.request_until(request_is(HumanRequestPhase.EXPIRED))
        with pytest.raises(Invalid, match="nobody waits for a decision"):
            await decide(world, "Answer", answer="too late")


async def test_an_answer_while_no_manager_lives_counts() -> None:
    async with asking_world() as world:
        await request_of(world)
        await world.replicas[0].stop()
        await decide(world, "Answer", answer="eu-west-1")
        world.replica(FakeLLMClient(answer("done")), "pod-a_2")
        assert await answers_of(world) == ["eu-west-1"]


async def test_an_answer_that_came_too_late_does_not_count() -> None:
    async with asking_world() as world:
        await request_of(world)
        await world.replicas[0].stop()
        await asyncio.sleep(7 * 86_400 + 1)
        await decide(world, "Answer", answer="eu-west-1")
        world.replica(FakeLLMClient(answer("done")), "pod-a_2")
        (text,) = await answers_of(world)
        assert text.startswith("rejected: nobody answered in time")
        await world.request_until(request_is(HumanRequestPhase.EXPIRED))


async def test_a_question_is_withdrawn_when_its_run_is_cancelled() -> None:
    async with asking_world() as world:
        await request_of(world)
        await world.patch_run({"spec": {"cancel": True}})
        await world.until(lambda run: run.status.phase == TaskRunPhase.CANCELLED)
        withdrawn = await world.request_until(request_is(HumanRequestPhase.WITHDRAWN))
        assert withdrawn.status.status_detail == "Withdrawn: the tool call is over (Cancelled): its run was cancelled"


async def test_a_question_is_withdrawn_at_the_deadline_of_its_run() -> None:
    async with asking_world(task={"activeDeadlineSeconds": 600}) as world:
        await request_of(world)
        await asyncio.sleep(601)
        assert (await world.until(is_over)).status.phase == TaskRunPhase.FAILED
        await world.request_until(request_is(HumanRequestPhase.WITHDRAWN))


async def test_a_deleted_run_takes_its_question_with_it() -> None:
    async with asking_world() as world:
        await request_of(world)
        await world.client.delete(resources.TASKS, NAMESPACE, "hello")
        await asyncio.sleep(60)
        assert await world.client.list(resources.HUMAN_REQUESTS, NAMESPACE) == []


async def test_a_question_that_somebody_deletes_is_asked_again() -> None:
    async with asking_world() as world:
        first = await request_of(world)
        await world.client.delete(resources.HUMAN_REQUESTS, NAMESPACE, CALL)
        await world.request_until(lambda request: request.metadata.uid != first.metadata.uid)
        await decide(world, "Answer", answer="eu-west-1")
        assert await answers_of(world) == ["eu-west-1"]


async def test_an_answer_of_an_unverified_author_does_not_count_where_only_verified_ones_do() -> None:
    async with asking_world(settings=Settings(require_verified_approvals=True)) as world:
        await decide(world, "Answer", answer="eu-west-1")
        (text,) = await answers_of(world)
        assert text.startswith("rejected: the decision does not count, since its author is not verified")


async def test_a_question_that_needs_approval_is_approved_first_and_asked_under_the_next_name() -> None:
    async with asking_world(policies=(ALL_TOOLS,)) as world:
        await decide(world, "Approve", arguments='{"message": "Which zone?"}')
        request = (await request_of(world, f"{CALL}-2")).spec.request
        assert "Which zone?" in (request.message or "")
        await decide(world, "Answer", f"{CALL}-2", answer="b")
        assert await answers_of(world) == ["b"]
        for name in (CALL, f"{CALL}-2"):
            await world.request_until(request_is(HumanRequestPhase.DECIDED, name))


async def test_a_policy_that_refuses_the_tool_lets_nobody_be_asked() -> None:
    async with asking_world(policies=({"tools": ["ask_*"], "action": "Deny"},)) as world:
        assert await answers_of(world) == ['rejected: ApprovalPolicy "policy-0" refuses the call']
        assert await world.client.list(resources.HUMAN_REQUESTS, NAMESPACE) == []


@pytest.mark.parametrize("harm", [*SURVIVABLE, *CRASHES])
@pytest.mark.parametrize("phase", ["AwaitingHumanInput", "Succeeded"])
async def test_a_person_is_asked_once_whatever_write_fails(phase: str, harm: Harm) -> None:
    point = Point(phase, harm)
    async with asking_world(point) as world:

        async def next_manager(at: str) -> None:
            if phase == at and harm in CRASHES:
                await world.replicas[0].crashed.wait()
                world.replica(FakeLLMClient(answer("done")), "pod-a_2")

        await next_manager("AwaitingHumanInput")
        asked = await request_of(world)
        await decide(world, "Answer", answer="eu-west-1")
        await next_manager("Succeeded")
        assert await answers_of(world) == ["eu-west-1"]
        (request,) = await world.client.list(resources.HUMAN_REQUESTS, NAMESPACE)
        assert request.metadata.uid == asked.metadata.uid
        assert point.hits == 1


async def a_refused_question(world: World, seconds: float, **limits: str) -> Refusing:
    """A run whose question the API server refuses for a while."""
    wire = refuse(world.replica(FakeLLMClient(ASKED, answer("done"))), creates("humanrequests"), QUOTA)
    await world.apply_walk_through(askHuman=True, **({"limits": limits} if limits else {}))
    await world.apply_task()
    await asyncio.sleep(seconds)
    return wire


async def test_a_question_that_the_api_server_refuses_is_told_by_its_call_and_asked_when_it_may_be() -> None:
    async with a_world() as world:
        wire = await a_refused_question(world, 60)
        call = await world.call_until(lambda call: call.status.phase == ToolCallPhase.ERROR_REQUESTING_HUMAN_INPUT)
        assert "exceeded quota" in call.status.status_detail
        wire.is_on = False
        await request_of(world)
        await world.call_until(lambda call: call.status.phase == ToolCallPhase.AWAITING_HUMAN_INPUT)
        await decide(world, "Answer", answer="eu-west-1")
        assert await answers_of(world) == ["eu-west-1"]


async def test_a_question_that_is_refused_for_too_long_fails() -> None:
    async with a_world() as world:
        await a_refused_question(world, 600, retryFor="5m")
        (text,) = await answers_of(world)
        assert text.startswith("error: ")
        assert "given up after 300 s" in text
