"""The same operator on kopf, as its users write one. Runs in kopf's own environment, started by the driver.

Its log is quiet, which also spares it the Events that it would post about each handler: in its favour.
"""
# pyright: basic, reportMissingImports=false
# kopf is not among the project's packages, and has no types for its decorators.

from __future__ import annotations

import argparse

import kopf
import uvloop

from bench.runtime.probe import Probe

RUNS = ("kubechain.humanlayer.dev", "v1alpha1", "taskruns")


def register(probe: Probe) -> None:
    """Handle objects that are there, that come and that change, by doing nothing."""

    @kopf.on.startup()
    async def begin(**_):
        probe.begin()

    @kopf.on.resume(*RUNS)
    @kopf.on.create(*RUNS)
    @kopf.on.update(*RUNS)
    async def idle(name, meta, **_):
        probe.handled(name, meta["resourceVersion"])


def main() -> None:
    """Parse what the driver says."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--objects", type=int, required=True)
    parser.add_argument("--priority", type=int, help="compete with others under this priority")
    options = parser.parse_args()
    kopf.configure(quiet=True)
    register(Probe(options.objects))
    if options.priority is None:
        uvloop.run(kopf.operator(clusterwide=True, standalone=True))
    else:
        uvloop.run(kopf.operator(clusterwide=True, peering_name="bench", priority=options.priority))


if __name__ == "__main__":
    main()
