"""Servers of type stdio behind the bridge of a Pod: the manager sees of them what it sees of its own children."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest

from kubechain.mcp.errors import ConnectionLost, TimedOut
from kubechain.mcp.model import Phase, ServerSpec
from test.mcp.asking import accepted, held, replied
from test.mcp.bridge import bridging, needs_go
from test.mcp.conftest import World, a_key, a_server, gone, running

pytestmark = needs_go


async def test_a_tool_is_listed_and_called(world: World, tmp_path: Path) -> None:
    with bridging(a_server("good", "one", env={"GREETING": "hello"}), tmp_path) as bridge:
        key = await world.ready(bridge.spec)
        assert [tool.name for tool in world.state(key).tools][:2] == ["echo", "environment"]
        echoed = json.loads((await world.call(key, "echo", text="<ü>")).content)
        assert echoed["arguments"] == {"text": "<ü>"}
        assert json.loads((await world.call(key, "process")).content)["argv"] == ["one"]
        assert json.loads((await world.call(key, "environment")).content)["GREETING"] == "hello"


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}], ids=["no token", "another token"])
async def test_nobody_is_served_without_the_token(headers: dict[str, str], tmp_path: Path) -> None:
    with bridging(a_server("good"), tmp_path) as bridge:
        async with httpx2.AsyncClient() as client:
            body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
            replies = [
                await client.post(f"{bridge.url}/mcp", json=body, headers=headers),
                await client.get(f"{bridge.url}/mcp", headers=headers),
                await client.delete(f"{bridge.url}/mcp", headers=headers),
            ]
    assert [reply.status_code for reply in replies] == [401, 401, 401]


async def test_each_manager_has_a_program_of_its_own(world: World, tmp_path: Path) -> None:
    with bridging(a_server("good"), tmp_path) as bridge:
        first = await world.ready(bridge.spec)
        async with running(World()) as other:
            second = await other.ready(bridge.spec)
            pids = [
                json.loads((await one.call(key, "process")).content)["pid"]
                for one, key in ((world, first), (other, second))
            ]
        assert pids[0] != pids[1]
        assert gone(pids[1]), "the session of the other manager has ended"
        assert (await world.call(first, "fail")).content == "no luck"


async def test_the_program_ends_with_the_bridge(world: World, tmp_path: Path) -> None:
    with bridging(a_server("good"), tmp_path) as bridge:
        key = await world.ready(bridge.spec)
        pid = json.loads((await world.call(key, "process")).content)["pid"]
        assert bridge.stop() == 0
        assert gone(pid)


async def test_a_program_that_dies_in_a_call_leaves_its_outcome_unknown_and_is_started_again(
    world: World, tmp_path: Path
) -> None:
    with bridging(a_server("dying"), tmp_path) as bridge:
        key = await world.ready(bridge.spec)
        with pytest.raises(ConnectionLost):
            await world.call(key, "die")
        await world.until(lambda: world.state(key).phase == Phase.READY and world.state(key).connects == 2)


async def test_a_program_that_cannot_be_started_is_told(world: World, tmp_path: Path) -> None:
    with bridging(ServerSpec("stdio", command="no-such-program"), tmp_path) as bridge:
        key = a_key()
        world.manager.ensure(key, bridge.spec)
        state = await world.until_state(key, lambda state: state.phase in (Phase.BACKOFF, Phase.FAILED))
    assert "no-such-program" in state.error
    assert "not found" in state.error


async def test_a_program_that_ends_at_its_start_is_told_with_its_last_words(world: World, tmp_path: Path) -> None:
    broken = replace(a_server("good"), args=("-c", "import sys; sys.exit('no licence key')"))
    with bridging(broken, tmp_path) as bridge:
        key = a_key()
        world.manager.ensure(key, bridge.spec)
        state = await world.until_state(key, lambda state: state.phase in (Phase.BACKOFF, Phase.FAILED))
    assert "exit status 1" in state.error
    assert "no licence key" in state.error


async def test_changed_tools_are_announced(world: World, tmp_path: Path) -> None:
    with bridging(a_server("changing"), tmp_path) as bridge:
        key = await world.ready(bridge.spec)
        await world.call(key, "grow")
        await world.until(lambda: [tool.name for tool in world.state(key).tools] == ["grow", "grown-1"])


async def test_a_call_that_takes_too_long_is_given_up(world: World, tmp_path: Path) -> None:
    with bridging(a_server("good"), tmp_path) as bridge:
        key = await world.ready(bridge.spec)
        with pytest.raises(TimedOut):
            await world.call(key, "silent", timeout_seconds=0.2)
        assert (await world.call(key, "fail")).content == "no luck"


async def test_a_server_of_the_current_revision_asks_a_person(world: World, tmp_path: Path) -> None:
    with bridging(a_server("asking"), tmp_path) as bridge:
        key = await world.ready(bridge.spec, seconds=60)  # its program imports the library of MCP first
        first = await held(world, key, "ship", item="a lamp")
        second = await held(world, key, "ship", replied(first, accepted(street="Main St", express=True)), item="a lamp")
        assert [one.asked.message for one in second.items] == ["Really to Main St?"]


async def test_a_server_of_an_older_revision_asks_a_person(world: World, tmp_path: Path) -> None:
    with bridging(a_server("asking_by_requests", asks_first=True), tmp_path) as bridge:
        key = await world.ready(bridge.spec)
        asked = await held(world, key, "paint")
        assert asked.items


async def test_of_too_many_sessions_the_one_that_was_unused_for_longest_ends(tmp_path: Path) -> None:
    begin = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "a", "version": "1"}},
    }
    with bridging(a_server("good"), tmp_path, "--max-sessions=2") as bridge:
        headers = {name: value.get_secret_value() for name, value in bridge.spec.headers.items()}
        async with httpx2.AsyncClient(headers=headers) as client:
            replies = [await client.post(f"{bridge.url}/mcp", json=begin) for _ in range(3)]
            sessions = [reply.headers["mcp-session-id"] for reply in replies]
            listed = [
                await client.post(
                    f"{bridge.url}/mcp",
                    json={"jsonrpc": "2.0", "id": 2, "method": "tools/list"},
                    headers={"Mcp-Session-Id": session},
                )
                for session in sessions
            ]
    assert [reply.status_code for reply in listed] == [404, 200, 200]
