"""Converts what servers ask people for between the MCP library and `elicitation`, and answers their own requests."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import mcp_types as types
from mcp.client.session import ClientRequestContext
from pydantic import SecretStr, ValidationError

from kubechain.mcp.elicitation import (
    ITEMS_MAX,
    Asked,
    InputRefused,
    Inputs,
    Item,
    Reply,
    asked_from,
    checked_state,
)
from kubechain.mcp.floor import Floor


def inputs(requests: Mapping[str, types.InputRequest], state: str | None, secrets: Collection[SecretStr]) -> Inputs:
    """Return what a call needs before it can go on.

    Raises:
        InputRefused: Nobody is to be asked for one of these.
    """
    if len(requests) > ITEMS_MAX:
        raise InputRefused(f"it asks for more than {ITEMS_MAX} things at once")
    items = [Item(_asked(key, request, secrets)) for key, request in requests.items()]
    return Inputs(tuple(items), checked_state(state))


def addresses(data: Any) -> dict[str, types.InputRequest]:
    """Return the addresses that a server of 2025-11-25 wants opened before it takes the call."""
    try:
        wanted = types.ElicitationRequiredErrorData.model_validate(data).elicitations
    except ValidationError:
        return {}
    return {one.elicitation_id or str(number): types.ElicitRequest(params=one) for number, one in enumerate(wanted)}


def replies(inputs: Inputs | None) -> dict[str, Any]:
    """Return what a call carries that is made again, in the current revision."""
    if inputs is None:
        return {}
    given = {item.asked.key: _result(item.reply) for item in inputs.items if item.reply is not None}
    state = {} if inputs.state is None else {"requestState": inputs.state}
    return state | ({"inputResponses": given} if given else {})


@dataclass(frozen=True, slots=True)
class Answerer:
    """Answers the requests of a server of an older revision; a callback of the library.

    Attributes:
        floor: None where people are not asked.
        secrets: Of the server's configuration.
    """

    floor: Floor | None
    secrets: Collection[SecretStr]

    async def __call__(
        self, context: ClientRequestContext, params: types.ElicitRequestParams
    ) -> types.ElicitResult | types.ErrorData:
        """Answer one request."""
        del context  # it does not say which call the request belongs to
        if self.floor is None:
            return types.ErrorData(code=types.INVALID_REQUEST, message="Elicitation is not supported")
        try:
            asked = _asked("", types.ElicitRequest(params=params), self.secrets)
        except InputRefused as error:
            return types.ErrorData(code=types.INVALID_PARAMS, message=f"refused: {error}")
        return _result(await self.floor.reply(asked))


def _asked(key: str, request: types.InputRequest, secrets: Collection[SecretStr]) -> Asked:
    if not isinstance(request, types.ElicitRequest):
        raise InputRefused(f"{request.method} is not offered")
    params = request.params.model_dump(mode="json", by_alias=True, exclude_none=True)
    return asked_from(key, params, secrets)


def _result(reply: Reply) -> types.ElicitResult:
    return types.ElicitResult.model_validate({"action": reply.action, "content": reply.content})
