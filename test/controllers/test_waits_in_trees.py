"""Whoever waits for a person at the bottom of a tree of runs ends with its root, and what was asked is withdrawn."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from kubechain.api.humanrequest import HumanRequestPhase, HumanRequestType
from kubechain.controllers import resources
from kubechain.llm.client import Completion
from kubechain.llm.fake import FakeLLMClient, answer, calls
from kubechain.mcp.elicitation import FormAsked, Inputs, Item, UrlAsked
from kubechain.mcp.errors import McpError, Uncertain
from test.controllers.builders import a_call
from test.controllers.oneserver import ASKED, SILENT, Connect, OneServer
from test.controllers.people import request_of
from test.controllers.test_durability import is_over
from test.controllers.test_tool_turns import ADD
from test.controllers.world import NAMESPACE, World, a_world

MIDDLE = "hello-1-t0-c0-run"
LEAF = f"{MIDDLE}-t0-c0-run"
MESSAGE = json.dumps({"message": "Go on."})

ADDS = calls(a_call("add", '{"a": 2, "b": 3}'))
FORM = FormAsked("a", "Which color?", {"type": "object", "properties": {"color": {"type": "string"}}})
PAGE = UrlAsked("b", "Sign in, please.", "https://login.example.com/start")


@dataclass(frozen=True, slots=True)
class Leaf:
    """The run at the bottom.

    Attributes:
        agent: What its Agent has.
        wanted: What its model wants.
        name: Of what is asked.
        failures: Of the calls of its MCP server.
        questions: What its MCP server asks.
    """

    agent: Mapping[str, Any]
    wanted: Completion
    name: str = f"{LEAF}-t0-c0"
    failures: tuple[McpError, ...] = ()
    questions: tuple[FormAsked | UrlAsked, ...] = ()

    def server(self) -> OneServer:
        return OneServer(SILENT, list(self.failures), questions=[Inputs((Item(one),)) for one in self.questions])


EYES: Mapping[str, Any] = {"mcpServers": [{"name": "eyes"}]}

LEAVES: Mapping[str, Leaf] = {
    "Approval": Leaf({"tools": [{"name": "add"}]}, ADDS),
    "Question": Leaf({"askHuman": True}, calls(a_call("ask_human", '{"message": "Which?"}'))),
    "Form": Leaf(EYES, ASKED, questions=(FORM,)),
    "Url": Leaf(EYES, ASKED, questions=(PAGE,)),
    "Outcome": Leaf(EYES, ASKED, failures=(Uncertain("the connection broke"),)),
    "Budget": Leaf(
        {"planning": True, "limits": {"maxTurns": 1, "onExceeded": "Ask"}},
        calls(a_call("update_plan", '{"steps": []}')),
        f"{LEAF}-budget-1",
    ),
}
"""By the type of the request."""


def test_each_type_of_request_is_asked_for_at_the_bottom() -> None:
    assert set(LEAVES) == {type_.value for type_ in HumanRequestType}


ENDS = ("cancelled", "deleted", "past its deadline")


def a_task(deadline_seconds: int | None) -> dict[str, Any]:
    """More of the Task's spec."""
    return {"activeDeadlineSeconds": deadline_seconds} if deadline_seconds else {}


async def a_tree(world: World, leaf: Leaf, *, deadline_seconds: int | None) -> None:
    """Three runs, of which the last one asks a person."""
    down = [calls(a_call(f"delegate_to_agent__{name}", MESSAGE)) for name in ("middle", "leaf")]
    world.replica(FakeLLMClient(*down, leaf.wanted, answer("never asked for")))
    await world.apply("tools", {"metadata": {"name": "add"}, "spec": ADD | {"requiresApproval": True}})
    shared = {"llmRef": {"name": "gpt-4o"}, "system": "You look at things."}
    await world.apply("agents", {"metadata": {"name": "leaf"}, "spec": shared | dict(leaf.agent)})
    await world.apply("agents", {"metadata": {"name": "middle"}, "spec": shared | {"subAgents": [{"name": "leaf"}]}})
    eyes = {"type": "stdio", "command": "x", "onUnknownOutcome": "Ask"}
    await world.apply("mcpservers", {"metadata": {"name": "eyes"}, "spec": eyes})
    await world.apply_walk_through(subAgents=[{"name": "middle"}])
    await world.apply_task(**a_task(deadline_seconds))


async def end(world: World, how: str) -> None:
    """End the run at the top; a deadline needs nobody."""
    if how == "cancelled":
        await world.patch_run({"spec": {"cancel": True}})
    if how == "deleted":
        await world.client.delete(resources.TASK_RUNS, NAMESPACE, "hello-1")


@pytest.mark.parametrize("how", ENDS)
@pytest.mark.parametrize("type_", LEAVES)
async def test_a_wait_at_the_bottom_of_a_tree_ends_with_its_root(type_: str, how: str, connect: Connect) -> None:
    leaf = LEAVES[type_]
    connect(leaf.server())
    async with a_world() as world:
        await a_tree(world, leaf, deadline_seconds=600 if how == ENDS[2] else None)
        request = await request_of(world, leaf.name)
        assert request.spec.request.type == type_
        await end(world, how)
        await asyncio.sleep(1_200)
        runs = await world.client.list(resources.TASK_RUNS, NAMESPACE)
        open_calls = [
            call.metadata.name
            for call in await world.client.list(resources.TOOL_CALLS, NAMESPACE)
            if call.status.completion_time is None
        ]
        requests = await world.client.list(resources.HUMAN_REQUESTS, NAMESPACE)
        assert (len(runs), len(requests)) == ((0, 0) if how == "deleted" else (3, 1))
        assert all(is_over(run) for run in runs)
        assert all(one.status.phase == HumanRequestPhase.WITHDRAWN for one in requests)
        assert open_calls == []


@pytest.mark.parametrize("how", ENDS)
async def test_a_run_that_waits_for_the_budget_of_its_root_ends_with_it(how: str) -> None:
    down = calls(a_call("delegate_to_agent__middle", MESSAGE))
    step = calls(a_call("update_plan", '{"steps": []}'))
    async with a_world() as world:
        world.replica(FakeLLMClient(down, step, answer("never asked for")))
        spec = {"llmRef": {"name": "gpt-4o"}, "system": "You look at things.", "planning": True}
        await world.apply("agents", {"metadata": {"name": "middle"}, "spec": spec})
        await world.apply_walk_through(subAgents=[{"name": "middle"}], limits={"maxTurns": 1, "onExceeded": "Ask"})
        await world.apply_task(**a_task(600 if how == ENDS[2] else None))
        await request_of(world, "hello-1-budget-1")
        await end(world, how)
        await asyncio.sleep(1_200)
        runs = await world.client.list(resources.TASK_RUNS, NAMESPACE)
        assert len(runs) == (0 if how == "deleted" else 2)
        assert all(is_over(run) for run in runs)
        requests = await world.client.list(resources.HUMAN_REQUESTS, NAMESPACE)
        assert all(one.status.phase == HumanRequestPhase.WITHDRAWN for one in requests)
