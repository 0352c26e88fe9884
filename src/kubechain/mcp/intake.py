"""Makes results of servers readable for the MCP library, by the request that each of them answers.

The library validates a result strictly, and refuses all of it for one odd part: a whole list for one bad tool, an
answer for one unknown block. The transports pass every message through an `Intake`, on every transport and for every
protocol revision. The pure parts are in `listing` and `content`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from kubechain.mcp.content import readable_result
from kubechain.mcp.listing import listed
from kubechain.mcp.model import Flaw

Object = dict[str, Any]


class Intake:
    """The requests of one connection that wait for an answer, and the flaws found in answers."""

    def __init__(self) -> None:
        """Start without a request."""
        self._methods: dict[Any, str] = {}
        self._flaws: tuple[Flaw, ...] = ()

    def sent(self, request_id: Any, method: str) -> None:
        """Note a request."""
        self._methods[request_id] = method

    def answered(self, request_id: Any) -> None:
        """Forget a request that was answered by an error or given up."""
        self._methods.pop(request_id, None)

    def request_id(self, answer_id: Any) -> Any:
        """Return the id of the request that an answer belongs to: some servers turn numbers into text."""
        if answer_id in self._methods or not isinstance(answer_id, str) or not answer_id.isdecimal():
            return answer_id
        return number if (number := int(answer_id)) in self._methods else answer_id

    def received(self, request_id: Any, result: Object) -> Object:
        """Return the result of a request as the library reads it."""
        match self._methods.pop(request_id, ""):
            case "tools/list":
                readable, self._flaws = listed(result)
                return readable
            case "tools/call":
                return readable_result(result)
            case "initialize":
                return _handshake(result)
            case _:
                return result

    def take_flaws(self) -> tuple[Flaw, ...]:
        """Return the flaws of the tools that were listed last, once."""
        flaws, self._flaws = self._flaws, ()
        return flaws


def _handshake(result: Mapping[str, Any]) -> Object:
    """Return the result of `initialize` with what the protocol demands and KubeChain does not use."""
    server, capabilities = result.get("serverInfo"), result.get("capabilities")
    named = cast(Object, server) if isinstance(server, dict) else {}
    offered = cast(Object, capabilities) if isinstance(capabilities, dict) else {}
    readable: Object = {
        **result,
        "serverInfo": {"name": str(named.get("name", "")), "version": str(named.get("version", ""))},
        "capabilities": {name: value for name, value in offered.items() if isinstance(value, dict)},
    }
    if not isinstance(readable.get("instructions", ""), str):
        readable.pop("instructions")
    return readable
