"""One, two and four replicas that share the runs: what each adds, what it costs, and what the API server allows.

    python -m bench.shards --replicas 1,2,4 --runs 600 --at-once 300 --latency 1 --servers real --cpu-limit 0.2

For each number of replicas a new API server and as many managers with `--shards`, each a process of its own; the runs
begin when the shard map gives every one its buckets. The driver keeps `--at-once` runs going, as in `bench.hello`. Then
the managers end, and the plain client of `bench.limit` makes the same writes on the same server, with as many watches
of all runs as there were: one of each replica and the driver's.

All parts share the machine. On few cores the replicas take CPU from the API server, and runs a second then say what the
machine allows. `--cpu-limit 0.2` gives each manager a fifth of a core, as `resources.limits.cpu: 200m` does in a
cluster (`bench.quota`: Linux, root): then the managers are what runs wait for, until the API server is. `--apart` binds
the API server and etcd to one half of the cores (`bench.cores`). What does not depend on the cores is the CPU a run
costs, in all managers and in the API server, and how evenly the runs are shared.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median, quantiles

from bench import cores, quota, usage
from bench.driver import Driver, watching
from bench.hello import PLAN, limit_of, started
from bench.limit import WARM_UP, plan_of
from bench.processes import ManagerProcess, mock_model
from bench.report import load_shown, show_table
from kubechain.runtime.errors import NotFound
from kubechain.runtime.shards import model as shard_model
from test.e2e.processes import KUBECHAIN

VERBS = ("GET", "POST", "PUT", "PATCH", "DELETE")
FLAGS = ("--leader-elect", "--shards", "--leader-election-namespace=default", "--leader-election-id=bench")
MAP = "/apis/coordination.k8s.io/v1/namespaces/default/leases/bench-shards"

SETTLE_SECONDS = 60.0
"""Within which the map gives every replica its buckets."""

UNEVEN = 3
"""The share of an LLM's calls that each replica gets leaves so much room for runs that are not shared evenly."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What one manager has done so far."""

    cpu_seconds: float
    runs: float
    conflicts: float
    requests: Mapping[str, float]

    @classmethod
    def of(cls, manager: ManagerProcess) -> Sample:
        requests = {verb: manager.requests(verb) for verb in VERBS}
        return cls(manager.cpu_seconds, manager.runs_ended(), manager.conflicts(), requests)

    def since(self, before: Sample) -> Sample:
        requests = {verb: count - before.requests[verb] for verb, count in self.requests.items()}
        return Sample(
            self.cpu_seconds - before.cpu_seconds, self.runs - before.runs, self.conflicts - before.conflicts, requests
        )


@dataclass(frozen=True, slots=True)
class Figures:
    """What one number of replicas gave."""

    runs_per_second: float
    overhead_p50: float
    overhead_p99: float
    manager_cpu_ms: float
    busiest_cores: float
    most_runs: float
    fewest_runs: float
    gets: float
    posts: float
    puts: float
    patches: float
    deletes: float
    conflicts: float
    writes: float
    server_cpu_ms: float
    etcd_cpu_ms: float
    server_cores: float
    rss_mib: float
    limit: float = 0.0
    share_of_limit: float = 0.0
    limit_server_cpu_ms: float = 0.0
    limit_server_cores: float = 0.0


def figures_of(
    samples: Sequence[Sample], *, runs: int, seconds: float, overheads: Sequence[float], writes: int,
    used: Mapping[str, float], rss_mib: float,
) -> Figures:  # fmt: skip
    """The figures of one number of replicas.

    Args:
        samples: what each replica did meanwhile.
        runs: in all.
        seconds: that they took.
        overheads: of each run, in seconds.
        writes: of all objects, by the server's count.
        used: milliseconds of CPU a run, of API server and etcd.
        rss_mib: of the largest replica.
    """
    requests = {verb: sum(one.requests[verb] for one in samples) / runs for verb in VERBS}
    return Figures(
        runs_per_second=runs / seconds,
        overhead_p50=median(overheads) * 1e3,
        overhead_p99=quantiles(overheads, n=100)[98] * 1e3,
        manager_cpu_ms=sum(one.cpu_seconds for one in samples) / runs * 1e3,
        busiest_cores=max(one.cpu_seconds for one in samples) / seconds,
        most_runs=max(one.runs for one in samples) / runs,
        fewest_runs=min(one.runs for one in samples) / runs,
        gets=requests["GET"],
        posts=requests["POST"],
        puts=requests["PUT"],
        patches=requests["PATCH"],
        deletes=requests["DELETE"],
        conflicts=sum(one.conflicts for one in samples) / runs,
        writes=writes / runs,
        server_cpu_ms=used.get("API server", 0.0),
        etcd_cpu_ms=used.get("etcd", 0.0),
        server_cores=sum(used.values()) / 1e3 * runs / seconds,
        rss_mib=rss_mib,
    )


