"""The owner of a connection, with a link of our own in the place of the MCP library."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from kubechain.mcp.elicitation import Inputs
from kubechain.mcp.errors import NotSent, TimedOut
from kubechain.mcp.failures import ConnectFailure
from kubechain.mcp.link import Observer, Page
from kubechain.mcp.manager import ConnectionManager
from kubechain.mcp.model import CallResult, Limits, Phase, ServerKey, ServerSpec, ToolInfo
from kubechain.mcp.warden import Warden
from test.mcp.conftest import QUICK, World, a_key, running

TOOL = ToolInfo("t", "", {})


class FakeServer:
    """Connects as told, and remembers."""

    def __init__(self) -> None:
        """Behave, at first."""
        self.connects: list[ServerSpec] = []
        self.closes = 0
        self.listings = 0
        self.failures: list[Exception] = []
        self.observer: Observer | None = None
        self.hold = asyncio.Event()
        self.hold.set()
        self.answer = asyncio.Event()
        self.answer.set()
        self.listing: Exception | None = None
        self.failure_at_exit: Exception | None = None

    @asynccontextmanager
    async def connect(
        self, key: ServerKey, spec: ServerSpec, *, limits: Limits, warden: Warden, observer: Observer
    ) -> AsyncGenerator[FakeServer]:
        """A `Connector`."""
        self.connects.append(spec)
        await self.hold.wait()
        if self.failures:
            raise self.failures.pop(0)
        self.observer = observer
        try:
            yield self
        finally:
            self.closes += 1
            if self.failure_at_exit is not None:
                raise self.failure_at_exit

    async def list_tools(self, cursor: str | None) -> Page:
        """See `Link`."""
        self.listings += 1
        if self.listing is not None:
            raise self.listing
        return Page([TOOL])

    async def call(
        self,
        tool: str,
        arguments: Mapping[str, Any],
        *,
        meta: Mapping[str, Any],
        inputs: Inputs | None = None,
        may_hold: bool = False,
    ) -> CallResult:
        """See `Link`."""
        await self.answer.wait()
        return CallResult("done")


class FakeWorld(World):
    """A manager over a fake server."""

    def __init__(self, limits: Limits = QUICK) -> None:
        """Create it."""
        super().__init__(limits)
        self.server = FakeServer()
        self.manager = ConnectionManager(on_change=self._changed, limits=limits, connector=self.server.connect)


@pytest.fixture
async def fake() -> AsyncIterator[FakeWorld]:
    """A running manager over a fake server."""
    async with running(world := FakeWorld()):
        yield world


SPEC = ServerSpec("http", url="http://one")
OTHER = ServerSpec("http", url="http://two")


@pytest.mark.parametrize(
    ("failure", "error"),
    [
        (ConnectFailure("no"), "no"),
        (ExceptionGroup("g", [ExceptionGroup("h", [ConnectFailure("no")])]), "no"),
        (ExceptionGroup("g", [ValueError("?"), ConnectFailure("no")]), "no"),
        (ValueError("odd\nthing"), "ValueError: odd thing"),
    ],
    ids=["a failure", "deep in groups", "beside others", "what nobody foresaw"],
)
async def test_a_failed_try_is_shown_and_repeated(fake: FakeWorld, failure: Exception, error: str):
    fake.server.failures = [failure]
    key = await fake.ready(SPEC)
    assert [(state.phase, state.error) for state in fake.history[key]] == [(Phase.BACKOFF, error), (Phase.READY, "")]


async def test_a_child_gives_its_place_back_whatever_its_end():
    limits = Limits(children=1, retry_first_seconds=0.01, retry_most_seconds=0.02)
    async with running(world := FakeWorld(limits)):
        world.server.failures = [ConnectFailure("no"), ValueError("odd"), ExceptionGroup("g", [ConnectFailure("no")])]
        for name in ("first", "second"):
            key = await world.ready(ServerSpec("stdio", command=name), name)
            assert world.manager.statistics().children == 1
            world.manager.ensure(key, ServerSpec("stdio", command=f"another {name}"))
            await world.until(lambda key=key: world.state(key).connects == 2)
            assert world.manager.statistics().children == 1
            await world.manager.remove(key)
            assert world.manager.statistics().children == 0


async def test_a_child_without_a_place_waits_for_one():
    limits = Limits(children=1, retry_first_seconds=0.01, retry_most_seconds=0.02)
    async with running(world := FakeWorld(limits)):
        first = await world.ready(ServerSpec("stdio", command="first"), "first")
        second = a_key("second")
        world.manager.ensure(second, ServerSpec("stdio", command="second"))
        await world.until_state(second, lambda state: state.error.startswith("limit: "))
        assert world.manager.statistics().children == 1
        await world.manager.remove(first)
        await world.until(lambda: world.state(second).phase == Phase.READY)


async def test_the_same_failure_again_is_no_news(fake: FakeWorld):
    fake.server.failures = [ConnectFailure("no") for _ in range(5)]
    key = await fake.ready(SPEC)
    assert len(fake.history[key]) == 2


async def test_a_spec_that_changes_during_a_try_ends_the_try(fake: FakeWorld):
    fake.server.hold.clear()
    fake.manager.ensure(a_key(), SPEC)
    await fake.until(lambda: len(fake.server.connects) == 1)
    fake.manager.ensure(a_key(), OTHER)
    await fake.until(lambda: fake.server.connects == [SPEC, OTHER])


async def test_a_spec_that_changes_during_a_long_pause_ends_the_pause(fake: FakeWorld):
    fake.server.failures = [ConnectFailure("never", is_permanent=True)]
    fake.manager.ensure(a_key(), SPEC)
    await fake.until_state(a_key(), lambda state: state.phase == Phase.FAILED)
    await fake.ready(OTHER)


async def test_only_a_spec_that_differs_connects_anew(fake: FakeWorld):
    key = await fake.ready(SPEC)
    assert fake.manager.ensure(key, ServerSpec("http", url="http://one")).phase == Phase.READY
    assert len(fake.server.connects) == 1


async def test_calls_in_flight_hold_a_new_spec_off_but_not_for_ever():
    async with running(world := FakeWorld(Limits(drain_seconds=0.1))):
        key = await world.ready(SPEC)
        world.server.answer.clear()
        call = asyncio.create_task(world.call(key, "t", timeout_seconds=60))
        await world.until(lambda: world.manager.statistics().calls_in_flight == 1)
        world.manager.ensure(key, OTHER)
        with pytest.raises(NotSent):
            await world.call(key, "t")
        assert world.server.closes == 0
        await world.until(lambda: world.server.connects == [SPEC, OTHER])
        call.cancel()


async def test_a_look_that_fails_while_a_call_runs_is_put_off():
    async with running(world := FakeWorld(Limits(probe_seconds=0.05))):
        key = await world.ready(SPEC)
        world.server.answer.clear()
        call = asyncio.create_task(world.call(key, "t"))
        await world.until(lambda: world.manager.statistics().calls_in_flight == 1)
        world.server.listing = ConnectFailure("busy")
        await world.until(lambda: world.server.listings >= 4)
        assert world.state(key).phase == Phase.READY
        world.server.answer.set()
        assert (await call).content == "done"
        await world.until_state(key, lambda state: state.error == "busy")


async def test_after_an_error_a_connection_is_suspect_until_the_server_answers(fake: FakeWorld):
    key = await fake.ready(SPEC)
    assert fake.server.observer is not None
    news = len(fake.history[key])
    fake.server.observer.suspect()
    assert fake.state(key).is_suspect
    await fake.until(lambda: not fake.state(key).is_suspect)
    assert len(fake.history[key]) == news + 1, "who waits for it is told"
    assert fake.server.listings == 2


async def test_it_stays_suspect_while_a_call_keeps_it_open_although_the_server_does_not_answer(fake: FakeWorld):
    key = await fake.ready(SPEC)
    fake.server.answer.clear()
    call = asyncio.create_task(fake.call(key, "t"))
    await fake.until(lambda: fake.manager.statistics().calls_in_flight == 1)
    assert fake.server.observer is not None
    fake.server.listing = ConnectFailure("busy")
    fake.server.observer.suspect()
    await fake.until(lambda: fake.server.listings >= 3)
    assert (fake.state(key).phase, fake.state(key).is_suspect) == (Phase.READY, True)
    fake.server.listing = None
    await fake.until(lambda: not fake.state(key).is_suspect)
    fake.server.answer.set()
    assert (await call).content == "done"


async def test_a_connection_that_ends_is_left_and_made_anew(fake: FakeWorld):
    key = await fake.ready(SPEC)
    assert fake.server.observer is not None
    fake.server.observer.ended(ConnectFailure("gone"))
    await fake.until(lambda: fake.state(key).connects == 2)
    assert fake.server.closes == 1
    assert [state.error for state in fake.history[key]] == ["", "gone", ""]


async def test_a_call_takes_no_longer_than_its_time(fake: FakeWorld):
    key = await fake.ready(SPEC)
    fake.server.answer.clear()
    with pytest.raises(TimedOut, match=r"no answer within 0\.05 s"):
        await fake.call(key, "t", timeout_seconds=0.05)


async def test_removal_works_at_every_moment_and_twice(fake: FakeWorld):
    key = a_key()
    fake.server.hold.clear()
    fake.manager.ensure(key, SPEC)
    await fake.manager.remove(key)
    fake.manager.ensure(key, SPEC)
    await fake.until(lambda: len(fake.server.connects) == 1)
    await fake.manager.remove(key)
    fake.server.hold.set()
    await fake.ready(SPEC)
    await asyncio.gather(fake.manager.remove(key), fake.manager.remove(key))
    assert fake.server.closes == 1
    with pytest.raises(NotSent, match="unknown MCP server"):
        await fake.call(key, "t")


async def test_an_error_on_the_way_out_does_not_undo_a_removal(fake: FakeWorld):
    key = await fake.ready(SPEC)
    fake.server.failure_at_exit = ValueError("on the way out")
    async with asyncio.timeout(5):
        await fake.manager.remove(key)
    assert len(fake.server.connects) == 1


async def test_two_tenants_with_one_name_are_two_servers(fake: FakeWorld):
    one, other = a_key(), a_key(namespace="other")
    assert one != other
    assert one == ServerKey(one.namespace, one.uid, "renamed")
    fake.manager.ensure(one, SPEC)
    fake.manager.ensure(other, OTHER)
    await fake.until(lambda: fake.manager.statistics().servers == {Phase.READY: 2})
    await fake.manager.remove(one)
    assert fake.state(other).phase == Phase.READY


async def test_servers_that_are_ensured_before_the_manager_runs_are_connected_then():
    world = FakeWorld()
    assert world.manager.ensure(a_key(), SPEC).phase == Phase.CONNECTING
    async with running(world):
        await world.until(lambda: world.state(a_key()).phase == Phase.READY)
