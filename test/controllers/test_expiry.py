"""A finished run is deleted when its time is over: that run, and no other that has its name since."""

from __future__ import annotations

import asyncio
from typing import Any

from kubechain.controllers import resources
from kubechain.llm.fake import FakeLLMClient, answer
from test.controllers.test_durability import is_over
from test.controllers.wires import Meddler
from test.controllers.world import NAMESPACE, World, a_world

RUN: dict[str, Any] = {"agentRef": {"name": "my-assistant"}, "userMessage": "What is the capital of the moon?"}


async def a_run(world: World, **spec: Any) -> None:
    await world.apply("taskruns", {"metadata": {"name": "mine"}, "spec": RUN | spec})


async def test_a_run_that_took_the_name_of_an_expired_one_stays() -> None:
    async with a_world() as world:
        replica = world.replica(FakeLLMClient(answer("It has none.")))

        async def replace() -> None:
            """Somebody deletes the expired run and makes another one, just before our delete arrives."""
            await world.client.delete(resources.TASK_RUNS, NAMESPACE, "mine")
            await a_run(world)

        wire = Meddler(replica.exchange.inner, "DELETE", "/taskruns/mine", replace)
        replica.exchange.inner = wire
        await world.apply_walk_through()
        await a_run(world, ttlSecondsAfterFinished=60)
        first = await world.until(is_over, "mine")
        async with asyncio.timeout(600):
            second = await world.until(lambda run: run.metadata.uid != first.metadata.uid and is_over(run), "mine")
        assert second.status.output == "It has none."
        assert wire.count == 1
        # Whatever was on its way has arrived by now: the second run has no time to live.
        await world.apply_task()
        await world.until(is_over)
        assert (await world.run("mine")).metadata.uid == second.metadata.uid