@contextlib.asynccontextmanager
async def replicas(
    driver: Driver, path: Path, folder: Path, count: int, options: argparse.Namespace
) -> AsyncGenerator[list[ManagerProcess]]:
    """So many managers that share the runs, each with its buckets, and its limit where there is one."""
    with contextlib.ExitStack() as stack:
        managers: list[ManagerProcess] = []
        for number in range(count):
            own = folder / f"replica-{number}"
            own.mkdir()
            managers.append(stack.enter_context(ManagerProcess(path, own, options.at_once, *FLAGS)))
        await shared(driver, count)
        for manager in managers if options.cpu_limit else ():
            stack.enter_context(quota.limited(manager.pid, options.cpu_limit))
        yield managers


async def shared(driver: Driver, count: int) -> None:
    """Return when so many replicas have buckets and none of these moves."""
    async with asyncio.timeout(SETTLE_SECONDS):
        while not is_settled(await annotations_of_map(driver), count):  # noqa: ASYNC110  (a Lease of other processes)
            await asyncio.sleep(0.1)


def is_settled(annotations: Mapping[str, str], count: int) -> bool:
    """Whether a map gives so many replicas their buckets for good."""
    found = shard_model.read(annotations)
    return found is not None and len(found.holders) == count and not any(one.heir for one in found.buckets)


async def annotations_of_map(driver: Driver) -> Mapping[str, str]:
    """Of the Lease that is the map; none where there is none yet."""
    try:
        return json.loads(await driver.client.request("GET", MAP))["metadata"].get("annotations", {})
    except NotFound:
        return {}


async def measure(path: Path, folder: Path, base_url: str, count: int, options: argparse.Namespace) -> Figures:
    """So many replicas on one server, from the first run to the last answer."""
    async with watching(path) as driver, replicas(driver, path, folder, count, options) as managers:
        await driver.agent(base_url, options.at_once * UNEVEN)
        await driver.drive([f"warm-up-{number}" for number in range(WARM_UP * count)], WARM_UP)
        versions = await driver.versions_of_one("planned")
        for manager in managers:
            await manager.events_written()
        plan_of(versions, await driver.events_about("planned")).dump(folder / PLAN)
        names = [f"run-{number}" for number in range(options.runs)]
        before, version_before = [Sample.of(manager) for manager in managers], await driver.version()
        used_before, began = usage.cpu_seconds(), time.perf_counter()
        await driver.drive(names, options.at_once)
        seconds = time.perf_counter() - began
        for manager in managers:
            await manager.events_written()
        used = usage.per_run(used_before, options.runs)
        samples = [Sample.of(one).since(earlier) for one, earlier in zip(managers, before, strict=True)]
        return figures_of(
            samples, runs=options.runs, seconds=seconds, overheads=driver.overheads(names, options.latency),
            writes=await driver.version() - version_before, used=used, rss_mib=max(one.rss_mib for one in managers),
        )  # fmt: skip


def with_limit(path: Path, folder: Path, ours: Figures, options: argparse.Namespace) -> Figures:
    """Beside the plain client, after the managers have ended."""
    limit, used = limit_of(path, folder, options)
    return replace(
        ours,
        limit=limit,
        share_of_limit=ours.runs_per_second / limit,
        limit_server_cpu_ms=used.get("API server", 0.0) + used.get("etcd", 0.0),
        limit_server_cores=sum(used.values()) / 1e3 * limit,
    )


def measured(name: str, count: int, base_url: str, halves: cores.Halves | None, options: argparse.Namespace) -> Figures:
    """A new server with that name, the managers, then the plain client."""
    with tempfile.TemporaryDirectory() as made, started(name, Path(made), halves) as path:
        ours = asyncio.run(measure(path, Path(made), base_url, count, options))
        options.watches = count + 1
        return with_limit(path, Path(made), ours, options)


