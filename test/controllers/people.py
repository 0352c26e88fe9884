"""A person who decides HumanRequests as with kubectl, and what tests look at of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kubechain.api.humanrequest import HumanRequest, HumanRequestPhase
from kubechain.api.taskrun import TaskRunPhase
from kubechain.controllers import resources
from test.controllers.test_durability import is_over
from test.controllers.test_tool_turns import tool_answers
from test.controllers.world import NAMESPACE, World

CALL = "hello-1-t0-c0"
"""Name of the first call of the run, and of its first request."""


async def request_of(world: World, name: str = CALL) -> HumanRequest:
    """The request, once it is there."""
    return await world.request_until(lambda request: request.metadata.name == name)


async def decide(world: World, choice: str, name: str = CALL, **more: Any) -> None:
    """Decide as a person does with kubectl."""
    request = await request_of(world, name)
    decision = {"choice": choice, "digest": request.spec.request.digest, "by": "bob"} | more
    await world.client.patch(resources.HUMAN_REQUESTS, NAMESPACE, name, {"spec": {"decision": decision}})


async def answers_of(world: World) -> list[str]:
    """The results of its tool calls that the model has read in the end."""
    run = await world.until(is_over)
    assert run.status.phase == TaskRunPhase.FINAL_ANSWER, run.status.status_detail
    return [text for _, text in tool_answers(run)]


def request_is(phase: HumanRequestPhase, name: str = CALL) -> Callable[[HumanRequest], bool]:
    """Whether a request of this name is in a phase."""
    return lambda request: request.metadata.name == name and request.status.phase == phase
