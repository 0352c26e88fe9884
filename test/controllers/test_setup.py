"""What wakes whom: news that no watch brings."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, cast

import pytest

from kubechain.controllers.setup import Clients
from kubechain.humans.model import ChannelKinds
from kubechain.llm.client import LLMClient
from kubechain.llm.fake import FakeLLMClient, answer, calls
from kubechain.mcp.model import CallResult, Phase, ServerKey, ServerSpec, ServerState, ToolInfo
from test.controllers import world as worlds
from test.controllers.builders import a_call
from test.controllers.test_durability import is_over

LOOK = ToolInfo("look", "Looks.", {"type": "object", "properties": {}})
CONNECTED = ServerState(Phase.READY, (LOOK,), connects=1)


class Flickering:
    """Connections to one server, that go and come back between two looks of its control loop."""

    def __init__(self, on_change: Callable[[ServerKey], None]) -> None:
        """Take who is told."""
        self._on_change = on_change
        self._key: ServerKey | None = None
        self.current = CONNECTED

    async def run(self) -> None:
        await asyncio.get_running_loop().create_future()

    def is_specified(self, key: ServerKey, spec: ServerSpec) -> bool:
        return key == self._key

    def ensure(self, key: ServerKey, spec: ServerSpec) -> ServerState:
        self._key = key
        return CONNECTED

    def state(self, key: ServerKey) -> ServerState:
        return self.current

    def come_back(self) -> None:
        assert self._key is not None
        self.current = CONNECTED
        self._on_change(self._key)

    async def call(self, key: ServerKey, tool: str, arguments: Mapping[str, Any], **_: Any) -> CallResult:
        return CallResult("seen")


@pytest.mark.parametrize(
    ("state", "words"),
    [
        pytest.param(replace(CONNECTED, phase=Phase.BACKOFF), "to be connected", id="it was lost"),
        pytest.param(replace(CONNECTED, is_suspect=True), "to answer", id="it may be lost"),
    ],
)
async def test_a_call_goes_on_when_a_connection_is_back_although_no_status_has_changed(
    monkeypatch: pytest.MonkeyPatch, state: ServerState, words: str
) -> None:
    made: list[Flickering] = []

    def make(on_change: Callable[[ServerKey], None]) -> Any:
        made.append(Flickering(on_change))
        return made[-1]

    def clients_for(model: LLMClient, channels: ChannelKinds | None = None) -> Clients:
        return replace(plain(model, channels), make_connections=cast(Any, make))

    plain = worlds.clients_for
    monkeypatch.setattr(worlds, "clients_for", clients_for)
    model = FakeLLMClient(calls(a_call("eyes__look", "{}")), answer("done"))
    async with worlds.a_world() as world:
        world.replica(model)
        await world.apply_walk_through(mcpServers=[{"name": "eyes"}])
        await world.apply("mcpservers", {"metadata": {"name": "eyes"}, "spec": {"type": "stdio", "command": "x"}})
        await world.agent_until(lambda agent: agent.status.ready)
        made[0].current = state
        await world.apply_task()
        await world.call_until(lambda call: words in call.status.status_detail)
        made[0].come_back()
        assert (await world.until(is_over)).status.output == "done"
