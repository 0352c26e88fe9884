"""A thousand runs without tools against a mock model: throughput, overhead, writes and the manager's own cost.

    python -m bench.hello --runs 1000 --at-once 200 --latency 0.5 --servers embedded,real

The driver keeps `--at-once` runs going: as one finishes it creates the next. A run's overhead is the time from sending
its creation to seeing its FinalAnswer on a watch, less the model's latency; both ends are measured here, in one
process, since the times in a status have whole seconds. Manager, API server, model and driver are processes of their
own and share the machine, so ratios between columns say more than single figures.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

from bench.driver import watching
from bench.processes import ManagerProcess, mock_model, server
from test.e2e.processes import KUBECHAIN


@dataclass(frozen=True, slots=True)
class Figures:
    """What one server gave."""

    runs_per_second: float
    overhead_p50: float
    overhead_p99: float
    writes_per_run: float
    events_per_run: float
    events_dropped: float
    ends_told: float
    last_event_seconds: float
    manager_cpu_ms_per_run: float
    manager_rss_mib: float
    start_seconds: float
    idle_rss_mib: float


async def measure(kubeconfig_path: Path, folder: Path, base_url: str, options: argparse.Namespace) -> Figures:
    """One server, from an idle manager to the last answer."""
    async with watching(kubeconfig_path) as driver:
        with ManagerProcess(kubeconfig_path, folder, options.at_once) as manager:
            idle_rss = manager.rss_mib
            await driver.agent(base_url, options.at_once)
            await driver.drive([f"warm-up-{number}" for number in range(20)], 20)
            names = [f"run-{number}" for number in range(options.runs)]
            cpu_before, writes_before = manager.cpu_seconds, manager.status_writes()
            events_before = manager.events("written")
            seconds = await driver.drive(names, options.at_once)
            ended = time.perf_counter()
            while manager.events_waiting():  # noqa: ASYNC110  (a metric of another process)
                await asyncio.sleep(0.05)
            last_event_seconds = time.perf_counter() - ended
            told = await driver.runs_with_event("LLMFinalAnswer")
            overheads = driver.overheads(names, options.latency)
            return Figures(
                runs_per_second=options.runs / seconds,
                overhead_p50=median(overheads),
                overhead_p99=quantiles(overheads, n=100)[98],
                writes_per_run=(manager.status_writes() - writes_before) / options.runs,
                events_per_run=(manager.events("written") - events_before) / options.runs,
                events_dropped=manager.events("dropped"),
                ends_told=len(told & set(names)) / options.runs,
                last_event_seconds=last_event_seconds,
                manager_cpu_ms_per_run=(manager.cpu_seconds - cpu_before) / options.runs * 1e3,
                manager_rss_mib=manager.rss_mib,
                start_seconds=manager.start_seconds,
                idle_rss_mib=idle_rss,
            )


ROWS = (
    ("runs per second", "runs_per_second", "{:.1f}"),
    ("overhead p50, ms", "overhead_p50", "{:.0f}"),
    ("overhead p99, ms", "overhead_p99", "{:.0f}"),
    ("status writes per run", "writes_per_run", "{:.2f}"),
    ("Events per run", "events_per_run", "{:.2f}"),
    ("Events dropped", "events_dropped", "{:.0f}"),
    ("share of ends with an Event", "ends_told", "{:.4f}"),
    ("last Event after last run, s", "last_event_seconds", "{:.2f}"),
    ("manager CPU per run, ms", "manager_cpu_ms_per_run", "{:.1f}"),
    ("manager RSS after, MiB", "manager_rss_mib", "{:.0f}"),
    ("manager start to ready, s", "start_seconds", "{:.2f}"),
    ("manager RSS idle, MiB", "idle_rss_mib", "{:.0f}"),
)


def show(results: dict[str, Figures], options: argparse.Namespace) -> None:
    """The table, with the ratio of the servers where both were measured."""
    ideal = options.at_once / options.latency
    print(f"{options.runs} runs, {options.at_once} at a time, model latency {options.latency} s")
    print(f"the model alone would allow {ideal:.0f} runs per second\n")
    print(f"{'':28}" + "".join(f"{name:>12}" for name in results) + ("       ratio" if len(results) == 2 else ""))
    for title, field, form in ROWS:
        values = [getattr(figures, field) * (1e3 if "overhead" in field else 1) for figures in results.values()]
        ratio = f"{values[0] / values[1]:12.2f}" if len(values) == 2 and values[1] else ""
        print(f"{title:28}" + "".join(f"{form.format(value):>12}" for value in values) + ratio)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--at-once", type=int, default=200)
    parser.add_argument("--latency", type=float, default=0.5, help="of the model, in seconds")
    parser.add_argument("--servers", default="embedded,real")
    options = parser.parse_args()
    assert KUBECHAIN.exists(), "make setup comes first"
    results: dict[str, Figures] = {}
    print(f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f} at the start")
    with mock_model(options.latency) as base_url:
        for name in options.servers.split(","):
            print(f"{name}: …", file=sys.stderr, flush=True)
            with tempfile.TemporaryDirectory() as folder, server(name, Path(folder)) as kubeconfig_path:
                results[name] = asyncio.run(measure(kubeconfig_path, Path(folder), base_url, options))
    show(results, options)
    print(f"\nload {os.getloadavg()[0]:.1f} at the end")


if __name__ == "__main__":
    main()
