"""What the API server allows: a plain client that makes the writes of a run, and nothing else.

    python -m bench.limit --kubeconfig FILE --plan FILE --runs 1000 --at-once 200 --latency 0.5

Started by `bench.hello --limit` as a process of its own, on the same API server, after the manager was measured and has
ended. The plan is not written by hand: it is what one run of that manager was seen to write, every status in order and
every Event, so that objects have the same sizes. For each run the client creates the object, writes each status on the
version that the write before returned, and sleeps for the model's latency where the manager waited for the model.
Events go over connections of their own, as many at a time as the manager's. It has the connections of
`runtime/http.py`, and no watch, no cache, no decoding (the version is cut out of the reply) and no model. Before it is
measured it makes as many runs to warm up as the manager does. In its favour: nobody watches what it writes, and no
driver shares the machine; `--watches N` has it read that many watches of all runs beside, without decoding them, which
the server has to serve whoever the operator is. So its runs a second are what a manager can at best reach; ours are a
share of them.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.driver import API
from kubechain.api.taskrun import TaskRunPhase
from kubechain.runtime import events, kubeconfig
from kubechain.runtime.client import Client
from kubechain.runtime.clock import SystemClock
from kubechain.runtime.http import HttpExchange

EVENTS_API = "/apis/events.k8s.io/v1/namespaces/default/events"

WARM_UP = 20
"""Runs before the measurement, of the manager and of the plain client."""

WATCH_SECONDS = 600.0
"""How long a watch may be silent."""

IDENTITY = re.compile(rb'"(uid|resourceVersion)":\s*"([^"]+)"')


@dataclass(frozen=True, slots=True)
class WritePlan:
    """What one run writes: its object, its statuses in order, the Events about it."""

    run: Mapping[str, Any]
    statuses: tuple[Mapping[str, Any], ...]
    events: tuple[Mapping[str, Any], ...]

    @property
    def writes(self) -> int:
        """The creation, the statuses and the Events."""
        return 1 + len(self.statuses) + len(self.events)

    def waits_before(self, idx: int) -> bool:
        """Whether the model answers between this status and the one before."""
        return idx > 0 and self.statuses[idx - 1].get("phase") == TaskRunPhase.SEND_CONTEXT_WINDOW_TO_LLM

    def dump(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)))


def load(path: Path) -> WritePlan:
    """The plan of a file that `dump` wrote."""
    found = json.loads(path.read_text())
    return WritePlan(found["run"], tuple(found["statuses"]), tuple(found["events"]))


def plan_of(versions: list[dict[str, Any]], told: list[dict[str, Any]]) -> WritePlan:
    """The plan of a run whose every version was seen on a watch, its creation first."""
    created = {key: value for key, value in versions[0].items() if key != "status"}
    created["metadata"] = {}
    statuses = tuple(version["status"] for version in versions[1:])
    return WritePlan(created, statuses, tuple(_as_new(event) for event in told))


def _as_new(event: dict[str, Any]) -> dict[str, Any]:
    """An Event as the manager sent it, without what the server added."""
    kept = ("apiVersion", "kind", "eventTime", "reportingController", "reportingInstance")
    more = ("action", "reason", "type", "note", "regarding")
    return {key: event[key] for key in (*kept, *more) if key in event}


class PlainClient:
    """Makes the writes of a plan for one run after the other."""

    def __init__(self, exchange: HttpExchange, event_exchange: HttpExchange, plan: WritePlan, latency: float) -> None:
        clock = SystemClock()
        self._exchange, self.watched_lines = exchange, 0
        self._client, self._event_client = Client(exchange, clock=clock), Client(event_exchange, clock=clock)
        self._plan, self._latency = plan, latency
        self._told: asyncio.Queue[tuple[str, int]] = asyncio.Queue()

    async def run_one(self, name: str) -> None:
        """The writes of one run; its Events are queued."""
        body = {**self._plan.run, "metadata": {"name": name, "namespace": "default"}}
        reply = await self._client.request("POST", f"{API}/taskruns", body=json.dumps(body).encode())
        for idx, status in enumerate(self._plan.statuses):
            if self._plan.waits_before(idx):
                await asyncio.sleep(self._latency)
            body["metadata"] = {"name": name, "namespace": "default", **identity(reply)}
            whole = json.dumps({**body, "status": status}).encode()
            reply = await self._client.request("PUT", f"{API}/taskruns/{name}/status", body=whole)
        for number in range(len(self._plan.events)):
            self._told.put_nowait((name, number))

    async def drive(self, names: Sequence[str], at_once: int) -> None:
        """Keep `at_once` runs going until all were made."""
        waiting = iter(names)

        async def work() -> None:
            for name in waiting:
                await self.run_one(name)

        async with asyncio.TaskGroup() as group:
            for _ in range(at_once):
                group.create_task(work())

    async def write_events(self) -> None:
        """Write queued Events; until cancelled."""
        while True:
            name, number = await self._told.get()
            event = self._plan.events[number]
            body = {**event, "metadata": {"name": f"{name}.{number}", "namespace": "default"}}
            body["regarding"] = {**event["regarding"], "name": name}
            await self._event_client.request("POST", EVENTS_API, body=json.dumps(body).encode())
            self._told.task_done()

    async def watch(self) -> None:
        """Read what the server tells of all runs, and drop it; until cancelled."""
        listed = json.loads(await self._client.request("GET", f"{API}/taskruns?limit=1"))
        target = f"{API}/taskruns?watch=1&resourceVersion={listed['metadata']['resourceVersion']}"
        async with self._exchange.stream(
            target, headers={}, connect_timeout_seconds=10, idle_timeout_seconds=WATCH_SECONDS
        ) as stream:
            async for _ in stream.lines:
                self.watched_lines += 1

    async def join(self) -> None:
        """Return when every Event is written."""
        await self._told.join()


def identity(reply: bytes) -> dict[str, str]:
    """Uid and version of the object in a reply, which is not decoded.

    The owner references and managed fields of a run have no key `resourceVersion`; its own uid is the first one.
    """
    found: dict[str, str] = {}
    for match in IDENTITY.finditer(reply):
        found.setdefault(match.group(1).decode(), match.group(2).decode())
    return found


async def drive(kubeconfig_path: Path, plan: WritePlan, options: argparse.Namespace) -> dict[str, float]:
    """All runs, to the last Event; the seconds until the last run ended."""
    server = kubeconfig.load(clock=SystemClock(), path=str(kubeconfig_path))
    exchange, event_exchange = (HttpExchange(server, user_agent="bench-limit") for _ in range(2))
    client = PlainClient(exchange, event_exchange, plan, options.latency)
    try:
        async with asyncio.TaskGroup() as background:
            beside = [background.create_task(client.write_events()) for _ in range(events.WORKERS)]
            beside += [background.create_task(client.watch()) for _ in range(options.watches)]
            await client.drive([f"plain-warm-up-{number}" for number in range(WARM_UP)], WARM_UP)
            await client.join()
            began = time.perf_counter()
            await client.drive([f"plain-{number}" for number in range(options.runs)], options.at_once)
            seconds = time.perf_counter() - began
            await client.join()
            for each in beside:
                each.cancel()
    finally:
        await exchange.aclose()
        await event_exchange.aclose()
    return {"seconds": seconds, "watched_lines": client.watched_lines}


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--kubeconfig", type=Path, required=True)
    made.add_argument("--plan", type=Path, required=True, help="what a run writes, a file that bench.hello wrote")
    made.add_argument("--runs", type=int, default=1000)
    made.add_argument("--at-once", type=int, default=200)
    made.add_argument("--watches", type=int, default=0, help="watches of all runs that are read meanwhile")
    made.add_argument("--latency", type=float, default=0.5, help="of the model, in seconds")
    return made


def main() -> None:
    options = parser().parse_args()
    print(json.dumps(asyncio.run(drive(options.kubeconfig, load(options.plan), options))))


if __name__ == "__main__":
    main()
