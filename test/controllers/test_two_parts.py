"""A Tool with `agentRef` beside `execute`: its calls are delegated, and the other part is checked all the same."""

from __future__ import annotations

from typing import Any, cast

import pytest

from kubechain.api.agent import Agent
from kubechain.api.approval import PinnedApproval
from kubechain.api.meta import StatusType
from kubechain.api.taskrun import ToolCallType
from kubechain.api.tool import Tool, ToolSpec
from kubechain.controllers.secrets import SecretUnavailable
from kubechain.controllers.tool.decide import decide
from kubechain.controllers.tool.observe import Observer
from kubechain.controllers.toolkinds.registry import ToolKinds
from kubechain.controllers.validation import Accept, Refuse, Step
from test.controllers.builders import an_agent, meta
from test.controllers.toolkinds.builders import all_tool_kinds

URL = "https://example.com/pay"
CREDENTIALS = {"name": "payments", "key": "token"}


class Named:
    """Objects of one kind, by name."""

    def __init__(self, *objects: Agent | Tool) -> None:
        self._objects = {one.metadata.name: one for one in objects}

    def get(self, namespace: str, name: str) -> Any:
        return self._objects.get(name)


class NoSecrets:
    """A namespace without Secrets."""

    async def value(self, namespace: str, name: str, key: str) -> str:
        raise SecretUnavailable(f'Secret "{name}" not found')


def a_tool(execute: dict[str, Any]) -> Tool:
    """A Tool that delegates to `helper`, and has another part."""
    spec = ToolSpec.model_validate({"agentRef": {"name": "helper"}, "execute": execute})
    return Tool(metadata=meta("pay"), spec=spec)


def kinds_with(*tools: Tool) -> ToolKinds:
    return all_tool_kinds(Named(*tools), Named(), Named(an_agent("helper")))


async def verdict(execute: dict[str, Any]) -> Step:
    observer = Observer(kinds_with(), cast(Any, Named(an_agent("helper"))), cast(Any, NoSecrets()))
    return decide(await observer.observe(a_tool(execute)))


@pytest.mark.parametrize(
    ("execute", "expected"),
    [
        pytest.param({"builtin": {"name": "add"}}, Accept(), id="a part that can be carried out"),
        pytest.param(
            {"externalAPI": {"url": URL, "requiresApproval": True}},
            Accept(),
            id="a part that wants a person's approval",
        ),
        pytest.param(
            {"externalAPI": {"url": URL, "credentialsFrom": CREDENTIALS}},
            Refuse('Secret "payments" not found'),
            id="a part whose Secret does not exist",
        ),
    ],
)
async def test_every_part_of_a_tool_is_checked(execute: dict[str, Any], expected: Step) -> None:
    assert await verdict(execute) == expected


async def test_a_part_that_cannot_be_carried_out_refuses_the_tool() -> None:
    assert isinstance(await verdict({"externalAPI": {"url": "https://169.254.169.254/latest"}}), Refuse)


async def test_calls_of_a_tool_with_an_agent_are_delegated() -> None:
    tool = a_tool({"builtin": {"name": "add"}}).with_status(status=StatusType.READY)
    agent = an_agent(tools=({"name": "pay"},))
    (offer,) = kinds_with(tool).offers_of(agent)
    assert offer.approval is None
    assert (offer.call_type, offer.delegate) == (ToolCallType.DELEGATE_TO_AGENT, "helper")


async def test_a_part_without_effect_does_not_hide_that_it_wants_approval() -> None:
    tool = a_tool({"externalAPI": {"url": URL, "requiresApproval": True}}).with_status(status=StatusType.READY)
    (offer,) = kinds_with(tool).offers_of(an_agent(tools=({"name": "pay"},)))
    assert offer.approval == PinnedApproval()
    assert offer.pin().approval == PinnedApproval()
