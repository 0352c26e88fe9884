"""A flood of forged requests at the inbound port: what it costs the manager, and the runs that go on beside it.

    python -m bench.flood --requests 1000000 --connections 500 --runs 20 --latency 0.2 --impatient

The same runs, one after the other, first without the flood and then beside it. The flood comes from a process of its
own (`test.process.flooder`), from one address; an impatient one waits for no reply, so that it sends as fast as it
can. Manager, API server, model, flood and driver share the machine; the load that others make is printed with the
figures.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.driver import Driver, watching
from bench.processes import ManagerProcess, mock_model, server
from bench.report import load_shown, show_table
from test.e2e.processes import KUBECHAIN, free_port


@dataclass(frozen=True, slots=True)
class Figures:
    """One part of the measurement."""

    run_p50_ms: float
    run_max_ms: float
    refused_per_second: float
    manager_cpu_share: float
    manager_rss_mib: float


async def measure(driver: Driver, manager: ManagerProcess, names: Sequence[str], latency_seconds: float) -> Figures:
    """The runs, one after the other, and what the manager spends meanwhile."""
    cpu, refused, began_at = manager.cpu_seconds, manager.refused(), time.monotonic()
    await driver.drive(names, 1)
    seconds = time.monotonic() - began_at
    overheads = [one * 1e3 for one in driver.overheads(names, latency_seconds)]
    return Figures(
        run_p50_ms=median(overheads),
        run_max_ms=max(overheads),
        refused_per_second=(manager.refused() - refused) / seconds,
        manager_cpu_share=(manager.cpu_seconds - cpu) / seconds,
        manager_rss_mib=manager.rss_mib,
    )


async def both(path: Path, folder: Path, base_url: str, options: argparse.Namespace) -> dict[str, Figures]:
    """Without the flood, and beside it."""
    port = free_port()
    manner = ["impatient"] if options.impatient else []
    numbers = (port, options.requests, options.connections)
    command = [sys.executable, "-m", "test.process.flooder", *map(str, numbers), *manner]
    async with watching(path) as driver:
        with ManagerProcess(path, folder, 1, f"--endpoint-bind-address=127.0.0.1:{port}") as manager:
            await driver.agent(base_url, 1)
            await driver.drive([f"warm-up-{number}" for number in range(5)], 1)
            names = [f"run-{number}" for number in range(options.runs)]
            quiet = await measure(driver, manager, [f"quiet-{name}" for name in names], options.latency)
            with subprocess.Popen(command, stdout=subprocess.PIPE) as flooder:  # noqa: ASYNC220  (it only starts)
                flooded = await measure(driver, manager, [f"flooded-{name}" for name in names], options.latency)
                print(f"the flood goes on at the end: {flooder.poll() is None}")
                flooder.terminate()
                told = json.loads((await asyncio.to_thread(flooder.communicate))[0])
                print(f"sent a second: {told['sent'] / told['seconds']:.0f}; broken connections: {told['broken']}")
    return {"quiet": quiet, "flood": flooded}


ROWS = (
    ("overhead of a run p50, ms", "run_p50_ms", "{:.0f}"),
    ("overhead of a run, longest, ms", "run_max_ms", "{:.0f}"),
    ("refused a second", "refused_per_second", "{:.0f}"),
    ("manager CPU, share of a core", "manager_cpu_share", "{:.2f}"),
    ("manager RSS, MiB", "manager_rss_mib", "{:.0f}"),
)


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--connections", type=int, default=500)
    parser.add_argument("--impatient", action="store_true", help="the flood waits for no reply")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--latency", type=float, default=0.2, help="of the model, in seconds")
    return parser


def main() -> None:
    options = arguments().parse_args()
    assert KUBECHAIN.exists(), "make setup comes first"
    with load_shown(), mock_model(options.latency) as base_url, tempfile.TemporaryDirectory() as folder:
        with server("embedded", Path(folder)) as path:
            results = asyncio.run(both(path, Path(folder), base_url, options))
        print(json.dumps(vars(options)))
        show_table(results, ROWS, title_width=32, column_width=12)


if __name__ == "__main__":
    main()
