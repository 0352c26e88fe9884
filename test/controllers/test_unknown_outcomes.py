"""A call of which nobody knows whether it took effect, and a person who is asked: the real loops and engine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from kubechain.api.humanrequest import HumanRequestPhase
from kubechain.api.taskrun import TaskRunPhase
from kubechain.api.taskruntoolcall import ToolCallPhase
from kubechain.controllers import resources
from kubechain.controllers.setup import Settings
from kubechain.controllers.toolcall import settle
from kubechain.controllers.toolcall.decide import INTERRUPTED
from kubechain.llm.fake import FakeLLMClient, answer, calls
from kubechain.mcp.elicitation import Inputs
from kubechain.mcp.errors import McpError, Uncertain
from kubechain.mcp.model import CallResult, ServerKey
from test.controllers.builders import a_call
from test.controllers.oneserver import ASKED, SILENT, Connect, OneServer, a_task_that_looks
from test.controllers.people import CALL, answers_of, decide, request_is, request_of
from test.controllers.refusing import ANSWERS, creates, refuse
from test.controllers.test_tool_turns import CRASHES, SURVIVABLE
from test.controllers.world import NAMESPACE, Harm, Point, World, a_world

ASK = {"onUnknownOutcome": "Ask"}
QUOTA = ANSWERS["a quota (403)"]
LOST = "the connection broke"


@asynccontextmanager
async def unclear_world(
    connect: Connect,
    *failures: McpError,
    point: Point | None = None,
    settings: Settings | None = None,
    spec: dict[str, Any] = ASK,
) -> AsyncGenerator[tuple[World, OneServer]]:
    """A run whose model calls a tool that acts outside, and then answers.

    Args:
        failures: Of the first calls; then they succeed. One that is lost where none is given.
        point: Where the first manager is harmed.
        settings: Of the first manager.
        spec: More of the MCPServer.
    """
    server = OneServer(SILENT, list(failures or (Uncertain(LOST),)))
    connect(server)
    async with a_world() as world:
        first = world.replica(FakeLLMClient(ASKED, answer("done")), settings=settings)
        first.exchange.points.extend([point] if point else [])
        await a_task_that_looks(world, **spec)
        yield world, server


async def next_manager(world: World) -> None:
    """After the crash of the first one."""
    await world.replicas[0].crashed.wait()
    world.replica(FakeLLMClient(answer("done")), "pod-a_2")


async def test_a_person_tells_the_result_of_a_call_that_happened(connect: Connect) -> None:
    async with unclear_world(connect) as (world, server):
        request = (await request_of(world)).spec.request
        assert (request.type, request.tool, request.arguments) == ("Outcome", "eyes__look", "{}")
        assert (request.subject.resource, request.subject.name) == ("mcpservers", "eyes")
        assert request.choices == ("Happened", "DidNotHappen", "Unknown")
        assert LOST in (request.message or "")
        assert f"kubechain answer {CALL} -n default --did-not-happen" in (request.message or "")
        await decide(world, "Happened", answer="a goat")
        assert await answers_of(world) == ["a goat"]
        call = await world.call_until(lambda call: call.status.phase == ToolCallPhase.SUCCEEDED)
        assert (call.status.status_detail, call.status.error) == ("Happened by bob", None)
        assert server.attempts == 1
        await world.request_until(request_is(HumanRequestPhase.DECIDED))


async def test_a_call_that_did_not_happen_is_made_again_with_the_same_key(connect: Connect) -> None:
    async with unclear_world(connect) as (world, server):
        await decide(world, "DidNotHappen")
        assert await answers_of(world) == ["seen"]
        assert (server.attempts, len(server.idempotency_keys)) == (2, 1)
        call = await world.call_until(lambda call: call.status.phase == ToolCallPhase.SUCCEEDED)
        assert call.status.execution is not None
        assert call.status.execution.attempt == 1
        await world.request_until(request_is(HumanRequestPhase.DECIDED))


async def test_a_person_who_does_not_know_either_leaves_it_to_the_model(connect: Connect) -> None:
    async with unclear_world(connect) as (world, server):
        await decide(world, "Unknown", comment="The log is gone.")
        (text,) = await answers_of(world)
        assert text.startswith(
            f"outcome unknown: {LOST}; a person was asked, and does not know either: The log is gone."
        )
        call = await world.call_until(lambda call: call.status.phase == ToolCallPhase.OUTCOME_UNKNOWN)
        assert call.status.input is not None
        assert (call.status.input.choice, call.status.input.by, server.attempts) == ("Unknown", "bob", 1)
        await world.request_until(request_is(HumanRequestPhase.DECIDED))


@pytest.mark.parametrize("spec", [{}, {"onUnknownOutcome": "TellModel"}])
async def test_nobody_is_asked_where_the_model_is_to_be_told(connect: Connect, spec: dict[str, Any]) -> None:
    async with unclear_world(connect, spec=spec) as (world, _):
        assert (await answers_of(world))[0].startswith(f"outcome unknown: {LOST}")
        assert await world.client.list(resources.HUMAN_REQUESTS, NAMESPACE) == []


async def test_each_attempt_that_is_lost_is_asked_about_anew(connect: Connect) -> None:
    async with unclear_world(connect, Uncertain(LOST), Uncertain("and broke again")) as (world, server):
        await decide(world, "DidNotHappen")
        assert "and broke again" in ((await request_of(world, f"{CALL}-2")).spec.request.message or "")
        await decide(world, "Happened", f"{CALL}-2", answer="a goat")
        assert await answers_of(world) == ["a goat"]
        assert server.attempts == 2
        for name in (CALL, f"{CALL}-2"):
            await world.request_until(request_is(HumanRequestPhase.DECIDED, name))
        call = await world.call_until(lambda call: call.status.phase == ToolCallPhase.SUCCEEDED)
        assert call.status.input is not None
        assert [one.choice for one in call.status.input.earlier] == ["DidNotHappen"]


async def test_nobody_says_what_happened_for_seven_days(connect: Connect) -> None:
    async with unclear_world(connect) as (world, server):
        await request_of(world)
        await world.replicas[0].stop()
        await asyncio.sleep(7 * 86_400 + 1)
        await decide(world, "DidNotHappen")
        world.replica(FakeLLMClient(answer("done")), "pod-a_2")
        assert "a person was asked, and did not answer until" in (await answers_of(world))[0]
        assert server.attempts == 1
        await world.request_until(request_is(HumanRequestPhase.EXPIRED))


async def test_a_run_that_is_cancelled_meanwhile_says_that_the_call_may_have_taken_effect(connect: Connect) -> None:
    async with unclear_world(connect) as (world, _):
        await request_of(world)
        await world.patch_run({"spec": {"cancel": True}})
        await world.until(lambda run: run.status.phase == TaskRunPhase.CANCELLED)
        call = await world.call_until(lambda call: call.status.phase == ToolCallPhase.CANCELLED)
        assert call.status.error == INTERRUPTED
        await world.request_until(request_is(HumanRequestPhase.WITHDRAWN))


async def test_an_unverified_word_does_not_make_a_call_happen_again(connect: Connect) -> None:
    settings = Settings(require_verified_approvals=True)
    async with unclear_world(connect, settings=settings) as (world, server):
        await decide(world, "DidNotHappen")
        assert "the decision does not count" in (await answers_of(world))[0]
        assert server.attempts == 1


async def test_a_call_that_was_approved_is_not_approved_again_when_it_did_not_happen(connect: Connect) -> None:
    async with unclear_world(connect, spec=ASK | {"requiresApproval": True}) as (world, server):
        await decide(world, "Approve")
        await decide(world, "DidNotHappen", f"{CALL}-2")
        assert await answers_of(world) == ["seen"]
        assert server.attempts == 2
        requests = await world.client.list(resources.HUMAN_REQUESTS, NAMESPACE)
        assert sorted(request.metadata.name for request in requests) == [CALL, f"{CALL}-2"]


async def test_a_policy_that_refuses_the_call_since_then_rejects_what_did_not_happen(connect: Connect) -> None:
    async with unclear_world(connect) as (world, server):
        await request_of(world)
        policy = {"tools": ["eyes__*"], "action": "Deny"}
        await world.apply("approvalpolicies", {"metadata": {"name": "blind"}, "spec": policy})
        await decide(world, "DidNotHappen")
        assert await answers_of(world) == ['rejected: ApprovalPolicy "blind" refuses the call']
        assert server.attempts == 1


@pytest.mark.parametrize(
    ("choice", "end", "attempts"),
    [
        pytest.param("Happened", "a goat", 1, id="it happened"),
        pytest.param("DidNotHappen", "seen", 2, id="it did not happen"),
    ],
)
async def test_a_person_is_asked_about_a_call_whose_manager_died(
    connect: Connect, choice: str, end: str, attempts: int
) -> None:
    server = OneServer(SILENT, [])
    connect(server)
    async with a_world() as world:
        first = world.replica(FakeLLMClient(ASKED))
        first.exchange.points.append(Point("Succeeded", "crash before"))
        await a_task_that_looks(world, **ASK)
        await next_manager(world)
        assert "the call was interrupted" in ((await request_of(world)).spec.request.message or "")
        await decide(world, choice, **({"answer": "a goat"} if choice == "Happened" else {}))
        assert await answers_of(world) == [end]
        assert server.attempts == attempts


@pytest.mark.parametrize("harm", [*SURVIVABLE, *CRASHES])
@pytest.mark.parametrize(
    ("phase", "choice", "attempts"),
    [
        pytest.param("AwaitingHumanInput", "Happened", 1, id="before the question, it happened"),
        pytest.param("AwaitingHumanInput", "DidNotHappen", 2, id="before the question, it did not happen"),
        pytest.param("Pending", "DidNotHappen", 2, id="with the decision"),
    ],
)
async def test_a_person_is_asked_once_whatever_write_fails(
    connect: Connect, phase: str, choice: str, attempts: int, harm: Harm
) -> None:
    async with unclear_world(connect, point=(point := Point(phase, harm))) as (world, server):
        if harm in CRASHES and phase == "AwaitingHumanInput":
            await next_manager(world)
        await decide(world, choice, **({"answer": "a goat"} if choice == "Happened" else {}))
        if harm in CRASHES and phase == "Pending":
            await next_manager(world)
        assert await answers_of(world) == ["a goat" if choice == "Happened" else "seen"]
        assert len(await world.client.list(resources.HUMAN_REQUESTS, NAMESPACE)) == 1
        assert (server.attempts, point.hits) == (attempts, 1)


async def test_a_question_about_an_outcome_that_is_refused_for_too_long_leaves_it_to_the_model(
    connect: Connect,
) -> None:
    connect(OneServer(SILENT, [Uncertain(LOST)]))
    async with a_world() as world:
        refuse(world.replica(FakeLLMClient(ASKED, answer("done"))), creates("humanrequests"), QUOTA)
        await a_task_that_looks(world, **ASK)
        (text,) = await answers_of(world)
        assert text.startswith(f"outcome unknown: {LOST}; ")
        assert "given up after 3600 s" in text


async def test_a_run_of_another_agent_that_somebody_deletes_is_made_again_where_it_did_not_happen() -> None:
    wanted = a_call("ask-scout", '{"message": "Go and see."}')
    async with a_world() as world:
        model = FakeLLMClient(calls(wanted), answer("seen"), answer("seen again"), answer("done"), latency_seconds=5)
        world.replica(model)
        await world.apply_walk_through(tools=[{"name": "ask-scout"}])
        scout = {"llmRef": {"name": "gpt-4o"}, "system": "You look at things."}
        await world.apply("agents", {"metadata": {"name": "scout"}, "spec": scout})
        tool = {"agentRef": {"name": "scout"}} | ASK
        await world.apply("tools", {"metadata": {"name": "ask-scout"}, "spec": tool})
        await world.agent_until(lambda agent: agent.metadata.name == "my-assistant" and agent.status.ready)
        await world.apply_task()
        child = f"{CALL}-run"
        await world.until(lambda run: run.status.phase == TaskRunPhase.SEND_CONTEXT_WINDOW_TO_LLM, child)
        await world.client.delete(resources.TASK_RUNS, NAMESPACE, child)
        assert "was deleted" in ((await request_of(world)).spec.request.message or "")
        await decide(world, "DidNotHappen")
        assert await answers_of(world) == ["seen again"]


class SlowServer(OneServer):
    """A server whose first call goes on until the test ends it."""

    def __init__(self, end: CallResult | McpError) -> None:
        super().__init__(SILENT, [])
        self.end = end
        self.over = asyncio.Event()

    async def call(self, key: ServerKey, tool: str, arguments: Mapping[str, Any], **more: Any) -> CallResult | Inputs:
        result = await super().call(key, tool, arguments, **more)
        if self.attempts > 1:
            return result
        await self.over.wait()
        if isinstance(self.end, McpError):
            raise self.end
        return self.end


async def ask_as_another_manager(world: World) -> None:
    """Ask a person what became of a call that is under way: its manager was taken for dead."""
    call = await world.call_until(lambda call: call.status.phase == ToolCallPhase.RUNNING)
    settled = settle.unclear(call, await world.run(), LOST, datetime.now(UTC))
    await world.client.update_status(resources.TOOL_CALLS, call.with_status(**settled.status))


@pytest.mark.parametrize(
    ("end", "phase", "told"),
    [
        pytest.param(CallResult("a goat"), ToolCallPhase.SUCCEEDED, "a goat", id="its result"),
        pytest.param(CallResult("no eyes", is_error=True), ToolCallPhase.FAILED, "no eyes", id="its error"),
    ],
)
async def test_what_a_call_brings_counts_while_a_person_is_asked_what_became_of_it(
    connect: Connect, end: CallResult, phase: ToolCallPhase, told: str
) -> None:
    connect(server := SlowServer(end))
    async with a_world() as world:
        world.replica(FakeLLMClient(ASKED, answer("done")))
        await a_task_that_looks(world, **ASK)
        await ask_as_another_manager(world)
        server.over.set()
        assert told in (await answers_of(world))[0]
        assert (await world.call_until(lambda call: call.status.phase == phase)).status.result is not None
        assert server.attempts == 1
        requests = await world.client.list(resources.HUMAN_REQUESTS, NAMESPACE)
        assert [request.status.phase for request in requests if request.status.phase == HumanRequestPhase.OPEN] == []


async def test_a_call_that_brings_nothing_leaves_the_question_to_the_person(connect: Connect) -> None:
    connect(server := SlowServer(Uncertain(LOST)))
    async with a_world() as world:
        world.replica(FakeLLMClient(ASKED, answer("done")))
        await a_task_that_looks(world, **ASK)
        await ask_as_another_manager(world)
        server.over.set()
        await decide(world, "DidNotHappen")
        assert await answers_of(world) == ["seen"]
        assert server.attempts == 2
