"""What the watch of a Job's Pods and the lists beside it say together."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast
from urllib.parse import parse_qs

from kubechain.controllers.toolkinds.podwatch import PodWatch, following
from kubechain.runtime.clock import LoopClock

JsonObject = dict[str, Any]


def a_pod(phase: str) -> JsonObject:
    owners = [{"kind": "Job", "name": "job", "uid": "job-uid"}]
    return {"metadata": {"name": "pod", "resourceVersion": "8", "ownerReferences": owners}, "status": {"phase": phase}}


class Server:
    """A server that still lists a Pod as pending; its watch says what the test says.

    Attributes:
        said: Events for the watch.
        begun_at: From which versions watches were begun.
    """

    def __init__(self) -> None:
        self.said = asyncio.Queue[JsonObject]()
        self.begun_at: list[str | None] = []

    async def request(self, method: str, target: str, **_: Any) -> bytes:
        assert method == "GET"
        if "/jobs/" in target:
            return json.dumps({"metadata": {"name": "job", "uid": "job-uid"}}).encode()
        return json.dumps({"metadata": {"resourceVersion": "7"}, "items": [a_pod("Pending")]}).encode()

    @asynccontextmanager
    async def stream(self, target: str) -> AsyncGenerator[AsyncIterator[bytes]]:
        self.begun_at.append(parse_qs(target).get("resourceVersion", [None])[0])

        async def lines() -> AsyncIterator[bytes]:
            while True:
                yield json.dumps(await self.said.get()).encode()

        yield lines()

    def watching(self) -> Any:
        """The watch, while the body runs."""
        return following(cast(Any, self), LoopClock(), "default", "job")


async def test_the_watch_begins_where_the_first_list_ends() -> None:
    server = Server()
    async with server.watching() as watch:
        await asyncio.sleep(1)
        await cast(PodWatch, watch).look()
        await asyncio.sleep(1)
    assert server.begun_at == ["7"]


async def test_the_last_state_of_a_pod_stays_although_an_older_list_still_has_it() -> None:
    server = Server()
    async with server.watching() as watch:
        await watch.look()
        server.said.put_nowait({"type": "DELETED", "object": a_pod("Failed")})
        await watch.wait(1)
        seen = await watch.look()
    assert [pod["status"]["phase"] for pod in seen.pods] == ["Failed"]
    assert (set(seen.removed), set(seen.missing)) == ({"pod"}, set())
