"""Calls whose servers ask people, and what people reply."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from kubechain.mcp.elicitation import Inputs, Item, Reply
from kubechain.mcp.model import ServerKey
from test.mcp.conftest import World


async def held(world: World, key: ServerKey, tool: str, inputs: Inputs | None = None, **arguments: Any) -> Any:
    """Make a call that may be held while a person is asked."""
    return await world.manager.call(key, tool, arguments, timeout_seconds=20, meta={}, inputs=inputs, may_hold=True)


def replied(inputs: Inputs, *replies: Reply) -> Inputs:
    """The inputs with a reply to each item, in order."""
    items = (Item(item.asked, reply) for item, reply in zip(inputs.items, replies, strict=True))
    return replace(inputs, items=tuple(items))


def accepted(**content: Any) -> Reply:
    return Reply("accept", content)
