"""How often a run without faults reads an object from the API server instead of its cache: golden numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from kubechain.api.taskrun import TaskRun
from kubechain.controllers.taskrun.chunkstore import ChunkCache, ChunkStore
from kubechain.controllers.taskrun.excerpts import Excerpt
from kubechain.runtime.client import Client
from kubechain.runtime.resource import Resource
from test.simulation.plans import REFERENCE
from test.simulation.scenarios import BY_NAME
from test.simulation.scenarios.growth import small_model
from test.simulation.simulation import simulate

SEED = 11

Get = Callable[[Client, Resource[Any], str, str], Any]


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often objects of a kind are read."""
    reads: Counter[str] = Counter()
    get: Get = Client.get

    async def counted(client: Client, resource: Resource[Any], namespace: str, name: str) -> Any:
        reads[resource.kind] += 1
        return await get(client, resource, namespace, name)

    monkeypatch.setattr(Client, "get", counted)
    return reads


@pytest.mark.parametrize(
    ("name", "of_task", "of_run"),
    [
        pytest.param("plain", 1, 0, id="a run without tools"),
        pytest.param("one-tool-call", 1, 2, id="a call that acts outside"),
        pytest.param("parallel-calls", 1, 6, id="three calls that act outside"),
    ],
)
def test_a_run_is_read_from_the_api_server_for_calls_that_act_outside_alone(
    name: str, of_task: int, of_run: int, reads: Counter[str]
) -> None:
    """A Task creates its run, and is decided on as the server has it: what the cache still asks for may be over.

    A call that acts outside reads its run twice: before its claim, since a manager whose cache is behind may have made
    the call again, and before its release. The reply to W3 is live: W4 reads nothing.
    """
    assert simulate(BY_NAME[name], REFERENCE, SEED).violations == ()
    assert (reads["Task"], reads["TaskRun"], reads["TaskRunToolCall"]) == (of_task, of_run, 0)


def hold_nothing(cache: ChunkCache, sha: str) -> None:
    """A cache that is always empty."""
    del cache, sha


def test_after_a_summary_a_request_reads_the_newest_chunks_alone(
    reads: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing is held in memory, as in a manager that was just started."""
    needed, counts = ChunkStore.needed, list[tuple[int, int]]()

    async def counted(store: ChunkStore, run: TaskRun) -> Excerpt:
        before = reads["ContextChunk"]
        found = await needed(store, run)
        if run.status.summaries and run.status.chunks:
            counts.append((run.status.chunks.count, reads["ContextChunk"] - before))
        return found

    monkeypatch.setattr(ChunkStore, "needed", counted)
    monkeypatch.setattr(ChunkCache, "get", hold_nothing)
    story = replace(BY_NAME["summarised"], script=small_model(24))
    assert simulate(story, REFERENCE, SEED).violations == ()
    assert max(made for made, _ in counts) > 15
    assert max(read for _, read in counts) <= 5, "four turns stay, and a chunk has one of them"
