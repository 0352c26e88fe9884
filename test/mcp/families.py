"""Managers in processes of their own, whose servers start processes that start processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

_BEGIN = """
import asyncio, os, sys, structlog
from kubechain.mcp.errors import ConnectionLost
from kubechain.mcp.model import Phase, ServerSpec
from kubechain.mcp.reaper import zombies_of
from test.mcp.conftest import World, a_key, a_server, running

structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
"""

_SERVING = (
    _BEGIN
    + """
async def main():
    async with running(World()) as world:
        key = await world.ready(a_server(sys.argv[1]))
        print((await world.call(key, "who")).content, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""
)

_CRASHING = (
    _BEGIN
    + """
async def main():
    async with running(World()) as world:
        key = await world.ready(a_server("family"))
        family = (await world.call(key, "who")).content
        try:
            await world.call(key, "die")
        except ConnectionLost:
            await world.manager.remove(key)
            print(family, flush=True)

asyncio.run(main())
"""
)

_ORPHANS = (
    _BEGIN
    + """
LEAVES_A_CHILD = ServerSpec("stdio", command="sh", args=("-c", "(setsid sleep 0.5 &)"))

async def main():
    async with running(World()) as world:
        keys = [a_key(f"server-{number}") for number in range(10)]
        for key in keys:
            world.manager.ensure(key, LEAVES_A_CHILD)
        for key in keys:
            await world.until_state(key, lambda state: state.phase is Phase.BACKOFF)
        for key in keys:
            await world.manager.remove(key)
        async with asyncio.timeout(30):
            while zombies_of(os.getpid()):
                await asyncio.sleep(0.1)

asyncio.run(main())
"""
)


def is_killed_with(script: str) -> list[int]:
    """Kill a manager with a server that has descendants; return the server and them."""
    with subprocess.Popen([sys.executable, "-c", _SERVING, script], stdout=subprocess.PIPE, cwd=ROOT) as manager:
        assert manager.stdout is not None
        family = [int(pid) for pid in manager.stdout.readline().split()]
        manager.kill()
    return family


def is_killed_with_a_family() -> list[int]:
    """Kill a manager whose server has a grandchild in a session of its own."""
    return is_killed_with("family")


def crashes_with_a_family() -> list[int]:
    """Let a server die alone, under a manager that goes on; return the server and its descendants."""
    done = subprocess.run([sys.executable, "-c", _CRASHING], cwd=ROOT, check=True, stdout=subprocess.PIPE)
    return [int(pid) for pid in done.stdout.split()]


def leaves_orphans() -> list[int]:
    """Let ten servers leave a process behind; fails where one of these stays as a zombie."""
    subprocess.run([sys.executable, "-c", _ORPHANS], cwd=ROOT, check=True)
    return []
