"""How kubectl follows changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from packages.apiserver.test.kubectl import LIMIT_SECONDS, Kubectl, a_plane, a_task, needs_kubectl

pytestmark = needs_kubectl


@pytest.fixture
async def kubectl(tmp_path: Path) -> AsyncIterator[Kubectl]:
    async with a_plane(tmp_path) as kubectl:
        yield kubectl


@asynccontextmanager
async def lines_of(kubectl: Kubectl, command: str) -> AsyncGenerator[asyncio.StreamReader]:
    """Run a command that does not end; it is ended on the way out."""
    process = await kubectl.begin(command)
    assert process.stdout is not None
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            yield process.stdout
    finally:
        process.terminate()
        await process.communicate()


async def a_watch(kubectl: Kubectl) -> None:
    """Return when kubectl watches something."""
    async with asyncio.timeout(LIMIT_SECONDS):
        while not kubectl.plane.engine.statistics()["watchers"]:  # noqa: ASYNC110 - nothing announces it
            await asyncio.sleep(0)


async def a_line(lines: asyncio.StreamReader) -> str:
    return (await lines.readline()).decode().rstrip()


async def test_get_w_prints_each_change(kubectl: Kubectl) -> None:
    kubectl.put("tasks", a_task("a"))
    async with lines_of(kubectl, "get task -w") as lines:
        assert await a_line(lines) == "NAME   PHASE"
        assert await a_line(lines) == "a"
        kubectl.set_status("a", {"phase": "Running"})
        assert await a_line(lines) == "a      Running"
        kubectl.put("tasks", a_task("b"))
        assert await a_line(lines) == "b"


async def test_get_w_says_what_happened(kubectl: Kubectl) -> None:
    kubectl.put("tasks", a_task("a"))
    async with lines_of(kubectl, "get task --watch-only --output-watch-events") as lines:
        await a_watch(kubectl)
        kubectl.set_status("a", {"phase": "Done"})
        assert (await a_line(lines)).split() == ["EVENT", "NAME", "PHASE"]
        assert (await a_line(lines)).split() == ["MODIFIED", "a", "Done"]
        assert (await kubectl("delete task a")).code == 0
        assert (await a_line(lines)).split() == ["DELETED", "a", "Done"]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("--for=jsonpath='{.status.phase}'=Done", "task.g.io/a condition met\n"),
        ("--for=delete", "task.g.io/a condition met\n"),
    ],
)
async def test_wait_returns_when_it_happens(kubectl: Kubectl, condition: str, expected: str) -> None:
    kubectl.put("tasks", a_task("a"))
    process = await kubectl.begin(f"wait task/a {condition} --timeout={LIMIT_SECONDS}s")
    async with asyncio.timeout(LIMIT_SECONDS):
        await a_watch(kubectl)
        kubectl.set_status("a", {"phase": "Done"})
        if "delete" in condition:
            await kubectl("delete task a")
        out, _ = await process.communicate()
    assert out.decode() == expected


async def test_delete_waits_for_finalizers(kubectl: Kubectl) -> None:
    held = a_task("a")
    held["metadata"]["finalizers"] = ["g.io/hold"]
    kubectl.put("tasks", held)
    process = await kubectl.begin(f"delete task a --timeout={LIMIT_SECONDS}s")
    async with asyncio.timeout(LIMIT_SECONDS):
        await a_watch(kubectl)
        assert process.returncode is None
        await kubectl('patch task a --type=merge -p \'{"metadata":{"finalizers":null}}\'')
        out, _ = await process.communicate()
    assert out.decode().startswith('task.g.io "a" deleted')
