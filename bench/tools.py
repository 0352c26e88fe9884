"""Five hundred runs with tool calls, one at a time and eight side by side: throughput, overhead of a turn, own cost.

    python -m bench.tools --runs 500 --at-once 100 --latency 0.2 --calls 1,8 --tools builtin,mcp --servers embedded,real

A run is two turns: the model asks for calls of one tool, and answers when it has read the results. What a run takes
from its creation to its FinalAnswer on a watch, less the model's two latencies, is shared between the two turns: that
is the overhead of a turn. The tool is the builtin `add`, which costs nothing, so that everything that is measured is
ours and the API server's; or `greet` of an MCP server that is a child of the manager and written with the SDK, whose
own work is in the times but not in the manager's CPU. Manager, API server, model and driver share the machine; the
load that others make is printed with the figures, which mean little where it is not small before the bench begins.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from bench import usage
from bench.driver import Driver, watching
from bench.processes import ManagerProcess, mock_model, server
from bench.report import load_shown, show_table
from test.e2e.processes import KUBECHAIN
from test.e2e.servers.peers import over_stdio

TURNS = 2


@dataclass(frozen=True, slots=True)
class Tooling:
    """What the agent has for a tool.

    Attributes:
        message: Of each run; the model passes the JSON object in it to the tool.
    """

    plural: str
    kind: str
    name: str
    spec: dict[str, Any]
    message: str

    async def arrange(self, driver: Driver, base_url: str, at_once: int, *, model: str) -> None:
        """The tool, and an agent that has it."""
        await driver.create(self.plural, self.kind, self.name, self.spec)
        key = "tools" if self.kind == "Tool" else "mcpServers"
        await driver.agent(base_url, at_once, model=model, more={key: [{"name": self.name}]})


TOOLING = {
    "builtin": Tooling(
        "tools",
        "Tool",
        "add",
        {"toolType": "function", "execute": {"builtin": {"name": "add"}}},
        'Add these: {"a": 1, "b": 2}',
    ),
    "mcp": Tooling(
        "mcpservers", "MCPServer", "peer", over_stdio(tools={"include": ["greet"]}), 'Greet: {"name": "the moon"}'
    ),
}


@dataclass(frozen=True, slots=True)
class Figures:
    """What one server gave with so many calls in a turn."""

    runs_per_second: float
    calls_per_second: float
    turn_p50_ms: float
    turn_p99_ms: float
    writes_per_run: float
    manager_cpu_ms_per_run: float
    server_cpu_ms_per_run: float
    etcd_cpu_ms_per_run: float
    manager_rss_mib: float


async def measure(
    path: Path, folder: Path, base_url: str, tooling: Tooling, calls: int, options: argparse.Namespace
) -> Figures:
    """One server, from an idle manager to the last answer."""
    async with watching(path) as driver:
        with ManagerProcess(path, folder, options.at_once) as manager:
            await tooling.arrange(driver, base_url, options.at_once, model=f"tools-{calls}")
            await driver.drive([f"warm-up-{number}" for number in range(20)], 20, message=tooling.message)
            names = [f"run-{number}" for number in range(options.runs)]
            await manager.events_written()
            cpu_before, used_before, version_before = manager.cpu_seconds, usage.cpu_seconds(), await driver.version()
            seconds = await driver.drive(names, options.at_once, message=tooling.message)
            await manager.events_written()
            used, manager_used = usage.per_run(used_before, options.runs), manager.cpu_seconds - cpu_before
            version_after = await driver.version()
            turns = [overhead / TURNS * 1e3 for overhead in driver.overheads(names, TURNS * options.latency)]
            return Figures(
                runs_per_second=options.runs / seconds,
                calls_per_second=options.runs * calls / seconds,
                turn_p50_ms=median(turns),
                turn_p99_ms=quantiles(turns, n=100)[98],
                writes_per_run=(version_after - version_before) / options.runs,
                manager_cpu_ms_per_run=manager_used / options.runs * 1e3,
                server_cpu_ms_per_run=used.get("API server", 0.0),
                etcd_cpu_ms_per_run=used.get("etcd", 0.0),
                manager_rss_mib=manager.rss_mib,
            )


ROWS = (
    ("runs per second", "runs_per_second", "{:.1f}"),
    ("tool calls per second", "calls_per_second", "{:.1f}"),
    ("overhead of a turn p50, ms", "turn_p50_ms", "{:.0f}"),
    ("overhead of a turn p99, ms", "turn_p99_ms", "{:.0f}"),
    ("all writes per run, by server", "writes_per_run", "{:.2f}"),
    ("manager CPU per run, ms", "manager_cpu_ms_per_run", "{:.1f}"),
    ("API server CPU per run, ms", "server_cpu_ms_per_run", "{:.1f}"),
    ("etcd CPU per run, ms", "etcd_cpu_ms_per_run", "{:.1f}"),
    ("manager RSS after, MiB", "manager_rss_mib", "{:.0f}"),
)


def show(results: dict[str, Figures], options: argparse.Namespace) -> None:
    """The table, a column for each server and number of calls."""
    print(f"{options.runs} runs, {options.at_once} at a time, model latency {options.latency} s\n")
    show_table(results, ROWS, title_width=32, column_width=21)


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--at-once", type=int, default=100)
    parser.add_argument("--latency", type=float, default=0.2, help="of the model, in seconds")
    parser.add_argument("--calls", default="1,8", help="tool calls in a turn")
    parser.add_argument("--tools", default="builtin,mcp", help="what is called: builtin, mcp")
    parser.add_argument("--servers", default="embedded,real")
    return parser


def main() -> None:
    options = arguments().parse_args()
    assert KUBECHAIN.exists(), "make setup comes first"
    results: dict[str, Figures] = {}
    with load_shown():
        with mock_model(options.latency) as base_url:
            every = product(options.servers.split(","), options.tools.split(","), map(int, options.calls.split(",")))
            for name, tool, calls in every:
                print(f"{name}, {tool}, {calls} call(s): …", file=sys.stderr, flush=True)
                with tempfile.TemporaryDirectory() as folder, server(name, Path(folder)) as path:
                    figures = asyncio.run(measure(path, Path(folder), base_url, TOOLING[tool], calls, options))
                results[f"{name} {tool} x{calls}"] = figures
        show(results, options)


if __name__ == "__main__":
    main()
