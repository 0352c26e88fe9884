"""Which connections the control loop of MCPServers opens, replaces and closes, in this order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from pydantic import SecretStr

from kubechain.api.mcpserver import MCPServer
from kubechain.controllers import resources
from kubechain.controllers.frame import StatusWriter
from kubechain.controllers.mcpserver.effects import Connector
from kubechain.controllers.mcpserver.observe import Observer
from kubechain.controllers.mcpserver.reconciler import MCPServerReconciler
from kubechain.controllers.secrets import SecretUnavailable
from kubechain.mcp.model import Phase, ServerKey, ServerSpec, ServerState
from kubechain.runtime.errors import TransportError
from kubechain.runtime.keys import Request
from test.controllers.builders import NOW
from test.controllers.mcpserver.builders import LOOK, a_server

REQUEST = Request("default", "eyes")
OTHER_UID = "99999999-9999-9999-9999-999999999999"


@dataclass
class Connections:
    """Connections that are ready at once, and what was done with them."""

    specs: dict[ServerKey, ServerSpec] = field(default_factory=dict[ServerKey, ServerSpec])
    done: list[str] = field(default_factory=list[str])

    def is_specified(self, key: ServerKey, spec: ServerSpec) -> bool:
        return key in self.specs and self.specs[key].fingerprint() == spec.fingerprint()

    def state(self, key: ServerKey) -> ServerState:
        return ServerState(Phase.READY, (LOOK,), connects=1)

    def ensure(self, key: ServerKey, spec: ServerSpec) -> ServerState:
        self.done.append(f"ensure {key.uid[:2]}")
        self.specs[key] = spec
        return self.state(key)

    async def remove(self, key: ServerKey) -> None:
        self.done.append(f"remove {key.uid[:2]}")
        del self.specs[key]


class World:
    """One process, and the server as its cache has it."""

    def __init__(self) -> None:
        """Start with a server that needs no secret."""
        self.server: MCPServer | None = a_server()
        self.token = "one"
        self.failure: Exception | None = None
        self.connections = Connections()
        connector = Connector(cast(Any, self.connections))
        writer = StatusWriter(resources.MCP_SERVERS, cast(Any, self), self)
        observer = Observer(cast(Any, self), connector)
        anything = cast(Any, self)
        self.reconciler = MCPServerReconciler(
            servers=anything,
            observer=observer,
            connector=connector,
            hoster=anything,
            usage=anything,
            writer=writer,
            clock=anything,
        )

    async def after(self, server: MCPServer | None) -> list[str]:
        """What a reconcile of this version does with the connections."""
        self.server = server
        self.connections.done.clear()
        await self.reconciler.reconcile(REQUEST)
        return self.connections.done

    def get(self, namespace: str, name: str) -> MCPServer | None:
        return self.server

    async def update_status(self, resource: Any, obj: MCPServer) -> MCPServer:
        self.server = obj
        return obj

    async def named_values(self, namespace: str, given: Any) -> dict[str, SecretStr]:
        if self.failure is not None:
            raise self.failure
        if given and not self.token:
            raise SecretUnavailable('Secret "s" not found')
        return {one.name: SecretStr(self.token) for one in given}

    def event(self, obj: Any, event_type: str, reason: str, message: str, *, is_end: bool = False) -> None:
        pass

    def now(self) -> Any:
        return NOW


WITH_SECRET: dict[str, Any] = {"env": ({"name": "T", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},)}
UID = a_server().metadata.uid[:2]


def replaced(server: MCPServer) -> MCPServer:
    """Another object of the same name."""
    return server.model_copy(update={"metadata": server.metadata.with_changes(uid=OTHER_UID)})


def deleted(server: MCPServer) -> MCPServer:
    return server.model_copy(update={"metadata": server.metadata.with_changes(deletion_timestamp=NOW)})


async def connected(**spec: Any) -> World:
    world = World()
    assert await world.after(a_server(**spec)) == [f"ensure {UID}"]
    return world


async def test_a_connected_server_is_left_alone() -> None:
    world = await connected()
    assert world.server is not None
    assert world.server.status.connected
    assert await world.after(world.server) == []


@pytest.mark.parametrize(
    ("server", "done"),
    [
        pytest.param(None, [f"remove {UID}"], id="the server is gone"),
        pytest.param(deleted(a_server()), [f"remove {UID}"], id="the server is deleted"),
        pytest.param(replaced(a_server()), [f"remove {UID}", "ensure 99"], id="another server has its name"),
        pytest.param(a_server(command="y"), [f"ensure {UID}"], id="the spec is another"),
        pytest.param(a_server(approval_contact_channel={"name": "c"}), [], id="a person must approve its calls"),
    ],
)
async def test_a_connection_follows_its_server(server: MCPServer | None, done: list[str]) -> None:
    world = await connected()
    assert await world.after(server) == done


@pytest.mark.parametrize(
    ("token", "done"),
    [
        pytest.param("two", [f"ensure {UID}"], id="a rotated secret connects anew"),
        pytest.param("", [f"remove {UID}"], id="a secret that is gone closes the connection"),
        pytest.param("one", [], id="the same secret changes nothing"),
    ],
)
async def test_a_connection_follows_its_secrets(token: str, done: list[str]) -> None:
    world = await connected(**WITH_SECRET)
    world.token = token
    assert await world.after(world.server) == done


async def test_the_connection_to_an_earlier_server_is_closed_although_no_secret_can_be_read() -> None:
    world = await connected(**WITH_SECRET)
    world.failure = TransportError("no connection")
    with pytest.raises(TransportError):
        await world.after(replaced(a_server(**WITH_SECRET)))
    assert world.connections.done == [f"remove {UID}"]
    world.failure = None
    assert await world.after(world.server) == ["ensure 99"]


async def test_a_connection_that_was_closed_is_opened_again() -> None:
    world = await connected()
    assert await world.after(None) == [f"remove {UID}"]
    assert await world.after(a_server()) == [f"ensure {UID}"]
