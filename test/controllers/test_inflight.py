"""Effects that others may stop, before and after they have begun."""

from __future__ import annotations

import asyncio

import pytest

from kubechain.controllers.inflight import InFlight, Interrupted


async def test_an_effect_that_nobody_wants_any_more_never_begins() -> None:
    begun: list[str] = []

    async def effect() -> None:
        begun.append("begun")

    outcome = await InFlight().run("uid", effect(), is_unwanted=lambda: True)
    assert (outcome, begun) == (Interrupted(), [])


async def test_an_effect_is_stopped_from_outside_and_forgotten() -> None:
    in_flight, has_begun = InFlight(), asyncio.Event()

    async def effect() -> None:
        has_begun.set()
        await asyncio.get_running_loop().create_future()

    waiting = asyncio.create_task(in_flight.run("uid", effect(), is_unwanted=lambda: False))
    await has_begun.wait()
    in_flight.interrupt("uid")
    assert await waiting == Interrupted()
    assert len(in_flight) == 0


@pytest.mark.parametrize("goes_on", [True, False])
async def test_only_what_goes_on_without_this_process_is_let_go_when_it_stops(goes_on: bool) -> None:
    in_flight, has_begun = InFlight(), asyncio.Event()

    async def effect() -> str:
        has_begun.set()
        await asyncio.sleep(10)
        return "done"

    waiting = asyncio.create_task(in_flight.run("uid", effect(), is_unwanted=lambda: False, goes_on=goes_on))
    await has_begun.wait()
    in_flight.let_go()
    await asyncio.wait({waiting})
    assert waiting.cancelled() == goes_on
    assert goes_on or waiting.result() == "done"


async def test_an_effect_is_over_before_its_reconcile_is_however_often_that_is_cancelled() -> None:
    in_flight, has_begun = InFlight(), asyncio.Event()
    ended: list[str] = []

    async def effect() -> None:
        has_begun.set()
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            try:
                await asyncio.sleep(1.0)  # it says good-bye
            except asyncio.CancelledError:
                await asyncio.sleep(1.0)
            ended.append("ended")
            raise

    waiting = asyncio.create_task(in_flight.run("uid", effect(), is_unwanted=lambda: False))
    await has_begun.wait()
    waiting.cancel()
    await asyncio.sleep(0.5)
    waiting.cancel()
    await asyncio.wait({waiting})
    assert (waiting.cancelled(), ended, len(in_flight)) == (True, ["ended"], 0)
