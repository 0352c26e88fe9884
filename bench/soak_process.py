"""The processes of the soak: API server with faults, and manager, each of which tells what may grow in it.

Started by `bench.soak` as `python -m bench.soak_process plane|manager …`; they end with it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from unittest import mock

import uvloop

from bench.runtime.probe import Channel, rss_mib
from kubechain import logs
from kubechain.api.crd import custom_resource_definitions
from kubechain.manager import ManagerOptions, run_manager
from kubechain_apiserver import ControlPlane, read_faults
from kubechain_apiserver.engine import expiry

EVENT_TTL_SECONDS = 60
GAUGE_SECONDS = 5.0

Gauges = dict[str, float]


async def plane(options: argparse.Namespace, channel: Channel, stop: asyncio.Event) -> None:
    """The API server."""
    faults = read_faults(options.faults)
    with mock.patch.object(expiry, "TTL_SECONDS", EVENT_TTL_SECONDS):
        async with ControlPlane(kubeconfig_path=options.kubeconfig, faults=faults) as made:
            for definition in custom_resource_definitions():
                made.install_crd(definition)
            channel.tell({"event": "ready"})
            await tell_gauges(channel, stop, lambda: {"faults": float(faults.counts.total())})


async def manager(options: argparse.Namespace, channel: Channel, stop: asyncio.Event) -> None:
    """The manager, with an election, as in a cluster."""
    async with asyncio.TaskGroup() as group:
        how = ManagerOptions(kubeconfig=str(options.kubeconfig), leader_elect=True)
        group.create_task(run_manager(how, stop=stop, on_ready=lambda: channel.tell({"event": "ready"})))
        await tell_gauges(channel, stop, dict)


async def tell_gauges(channel: Channel, stop: asyncio.Event, more: Callable[[], Gauges]) -> None:
    """Tell what may grow in this process, now and then, until the stop."""
    while not stop.is_set():
        gauges = {
            "RSS, MiB": rss_mib(),
            "tasks": len(asyncio.all_tasks()),
            "sockets and files": len(os.listdir("/proc/self/fd")),
            "CPU, s": time.process_time(),
            **more(),
        }
        channel.tell({"event": "gauges", "at": time.monotonic(), "gauges": gauges})
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), GAUGE_SECONDS)


async def run(
    role: Callable[[argparse.Namespace, Channel, asyncio.Event], Awaitable[None]], options: argparse.Namespace
) -> None:
    """Run a role until SIGTERM, or until the driver is gone: its end closes our standard input."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_reader(0, lambda: os.read(0, 4096) or os._exit(1))
    await role(options, Channel(), stop)


def main() -> None:
    """Parse what the driver says."""
    parser = argparse.ArgumentParser()
    parser.add_argument("role", choices=["plane", "manager"])
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("--faults", type=Path)
    options = parser.parse_args()
    logs.configure(level="warning", format="json")
    uvloop.run(run(plane if options.role == "plane" else manager, options))


if __name__ == "__main__":
    sys.exit(main())
