"""The runtime beside kopf, on the same API server and the same objects: targets, figures, ratios.

    python -m bench.runtime --parts sync,latency,idle,queue,requests,failover --servers embedded,real

    sync      start over 10,000 finished TaskRuns with a handler that does nothing
    latency   from an event's arrival (at a plain watch beside) to the handler, at 500 changes a second
    idle      what an operator costs that has nothing to do
    queue     the work queue alone, ours
    requests  CPU of a GET with our client
    failover  from the end of the leader to the first handler of the next: after SIGKILL, after SIGTERM

Operators, API server and driver are processes of their own and share the machine: CPU times and ratios say more than
wall times. kopf gets an environment in the user's cache folder on first use.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import sys
import tempfile
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path

import uvloop

from bench.driver import Driver
from bench.processes import server
from bench.runtime import cluster, operators, parts
from bench.runtime.parts import Bench, Figures

PARTS = ("sync", "latency", "idle", "queue", "requests", "failover")
FAILOVER_OBJECTS = 100


@dataclass(frozen=True, slots=True)
class Target:
    """What a figure should be: at most, or at least where more is better."""

    value: float
    at_least: bool = False

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.value:,g}"

    def ratio(self, measured: float) -> str:
        """How many times the target, and whether that is good."""
        if self.value == 0:
            return "met" if measured == 0 else "MISSED"
        ratio = measured / self.value
        if not math.isfinite(ratio):
            return "MISSED"
        return f"{ratio:.2f} {'met' if (ratio >= 1) is self.at_least or ratio == 1 else 'MISSED'}"


TARGETS = {
    "sync: cache filled, s": Target(2.0),
    "sync: cache filled, CPU s": Target(0.5),
    "sync: API writes": Target(0),
    "sync: memory per object, kB": Target(3.4),
    "sync: loop stall p99, ms": Target(20),
    "latency: event to handler p99, ms": Target(10),
    "latency: loop stall p99, ms": Target(20),
    "idle: API writes per minute": Target(0),
    "queue: items a CPU second": Target(300_000, at_least=True),
    "request: CPU us": Target(200),
    "failover after a kill, s": Target(17),
    "failover after a stop, s": Target(3),
}
"""For ours, with 10,000 objects and 500 events a second."""


async def measure(name: str, folder: Path, options: argparse.Namespace) -> dict[str, Figures]:
    """All chosen parts on one server, by operator."""
    commands = {"ours": operators.ours, "kopf": operators.kopf} if options.kopf else {"ours": operators.ours}
    found: dict[str, Figures] = {each: {} for each in commands}
    if "queue" in options.parts:
        found["ours"] |= await parts.queue()
    if options.parts & {"sync", "latency", "idle", "requests"}:
        async with bench_on(name, folder, options, options.objects) as bench:
            await lives(bench, commands, found)
    if "failover" in options.parts:
        async with bench_on(name, folder, options, FAILOVER_OBJECTS) as bench:
            await cluster.competition(bench.driver)
            for each, command in commands.items():
                say(f"{name}: failover of {each}")
                found[each] |= await parts.failover(bench, command)
    return found


@contextlib.asynccontextmanager
async def bench_on(name: str, folder: Path, options: argparse.Namespace, objects: int) -> AsyncGenerator[Bench]:
    """A server of its own, with the objects in it."""
    with tempfile.TemporaryDirectory(dir=folder) as its_folder, server(name, Path(its_folder)) as kubeconfig:
        async with Driver(kubeconfig) as driver:
            say(f"{name}: {objects} objects")
            await driver.install()
            await cluster.populate(driver, objects)
            yield Bench(
                driver=driver,
                kubeconfig=kubeconfig,
                folder=folder,
                objects=objects,
                parts=options.parts,
                idle_seconds=options.idle_seconds,
                events_per_second=options.events_per_second,
                events_seconds=options.events_seconds,
                limit_seconds=options.limit_seconds,
            )


async def lives(bench: Bench, commands: dict[str, parts.Command], found: dict[str, Figures]) -> None:
    """The parts that share the objects; ours first, since kopf leaves its annotations on them."""
    if "requests" in bench.parts:
        found["ours"] |= await parts.requests(bench)
    found["ours"] |= await parts.bytes_each(bench.driver)
    if not bench.parts & {"sync", "latency", "idle"}:
        return
    for each, command in commands.items():
        say(f"{each}: start, changes, idleness")
        found[each] |= await parts.life(bench, command)
        if each == "ours" and "sync" in bench.parts:
            found[each] |= await parts.read(bench, command)


def say(text: str) -> None:
    """Tell how far we are."""
    print(f"{text} …", file=sys.stderr, flush=True)


def show(name: str, found: dict[str, Figures]) -> None:
    """Print a line for each figure: target, ours, how that compares, kopf's, and how that compares with ours."""
    titles = dict.fromkeys(title for figures in found.values() for title in figures)
    kopf = found.get("kopf", {})
    print(f"\n{f'on {name}':44}{'target':>11}{'ours':>12}{'ours/target':>14}{'kopf':>12}{'kopf/ours':>11}")
    for title in titles:
        target, measured, other = TARGETS.get(title), found["ours"].get(title), kopf.get(title)
        print(
            f"{title:44}{target or ''!s:>11}{number(measured):>12}"
            f"{target.ratio(measured) if target and measured is not None else '':>14}{number(other):>12}"
            f"{f'{other / measured:.1f}' if other is not None and measured else '':>11}"
        )


def number(value: float | None) -> str:
    """Three digits that count."""
    match value:
        case None:
            return "-"
        case _ if not math.isfinite(value):
            return "never"
        case _ if abs(value) >= 100:
            return f"{value:,.0f}"
        case _:
            return f"{value:.3g}"


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.runtime", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", default=",".join(PARTS), type=chosen, help="of: %(default)s")
    parser.add_argument("--servers", default="embedded", help="which of embedded and real")
    parser.add_argument("--objects", type=int, default=10_000)
    parser.add_argument("--events-per-second", type=float, default=500)
    parser.add_argument("--events-seconds", type=float, default=10)
    parser.add_argument("--idle-seconds", type=float, default=60)
    parser.add_argument("--limit-seconds", type=float, default=300, help="for each operator to handle all objects")
    parser.add_argument("--no-kopf", dest="kopf", action="store_false")
    options = parser.parse_args()
    if options.kopf:
        operators.install_kopf()
    print(f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f} at the start")
    for name in options.servers.split(","):
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            show(name, uvloop.run(measure(name, Path(folder), options)))
    print(f"\nload {os.getloadavg()[0]:.1f} at the end")


def chosen(text: str) -> frozenset[str]:
    """Parse the list of parts."""
    parts = frozenset(text.split(","))
    if not parts <= set(PARTS):
        raise argparse.ArgumentTypeError(f"of {', '.join(PARTS)} expected: {text}")
    return parts


if __name__ == "__main__":
    main()
