"""A plain watch with nothing around it: when each version reached a client at all. Started by the driver.

What an operator adds is the time from here to its handler. A process of its own, so that nothing else delays it.
"""

from __future__ import annotations

import argparse
import re

import uvloop

from bench.runtime.probe import Probe
from kubechain.runtime import kubeconfig
from kubechain.runtime.clock import SystemClock
from kubechain.runtime.http import HttpExchange

PATH = "/apis/kubechain.humanlayer.dev/v1alpha1/taskruns?watch=1&resourceVersion="
VERSION = re.compile(rb'"resourceVersion":"(\d+)"')


async def run(path: str, version: str) -> None:
    """Watch from a version on, until the end of standard input."""
    exchange = HttpExchange(kubeconfig.load(clock=SystemClock(), path=path), user_agent="bench-watcher")
    probe = Probe(0)
    async with exchange.stream(
        PATH + version,
        headers={"accept": "application/json"},
        connect_timeout_seconds=10,
        idle_timeout_seconds=600,
    ) as stream:
        assert stream.status == 200, await stream.read()
        probe.begin()
        async for line in stream.lines:
            found = VERSION.search(line)
            if found is not None:
                probe.handled("", found.group(1).decode())


def main() -> None:
    """Parse what the driver says."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kubeconfig", required=True)
    parser.add_argument("--version", required=True)
    options = parser.parse_args()
    uvloop.run(run(options.kubeconfig, options.version))


if __name__ == "__main__":
    main()