ROWS = (
    ("runs per second", "runs_per_second", "{:.1f}"),
    ("overhead p50, ms", "overhead_p50", "{:.0f}"),
    ("overhead p99, ms", "overhead_p99", "{:.0f}"),
    ("manager CPU per run, all replicas, ms", "manager_cpu_ms", "{:.1f}"),
    ("cores that the busiest replica used", "busiest_cores", "{:.2f}"),
    ("its share of the runs, most", "most_runs", "{:.2f}"),
    ("its share of the runs, fewest", "fewest_runs", "{:.2f}"),
    ("requests per run: GET", "gets", "{:.2f}"),
    ("requests per run: POST", "posts", "{:.2f}"),
    ("requests per run: PUT", "puts", "{:.2f}"),
    ("requests per run: PATCH", "patches", "{:.2f}"),
    ("requests per run: DELETE", "deletes", "{:.2f}"),
    ("conflicts per run", "conflicts", "{:.4f}"),
    ("all writes per run, by server", "writes", "{:.2f}"),
    ("API server CPU per run, ms", "server_cpu_ms", "{:.1f}"),
    ("etcd CPU per run, ms", "etcd_cpu_ms", "{:.1f}"),
    ("cores that API server and etcd used", "server_cores", "{:.2f}"),
    ("largest manager RSS, MiB", "rss_mib", "{:.0f}"),
    ("plain client, runs per second", "limit", "{:.1f}"),
    ("ours / plain client", "share_of_limit", "{:.2f}"),
    ("its API server and etcd CPU, ms", "limit_server_cpu_ms", "{:.1f}"),
    ("cores that they used", "limit_server_cores", "{:.2f}"),
)


def ratios(results: Mapping[str, Figures]) -> str:
    """What more replicas gave, as multiples of what the first number of them did."""
    (first, base), *others = results.items()
    lines = [
        f"{name} replicas / {first}: {found.runs_per_second / base.runs_per_second:.2f} times the runs per second, "
        f"{found.manager_cpu_ms / base.manager_cpu_ms:.2f} times the manager CPU per run, "
        f"{found.server_cpu_ms / base.server_cpu_ms:.2f} times the API server's"
        for name, found in others
    ]
    return "\n".join(lines)


def show(name: str, results: Mapping[str, Figures], options: argparse.Namespace) -> None:
    """The table of one server, a column for each number of replicas."""
    limit = f", {options.cpu_limit:g} cores a replica" if options.cpu_limit else ""
    print(f"\n{name}: {options.runs} runs, {options.at_once} at a time, model latency {options.latency:g} s{limit}")
    if options.latency:
        print(f"the model alone would allow {options.at_once / options.latency:.0f} runs per second")
    print()
    show_table(results, ROWS, title_width=40, column_width=10)
    print(ratios(results))


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replicas", default="1,2,4", help="numbers of them, one after the other")
    parser.add_argument("--runs", type=int, default=600)
    parser.add_argument("--at-once", type=int, default=300)
    parser.add_argument("--latency", type=float, default=1.0, help="of the model, in seconds")
    parser.add_argument("--servers", default="embedded,real")
    parser.add_argument("--cpu-limit", type=float, default=0.0, help="cores a manager may use; 0 for all (Linux, root)")
    parser.add_argument("--apart", action="store_true", help="API server and etcd on one half of the cores (Linux)")
    return parser


def main() -> None:
    options = arguments().parse_args()
    assert KUBECHAIN.exists(), "make setup comes first"
    if options.cpu_limit:
        quota.own_group()
    with load_shown():
        halves = cores.halves() if options.apart else None
        if halves is not None:
            print(halves)
        for name in options.servers.split(","):
            results: dict[str, Figures] = {}
            with cores.only(halves and halves.rest), mock_model(options.latency) as base_url:
                for count in map(int, options.replicas.split(",")):
                    print(f"{name}, {count} replicas: …", file=sys.stderr, flush=True)
                    results[str(count)] = measured(name, count, base_url, halves, options)
            show(name, results, options)


if __name__ == "__main__":
    main()
