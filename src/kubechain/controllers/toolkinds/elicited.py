"""Between what an MCP server asks people for and what the status of a call keeps of it. Pure."""

from __future__ import annotations

import json

from kubechain.api.taskruntoolcall import Elicitation, ElicitedItem
from kubechain.mcp.elicitation import Asked, FormAsked, Inputs, Item, Reply, UrlAsked


def recorded(inputs: Inputs) -> Elicitation:
    """What the status keeps."""
    return Elicitation(
        request_state=inputs.state,
        items=tuple(map(_recorded_item, inputs.items)),
        earlier=tuple(map(_recorded_item, inputs.earlier)),
    )


def inputs(elicitation: Elicitation) -> Inputs:
    """What the call carries when it is made again."""
    return Inputs(
        items=tuple(map(_item, elicitation.items)),
        state=elicitation.request_state,
        earlier=tuple(map(_item, elicitation.earlier)),
    )


def _recorded_item(item: Item) -> ElicitedItem:
    asked, reply = item.asked, item.reply
    return ElicitedItem(
        key=asked.key,
        message=asked.message,
        schema_=asked.schema if isinstance(asked, FormAsked) else None,
        url=asked.url if isinstance(asked, UrlAsked) else None,
        action=reply.action if reply is not None else None,
        content=json.dumps(reply.content) if reply is not None and reply.content is not None else None,
    )


def _item(item: ElicitedItem) -> Item:
    content = None if item.content is None else json.loads(item.content)
    return Item(_asked(item), None if item.action is None else Reply(item.action, content))


def _asked(item: ElicitedItem) -> Asked:
    if item.url is not None:
        return UrlAsked(item.key, item.message, item.url)
    return FormAsked(item.key, item.message, item.schema_ or {})
