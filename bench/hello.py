"""A thousand runs without tools against a mock model: throughput, overhead, writes and the manager's own cost.

    python -m bench.hello --runs 1000 --at-once 200 --latency 0.5 --servers embedded,real

The driver keeps `--at-once` runs going: as one finishes it creates the next. A run's overhead is the time from sending
its creation to seeing its FinalAnswer on a watch, less the model's latency; both ends are measured here, in one
process, since the times in a status have whole seconds. Manager, API server, model and driver are processes of their
own and share the machine, so ratios between columns say more than single figures. All writes of a run are counted by
the server's version, its creation and Events included, and with them the few leases that are renewed meanwhile.
`--limit` also measures what the server allows at all (see `bench.limit`); with `--watches 2` its plain client reads as
many watches of all runs as there are while the manager is measured, the manager's own and the driver's. `--apart` binds
the API server and etcd to one half of the cores and everything else to the other (Linux only; see `bench.cores`).
`--at-once 1` measures the time outside the model of a run that has the machine for itself.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
import tempfile
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median, quantiles

from bench import cores, usage
from bench.driver import watching
from bench.limit import WARM_UP, plan_of
from bench.processes import ManagerProcess, mock_model, plain_client, server
from bench.report import load_shown
from test.e2e.processes import KUBECHAIN

PLAN = "plan.json"


@dataclass(frozen=True, slots=True)
class Figures:
    """What one server gave."""

    runs_per_second: float
    overhead_p50: float
    overhead_p99: float
    status_writes_per_run: float
    writes_per_run: float
    events_per_run: float
    events_dropped: float
    ends_told: float
    out_of_order: float
    last_event_seconds: float
    manager_cpu_ms_per_run: float
    server_cpu_ms_per_run: float
    etcd_cpu_ms_per_run: float
    manager_rss_mib: float
    start_seconds: float
    idle_rss_mib: float
    limit_runs_per_second: float = 0.0
    share_of_limit: float = 0.0
    limit_server_cpu_ms_per_run: float = 0.0
    limit_etcd_cpu_ms_per_run: float = 0.0


async def measure(kubeconfig_path: Path, folder: Path, base_url: str, options: argparse.Namespace) -> Figures:
    """One server, from an idle manager to the last answer."""
    async with watching(kubeconfig_path) as driver:
        with ManagerProcess(kubeconfig_path, folder, options.at_once) as manager:
            idle_rss = manager.rss_mib
            await driver.agent(base_url, options.at_once)
            await driver.drive([f"warm-up-{number}" for number in range(WARM_UP)], WARM_UP)
            versions = await driver.versions_of_one("planned")
            await manager.events_written()
            plan_of(versions, await driver.events_about("planned")).dump(folder / PLAN)
            names = [f"run-{number}" for number in range(options.runs)]
            cpu_before, writes_before = manager.cpu_seconds, manager.status_writes()
            events_before, version_before = manager.events("written"), await driver.version()
            used_before = usage.cpu_seconds()
            seconds = await driver.drive(names, options.at_once)
            ended = time.perf_counter()
            await manager.events_written()
            last_event_seconds = time.perf_counter() - ended
            used, manager_used = usage.per_run(used_before, options.runs), manager.cpu_seconds - cpu_before
            version_after = await driver.version()
            told = await driver.runs_with_event("LLMFinalAnswer")
            overheads = driver.overheads(names, options.latency)
            return Figures(
                runs_per_second=options.runs / seconds,
                overhead_p50=median(overheads),
                overhead_p99=quantiles(overheads, n=100)[98],
                status_writes_per_run=(manager.status_writes() - writes_before) / options.runs,
                writes_per_run=(version_after - version_before) / options.runs,
                events_per_run=(manager.events("written") - events_before) / options.runs,
                events_dropped=manager.events("dropped"),
                ends_told=len(told & set(names)) / options.runs,
                out_of_order=await driver.objects_with_events_out_of_order(),
                last_event_seconds=last_event_seconds,
                manager_cpu_ms_per_run=manager_used / options.runs * 1e3,
                server_cpu_ms_per_run=used.get("API server", 0.0),
                etcd_cpu_ms_per_run=used.get("etcd", 0.0),
                manager_rss_mib=manager.rss_mib,
                start_seconds=manager.start_seconds,
                idle_rss_mib=idle_rss,
            )


def limit_of(path: Path, folder: Path, options: argparse.Namespace) -> tuple[float, Mapping[str, float]]:
    """Runs a second of a plain client that makes the same writes on the same server, and CPU milliseconds a run."""
    before = usage.cpu_seconds()
    took = plain_client(path, folder / PLAN, options)
    return options.runs / took["seconds"], usage.per_run(before, options.runs + WARM_UP)


def with_limit(path: Path, folder: Path, ours: Figures, options: argparse.Namespace) -> Figures:
    """Beside the plain client, after the manager has ended."""
    limit, used = limit_of(path, folder, options)
    return replace(
        ours,
        limit_runs_per_second=limit,
        share_of_limit=ours.runs_per_second / limit,
        limit_server_cpu_ms_per_run=used.get("API server", 0.0),
        limit_etcd_cpu_ms_per_run=used.get("etcd", 0.0),
    )


@contextlib.contextmanager
def started(name: str, folder: Path, halves: cores.Halves | None) -> Generator[Path]:
    """An API server, on its half of the cores where they are halved; yields a kubeconfig."""
    with contextlib.ExitStack() as stack:
        with cores.only(halves and halves.server):
            path = stack.enter_context(server(name, folder))
        yield path


def measured(name: str, base_url: str, halves: cores.Halves | None, options: argparse.Namespace) -> Figures:
    """A new server with that name: the manager, then the plain client where it was asked for."""
    with tempfile.TemporaryDirectory() as made, started(name, Path(made), halves) as path:
        figures = asyncio.run(measure(path, Path(made), base_url, options))
        return with_limit(path, Path(made), figures, options) if options.limit else figures


ROWS = (
    ("runs per second", "runs_per_second", "{:.1f}"),
    ("overhead p50, ms", "overhead_p50", "{:.0f}"),
    ("overhead p99, ms", "overhead_p99", "{:.0f}"),
    ("status writes per run", "status_writes_per_run", "{:.2f}"),
    ("all writes per run, by server", "writes_per_run", "{:.2f}"),
    ("Events per run", "events_per_run", "{:.2f}"),
    ("Events dropped", "events_dropped", "{:.0f}"),
    ("share of ends with an Event", "ends_told", "{:.4f}"),
    ("objects with Events out of order", "out_of_order", "{:.0f}"),
    ("last Event after last run, s", "last_event_seconds", "{:.2f}"),
    ("manager CPU per run, ms", "manager_cpu_ms_per_run", "{:.1f}"),
    ("API server CPU per run, ms", "server_cpu_ms_per_run", "{:.1f}"),
    ("etcd CPU per run, ms", "etcd_cpu_ms_per_run", "{:.1f}"),
    ("manager RSS after, MiB", "manager_rss_mib", "{:.0f}"),
    ("manager start to ready, s", "start_seconds", "{:.2f}"),
    ("manager RSS idle, MiB", "idle_rss_mib", "{:.0f}"),
)

LIMIT_ROWS = (
    ("plain client, runs per second", "limit_runs_per_second", "{:.1f}"),
    ("ours / plain client", "share_of_limit", "{:.2f}"),
    ("its API server CPU per run, ms", "limit_server_cpu_ms_per_run", "{:.1f}"),
    ("its etcd CPU per run, ms", "limit_etcd_cpu_ms_per_run", "{:.1f}"),
)


def show(results: dict[str, Figures], options: argparse.Namespace) -> None:
    """The table, with the ratio of the servers where both were measured."""
    print(f"{options.runs} runs, {options.at_once} at a time, model latency {options.latency} s")
    if options.latency:
        print(f"the model alone would allow {options.at_once / options.latency:.0f} runs per second")
    print()
    print(f"{'':32}" + "".join(f"{name:>12}" for name in results) + ("       ratio" if len(results) == 2 else ""))
    for title, field, form in ROWS + (LIMIT_ROWS if options.limit else ()):
        values = [getattr(figures, field) * (1e3 if "overhead" in field else 1) for figures in results.values()]
        ratio = f"{values[0] / values[1]:12.2f}" if len(values) == 2 and values[1] else ""
        print(f"{title:32}" + "".join(f"{form.format(value):>12}" for value in values) + ratio)


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--at-once", type=int, default=200)
    parser.add_argument("--latency", type=float, default=0.5, help="of the model, in seconds")
    parser.add_argument("--servers", default="embedded,real")
    parser.add_argument("--limit", action="store_true", help="also a plain client that makes the same writes")
    parser.add_argument("--watches", type=int, default=0, help="watches of all runs that the plain client reads")
    parser.add_argument("--apart", action="store_true", help="API server and etcd on one half of the cores (Linux)")
    return parser


def main() -> None:
    options = arguments().parse_args()
    assert KUBECHAIN.exists(), "make setup comes first"
    results: dict[str, Figures] = {}
    with load_shown():
        halves = cores.halves() if options.apart else None
        if halves is not None:
            print(halves)
        with cores.only(halves and halves.rest), mock_model(options.latency) as base_url:
            for name in options.servers.split(","):
                print(f"{name}: …", file=sys.stderr, flush=True)
                results[name] = measured(name, base_url, halves, options)
        show(results, options)


if __name__ == "__main__":
    main()
