"""Our operator under measurement: the real runtime, and a reconciler that does nothing. Started by the driver."""

from __future__ import annotations

import argparse
import asyncio
import signal

import uvloop

from bench.runtime.probe import Probe
from kubechain.controllers.resources import TASK_RUNS
from kubechain.manager import GC_THRESHOLD
from kubechain.runtime import kubeconfig
from kubechain.runtime.clock import SystemClock
from kubechain.runtime.controller import Result, controller
from kubechain.runtime.http import HttpExchange
from kubechain.runtime.keys import Request
from kubechain.runtime.manager import Election, Manager, Options


class Idle:
    """Notes that it was called; reads the whole object first when asked to."""

    def __init__(self, manager: Manager, probe: Probe, *, read: bool) -> None:
        self._runs = manager.lister(TASK_RUNS)
        self._probe = probe
        self._read = read

    async def reconcile(self, request: Request) -> Result:
        """Do nothing."""
        metadata = self._runs.metadata(request.namespace, request.name)
        if self._read:
            self._runs.get(request.namespace, request.name)
        self._probe.handled(request.name, metadata.resource_version if metadata else "")
        return Result()


async def run(options: argparse.Namespace) -> None:
    """Run the operator until SIGTERM."""
    clock = SystemClock()
    cluster = kubeconfig.load(clock=clock, path=options.kubeconfig)
    exchange, leases = (HttpExchange(cluster, user_agent="bench-runtime") for _ in range(2))
    election = Election(namespace="default", name="bench") if options.elect else None
    manager = Manager(
        exchange, clock=clock, lease_exchange=leases,
        options=Options(election=election, gc_threshold=GC_THRESHOLD, gc_freeze=True),
    )  # fmt: skip
    probe = Probe(options.objects)
    controller(manager, "bench").for_(TASK_RUNS).complete(Idle(manager, probe, read=options.read))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, manager.stop)
    probe.begin()
    async with asyncio.TaskGroup() as group:
        syncing = group.create_task(_tell_synced(manager, probe))
        await manager.run()
        syncing.cancel()
    await exchange.aclose()
    await leases.aclose()


async def _tell_synced(manager: Manager, probe: Probe) -> None:
    await manager.wait_synced()
    probe.mark("synced")


def main() -> None:
    """Parse what the driver says."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kubeconfig", required=True)
    parser.add_argument("--objects", type=int, required=True)
    parser.add_argument("--elect", action="store_true")
    parser.add_argument("--read", action="store_true")
    uvloop.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
