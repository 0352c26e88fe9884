"""Reads a run from the API server, with all that belongs to it."""

from __future__ import annotations

from typing import TypeVar

from kubechain.api.contextchunk import ContextChunkSpec
from kubechain.api.taskrun import TaskRun
from kubechain.cli.clusters import Place
from kubechain.cli.shelf import Shelf
from kubechain.controllers.resources import HUMAN_REQUESTS, TASK_RUNS, TOOL_CALLS
from kubechain.controllers.taskrun.chunkstore import ChunkBroken, ChunkCache, ChunkStore, ChunkUnread
from kubechain.runtime.errors import Forbidden, NotFound
from kubechain.runtime.resource import KubernetesObject, Resource
from kubechain.views.gathered import Gathered

T = TypeVar("T", bound=KubernetesObject)

OF_CALLS = "spec.taskRunRef.name"
OF_REQUESTS = "spec.request.taskRunRef.name"
"""Fields by which the API server selects what belongs to a run."""


async def gather(place: Place, name: str) -> Gathered:
    """Read a run and the runs below it.

    Raises:
        ApiError: The run cannot be read; of what belongs to it, what may not be read is a gap of the story.
    """
    shelf = Shelf()
    await read_run(place, name, shelf)
    return shelf.gathered(name)


async def read_run(place: Place, name: str, shelf: Shelf) -> None:
    """Read a run and the runs below it onto a shelf."""
    namespace = place.namespace or ""
    run = shelf.runs[name] = await place.client.get(TASK_RUNS, namespace, name)
    shelf.calls[name] = await _belonging(place, TOOL_CALLS, OF_CALLS, name, shelf)
    shelf.requests[name] = await _belonging(place, HUMAN_REQUESTS, OF_REQUESTS, name, shelf)
    await read_chunks(place, run, shelf)
    for _, child in shelf.children(name):
        try:
            await read_run(place, child, shelf)
        except NotFound:
            continue


async def _belonging(place: Place, resource: Resource[T], field: str, name: str, shelf: Shelf) -> tuple[T, ...]:
    try:
        found = await place.client.list(resource, place.namespace, field_selector=f"{field}={name}")
    except Forbidden as error:
        shelf.missed(name, f"{resource.kind}s", str(error))
        return ()
    return tuple(found)


async def read_chunks(place: Place, run: TaskRun, shelf: Shelf) -> None:
    """Read and verify the older part of a conversation, unless it is on the shelf already: a chunk never changes."""
    moved, name = run.status.chunks, run.metadata.name
    if moved is None or len(shelf.chunks.get(name, ())) == moved.count:
        return
    found = list[ContextChunkSpec]()
    try:
        async for chunk in ChunkStore(place.client, ChunkCache()).backwards(run):
            found.append(chunk)
    except (ChunkUnread, ChunkBroken) as error:
        shelf.missed(name, "The older part of the conversation", str(error))
    shelf.chunks[name] = tuple(reversed(found))
