"""Child processes that misbehave: what is shown, what becomes of calls, what is left, and that nobody else notices."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys

import pytest

from kubechain.mcp.errors import ConnectionLost, NotSent, TimedOut
from kubechain.mcp.model import Limits, Phase
from test.mcp import families
from test.mcp.conftest import QUICK, World, a_key, a_server, gone, resident_bytes, running


async def test_a_server_that_talks_before_it_serves_is_understood(world: World):
    key = await world.ready(a_server("good"))
    assert [tool.name for tool in world.state(key).tools][:2] == ["echo", "environment"]
    assert (await world.call(key, "fail")).is_error


async def test_a_server_that_crashes_again_and_again_is_started_again_and_again(world: World, started: list[int]):
    key = a_key()
    world.manager.ensure(key, a_server("crashing", env={"TOKEN": "s3cr3t-t0ken"}))
    await world.until(lambda: len(started) >= 4)
    errors = {state.error for state in world.history[key] if state.phase == Phase.BACKOFF}
    assert all(error.startswith("the process ended with exit code 3: started at ") for error in errors)
    assert all(error.endswith(" boom: token [redacted]") for error in errors)


async def test_a_call_in_flight_when_the_server_dies_is_uncertain_and_the_next_finds_it_again(
    world: World, started: list[int]
):
    key = await world.ready(a_server("dying"))
    with pytest.raises(ConnectionLost):
        await world.call(key, "die")
    await world.until(lambda: world.state(key).connects == 2)
    assert len(started) == 2


async def test_a_server_that_is_killed_is_noticed_without_a_call(world: World, started: list[int]):
    key = await world.ready(a_server("good"))
    os.kill(started[0], signal.SIGKILL)
    state = await world.until_state(key, lambda state: state.phase == Phase.BACKOFF)
    assert state.error == "the process was ended by signal 9"
    assert state.tools == ()
    await world.until(lambda: world.state(key).phase == Phase.READY)


async def test_a_server_that_hangs_at_its_start_is_given_up_and_tried_again(started: list[int]):
    async with running(World(Limits(stop_grace_seconds=0.1, retry_first_seconds=0.01))) as world:
        key = a_key()
        world.manager.ensure(key, a_server("hanging", start_seconds=0.3))
        await world.until(lambda: len(started) >= 2)
        assert world.history[key][0].error == "no answer within 0.3 s of its start (spec.startTimeoutSeconds)"


async def test_a_start_that_takes_long_is_told_with_the_first_error_and_ends_in_a_connection(started: list[int]):
    async with running(World(Limits(progress_seconds=0.2, connect_seconds=0.1, probe_timeout_seconds=0.1))) as world:
        key = await world.ready(a_server("slow_start", "3"))
        said = [state.error for state in world.history[key] if state.phase == Phase.CONNECTING]
        assert said[0].startswith("Starting, 0.2 s")
        assert "Starting, 1.6 s: error: no mirror answers still fetching" in said
        assert len(started) == 1
        assert world.state(key).error == ""


async def test_a_start_that_fails_late_says_why_and_for_how_long_it_was_tried(started: list[int]):
    async with running(World(Limits(progress_seconds=0.2, stop_grace_seconds=0.1))) as world:
        key = a_key()
        world.manager.ensure(key, a_server("slow_start", "30", start_seconds=2))
        state = await world.until_state(key, lambda state: state.phase == Phase.BACKOFF)
        assert state.error == (
            "no answer within 2 s of its start (spec.startTimeoutSeconds): error: no mirror answers still fetching"
        )


async def test_calls_to_a_server_that_reads_no_more_time_out_and_a_look_ends_it(started: list[int]):
    limits = Limits(probe_seconds=0.5, probe_timeout_seconds=0.2, stop_grace_seconds=0.1, retry_first_seconds=0.01)
    async with running(World(limits)) as world:
        key = await world.ready(a_server("deaf"))
        with pytest.raises(TimedOut):
            await world.call(key, "echo", text="x" * 1_000_000, timeout_seconds=0.1)
        await world.until_state(key, lambda state: state.error == "tools/list: no answer within 0.2 s")


@pytest.mark.parametrize(
    ("script", "error"),
    [
        ("garbage", "output: over 1048576 bytes that are no message"),
        ("endless", "output: a line over 4194304 bytes"),
    ],
    ids=["output that is no message", "a line that never ends"],
)
async def test_a_server_whose_output_makes_no_sense_is_ended_and_memory_stays_flat(
    world: World, script: str, error: str
):
    good = await world.ready(a_server("good"), "good")
    before = resident_bytes()
    bad = a_key("bad")
    world.manager.ensure(bad, a_server(script))
    async with asyncio.TaskGroup() as calls:
        calls.create_task(world.until_state(bad, lambda state: state.error == error))
        for number in range(20):
            calls.create_task(world.call(good, "echo", number=number, timeout_seconds=5))
    assert resident_bytes() - before < 32_000_000


async def test_an_answer_of_a_hundred_megabytes_is_dropped_and_told_and_the_server_stays(world: World):
    key = await world.ready(a_server("huge"))
    before = resident_bytes()
    result = await world.call(key, "huge", megabytes=100)
    assert result.is_error
    assert result.content == "The tool ran; its answer is over 4194304 bytes and was dropped."
    assert resident_bytes() - before < 32_000_000
    assert (await world.call(key, "small")).content == "small"
    assert world.state(key).connects == 1


async def test_a_huge_line_that_answers_nobody_ends_the_connection_at_once(world: World):
    key = await world.ready(a_server("huge"))
    with pytest.raises(ConnectionLost):
        await world.call(key, "headless", megabytes=100)
    await world.until(lambda: world.state(key).connects == 2)


async def test_tools_that_change_are_listed_anew(world: World):
    key = await world.ready(a_server("changing"))
    await world.call(key, "grow")
    state = await world.until_state(key, lambda state: len(state.tools) == 2)
    assert [tool.name for tool in state.tools] == ["grow", "grown-1"]
    assert state.connects == 1


async def test_a_stubborn_server_and_its_child_are_gone_after_removal(world: World):
    key = await world.ready(a_server("stubborn"))
    server, grandchild = map(int, (await world.call(key, "who")).content.split())
    await world.manager.remove(key)
    assert gone(server)
    assert gone(grandchild)
    assert world.manager.state(key) is None
    assert world.manager.statistics().children == 0
    await world.manager.remove(key)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can say when a process that is not a child ends")
@pytest.mark.parametrize("script", ["stubborn", "family"])
def test_nothing_outlives_a_manager_that_is_killed(script: str):
    family = families.is_killed_with(script)
    assert len(family) > 1
    assert all(map(gone, family))


async def test_a_family_of_processes_goes_with_the_server_that_crashes(world: World):
    key = await world.ready(a_server("family"))
    family = [int(pid) for pid in (await world.call(key, "who")).content.split()]
    assert len(family) == 3
    with pytest.raises(ConnectionLost):
        await world.call(key, "die")
    for pid in family:
        assert await asyncio.to_thread(gone, pid)


async def test_a_family_of_processes_goes_with_the_server_that_is_removed(world: World):
    key = await world.ready(a_server("family"))
    family = [int(pid) for pid in (await world.call(key, "who")).content.split()]
    await world.manager.remove(key)
    assert all(map(gone, family))


@pytest.mark.skipif(sys.platform != "linux", reason="zombies are seen in /proc")
def test_processes_that_servers_leave_behind_are_reaped():
    families.leaves_orphans()


async def test_one_bad_server_does_not_delay_the_others(world: World):
    for script in ("hanging", "garbage", "endless", "crashing"):
        world.manager.ensure(a_key(script), a_server(script))
    good = [await world.ready(a_server("good"), f"good-{number}") for number in range(4)]
    slow = asyncio.create_task(world.call(good[0], "slow", seconds=3))
    async with asyncio.timeout(2):
        for key in good[1:]:
            assert json.loads((await world.call(key, "echo", a=1)).content)["arguments"] == {"a": 1}
    assert not slow.done()
    slow.cancel()


async def test_children_are_capped_with_a_state_that_says_so_and_a_freed_place_is_taken(started: list[int]):
    limits = Limits(children=1, stop_grace_seconds=0.2, retry_first_seconds=0.01, retry_most_seconds=0.05)
    async with running(World(limits)) as world:
        first = await world.ready(a_server("good"), "first")
        second = a_key("second")
        world.manager.ensure(second, a_server("good"))
        state = await world.until_state(second, lambda state: state.phase == Phase.BACKOFF)
        assert state.error == "limit: this manager runs 1 MCP servers as processes already"
        await world.manager.remove(first)
        await world.until(lambda: world.state(second).phase == Phase.READY)


@pytest.mark.parametrize(
    ("mode", "outcome"),
    [
        ("three", "t0 t1 t2"),
        ("repeating", "tools/list: the server repeats a cursor"),
        ("endless", "tools/list: over 50 pages"),
        ("many", "tools/list: over 1024 tools"),
    ],
)
async def test_listings_in_pages_end_or_are_refused(world: World, mode: str, outcome: str):
    key = a_key()
    world.manager.ensure(key, a_server("paging", mode))
    state = await world.until_state(key, lambda state: state.phase != Phase.CONNECTING)
    assert (" ".join(tool.name for tool in state.tools) or state.error) == outcome


async def test_a_call_that_times_out_is_cancelled_at_the_server(world: World):
    key = await world.ready(a_server("good"))
    with pytest.raises(TimedOut):
        await world.call(key, "silent", timeout_seconds=0.05)
    assert world.manager.statistics().calls_in_flight == 0
    assert (await world.call(key, "echo")).content


async def test_a_tool_that_is_not_offered_is_not_called(world: World):
    key = await world.ready(a_server("good", include=("echo", "fail"), exclude=("fail",)))
    assert [tool.name for tool in world.state(key).tools] == ["echo"]
    for name in ("fail", "environment", "a/b.c", ""):
        with pytest.raises(NotSent):
            await world.call(key, name)


async def test_a_new_secret_restarts_the_server_with_it(world: World, started: list[int]):
    key = await world.ready(a_server("good", env={"TOKEN": "old"}))
    assert world.manager.ensure(key, a_server("good", env={"TOKEN": "old"})).phase == Phase.READY
    assert world.manager.ensure(key, a_server("good", env={"TOKEN": "new"})).phase == Phase.CONNECTING
    await world.until(lambda: world.state(key).connects == 2)
    assert json.loads((await world.call(key, "environment")).content)["TOKEN"] == "new"
    assert len(started) == 2


async def test_calls_in_flight_end_before_a_new_spec_takes_over(world: World):
    key = await world.ready(a_server("good"))
    call = asyncio.create_task(world.call(key, "slow", seconds=0.3))
    await asyncio.sleep(0)
    world.manager.ensure(key, a_server("good", "another"))
    with pytest.raises(NotSent):
        await world.call(key, "echo")
    assert (await call).content == "done"
    await world.until(lambda: world.state(key).connects == 2)
    assert json.loads((await world.call(key, "process")).content)["argv"] == ["another"]


async def test_a_command_that_does_not_exist_has_failed_until_the_spec_changes(world: World):
    key = a_key()
    world.manager.ensure(key, a_server("good"))
    missing = a_key("missing")
    world.manager.ensure(missing, type(a_server("good"))("stdio", command="no-such-program"))
    state = await world.until_state(missing, lambda state: state.phase == Phase.FAILED)
    assert state.error == 'command: not found on the PATH of the manager: "no-such-program"'
    assert (state.retry_in_seconds or 0) >= QUICK.retry_failed_seconds / 2
    world.manager.ensure(missing, a_server("good"))
    await world.until(lambda: world.state(missing).phase == Phase.READY)


async def test_arguments_and_variables_reach_the_server_as_they_are(world: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("KUBERNETES_TOKEN", "canary")
    hostile = ("$(id)", "; rm -rf /", "a b", "", "`x`", "*", "'\"")
    key = await world.ready(a_server("good", *hostile, env={"PATH": "/hostile", "X": "$HOME;`id`"}))
    assert json.loads((await world.call(key, "process")).content)["argv"] == list(hostile)
    environment = json.loads((await world.call(key, "environment")).content)
    assert environment["X"] == "$HOME;`id`"
    assert environment["PATH"] == "/hostile"
    assert "canary" not in environment.values()


async def test_the_idempotency_key_travels_in_meta(world: World):
    key = await world.ready(a_server("good"))
    meta = {
        "kubechain.humanlayer.dev/idempotency-key": "k1",
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    }
    echoed = json.loads((await world.call(key, "echo", meta=meta)).content)["_meta"]
    assert {name: echoed[name] for name in meta} == meta
