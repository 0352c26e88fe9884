"""Five hundred runs with tool calls, one at a time and eight side by side: throughput, overhead of a turn, own cost.

    python -m bench.tools --runs 500 --at-once 100 --latency 0.2 --calls 1,8 --servers embedded,real

A run is two turns: the model asks for calls of the builtin `add`, and answers when it has read the results. What a run
takes from its creation to its FinalAnswer on a watch, less the model's two latencies, is shared between the two turns:
that is the overhead of a turn. The builtin itself costs nothing, so everything that is measured is ours and the API
server's. Manager, API server, model and driver share the machine; the load that others make is printed with the
figures, which mean little where it is not small before the bench begins.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

from bench.hello import Driver, ManagerProcess, drive, mock_model, server
from test.e2e.processes import KUBECHAIN

TURNS = 2


@dataclass(frozen=True, slots=True)
class Figures:
    """What one server gave with so many calls in a turn."""

    runs_per_second: float
    calls_per_second: float
    turn_p50_ms: float
    turn_p99_ms: float
    manager_cpu_ms_per_run: float
    manager_rss_mib: float
    load_before: float


class ToolDriver(Driver):
    """Creates runs whose model asks for tool calls, and watches them end."""

    async def agent_with_tool(self, base_url: str, at_once: int, calls: int) -> None:
        """The LLM, the Tool and the Agent that all runs share."""
        parameters = {"baseUrl": base_url, "model": f"tools-{calls}"}
        llm = {"provider": "openai", "parameters": parameters, "maxConcurrentRequests": at_once}
        await self.create("llms", "LLM", "mock", llm)
        await self.create("tools", "Tool", "add", {"toolType": "function", "execute": {"builtin": {"name": "add"}}})
        agent = {"llmRef": {"name": "mock"}, "system": "You are helpful.", "tools": [{"name": "add"}]}
        await self.create("agents", "Agent", "hello", agent)

    async def run_one(self, name: str) -> None:
        """Create one run and return when it has its answer."""
        self._ended[name] = asyncio.Event()
        self._sent_at[name] = time.perf_counter()
        spec = {"agentRef": {"name": "hello"}, "userMessage": 'Add these: {"a": 1, "b": 2}'}
        await self.create("taskruns", "TaskRun", name, spec)
        await self._ended[name].wait()


async def measure(path: Path, folder: Path, base_url: str, calls: int, options: argparse.Namespace) -> Figures:
    """One server, from an idle manager to the last answer."""
    async with ToolDriver(path) as driver, asyncio.TaskGroup() as background:
        await driver.install()
        watching = background.create_task(driver.watch())
        try:
            return await measure_with(driver, path, folder, base_url, calls, options)
        finally:
            watching.cancel()


async def measure_with(
    driver: ToolDriver, path: Path, folder: Path, base_url: str, calls: int, options: argparse.Namespace
) -> Figures:
    load_before = os.getloadavg()[0]
    with ManagerProcess(path, folder, options.at_once) as manager:
        await driver.agent_with_tool(base_url, options.at_once, calls)
        await drive(driver, [f"warm-up-{number}" for number in range(20)], 20)
        names = [f"run-{number}" for number in range(options.runs)]
        cpu_before = manager.cpu_seconds
        seconds = await drive(driver, names, options.at_once)
        turns = [overhead / TURNS * 1e3 for overhead in driver.overheads(names, TURNS * options.latency)]
        return Figures(
            runs_per_second=options.runs / seconds,
            calls_per_second=options.runs * calls / seconds,
            turn_p50_ms=median(turns),
            turn_p99_ms=quantiles(turns, n=100)[98],
            manager_cpu_ms_per_run=(manager.cpu_seconds - cpu_before) / options.runs * 1e3,
            manager_rss_mib=manager.rss_mib,
            load_before=load_before,
        )


ROWS = (
    ("runs per second", "runs_per_second", "{:.1f}"),
    ("tool calls per second", "calls_per_second", "{:.1f}"),
    ("overhead of a turn p50, ms", "turn_p50_ms", "{:.0f}"),
    ("overhead of a turn p99, ms", "turn_p99_ms", "{:.0f}"),
    ("manager CPU per run, ms", "manager_cpu_ms_per_run", "{:.1f}"),
    ("manager RSS after, MiB", "manager_rss_mib", "{:.0f}"),
    ("load before", "load_before", "{:.1f}"),
)


def show(results: dict[str, Figures], options: argparse.Namespace) -> None:
    """The table, a column for each server and number of calls."""
    print(
        f"{options.runs} runs, {options.at_once} at a time, model latency {options.latency} s, {os.cpu_count()} cores\n"
    )
    print(f"{'':28}" + "".join(f"{name:>14}" for name in results))
    for title, field, form in ROWS:
        print(f"{title:28}" + "".join(f"{form.format(getattr(figures, field)):>14}" for figures in results.values()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--at-once", type=int, default=100)
    parser.add_argument("--latency", type=float, default=0.2, help="of the model, in seconds")
    parser.add_argument("--calls", default="1,8", help="tool calls in a turn")
    parser.add_argument("--servers", default="embedded,real")
    options = parser.parse_args()
    assert KUBECHAIN.exists(), "make setup comes first"
    results: dict[str, Figures] = {}
    with mock_model(options.latency) as base_url:
        for name in options.servers.split(","):
            for calls in map(int, options.calls.split(",")):
                print(f"{name}, {calls} call(s): …", file=sys.stderr, flush=True)
                with tempfile.TemporaryDirectory() as folder, server(name, Path(folder)) as path:
                    results[f"{name} x{calls}"] = asyncio.run(measure(path, Path(folder), base_url, calls, options))
    show(results, options)


if __name__ == "__main__":
    main()
