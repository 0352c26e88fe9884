"""What the benches do on an API server: install the kinds, create runs, see them end. A client process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from pathlib import Path
from typing import Any

from kubechain.api.crd import custom_resource_definitions
from kubechain.runtime import kubeconfig
from kubechain.runtime.client import Client
from kubechain.runtime.clock import SystemClock
from kubechain.runtime.errors import AlreadyExists
from kubechain.runtime.http import HttpExchange

API = "/apis/kubechain.humanlayer.dev/v1alpha1/namespaces/default"


class Driver:
    """Creates runs and watches them end."""

    def __init__(self, kubeconfig_path: Path) -> None:
        clock = SystemClock()
        self._exchange = HttpExchange(kubeconfig.load(clock=clock, path=str(kubeconfig_path)), user_agent="bench")
        self.client = Client(self._exchange, clock=clock)
        self._sent_at: dict[str, float] = {}
        self._took: dict[str, float] = {}
        self._ended: dict[str, asyncio.Event] = {}
        self._versions: dict[str, list[dict[str, Any]]] = {}

    async def __aenter__(self) -> Driver:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._exchange.aclose()

    async def install(self) -> None:
        """Our kinds, served."""
        path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        for definition in custom_resource_definitions():
            with contextlib.suppress(AlreadyExists):
                await self.client.request("POST", path, body=json.dumps(definition).encode())
        for definition in custom_resource_definitions():
            await self._established(f"{path}/{definition['metadata']['name']}")

    async def _established(self, path: str) -> None:
        for _ in range(200):
            conditions = json.loads(await self.client.request("GET", path)).get("status", {}).get("conditions", [])
            if any(one["type"] == "Established" and one["status"] == "True" for one in conditions):
                return
            await asyncio.sleep(0.05)
        raise TimeoutError(path)

    async def create(self, plural: str, kind: str, name: str, spec: dict[str, Any]) -> None:
        body = {"apiVersion": "kubechain.humanlayer.dev/v1alpha1", "kind": kind, "metadata": {"name": name}}
        await self.client.request("POST", f"{API}/{plural}", body=json.dumps(body | {"spec": spec}).encode())

    async def agent(
        self, base_url: str, at_once: int, *, model: str = "mock", more: Mapping[str, Any] | None = None
    ) -> None:
        """The LLM and Agent that all runs share; `more` is of the Agent's spec."""
        parameters = {"baseUrl": base_url, "model": model}
        llm = {"provider": "openai", "parameters": parameters, "maxConcurrentRequests": at_once}
        await self.create("llms", "LLM", "mock", llm)
        agent = {"llmRef": {"name": "mock"}, "system": "You are helpful."}
        await self.create("agents", "Agent", "hello", {**agent, **(more or {})})

    async def run_one(self, name: str, message: str) -> None:
        """Create one run and return when it has its answer."""
        self._ended[name] = asyncio.Event()
        self._sent_at[name] = time.perf_counter()
        await self.create("taskruns", "TaskRun", name, {"agentRef": {"name": "hello"}, "userMessage": message})
        await self._ended[name].wait()

    async def drive(self, names: Sequence[str], at_once: int, *, message: str = "Hello?") -> float:
        """Keep `at_once` runs going; return the seconds that all of them took."""
        waiting = iter(names)

        async def worker() -> None:
            for name in waiting:
                await self.run_one(name, message)

        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for _ in range(at_once):
                group.create_task(worker())
        return time.perf_counter() - began

    async def watch(self) -> None:
        """Note when each run ends; until cancelled. A watch that the server ends goes on where it was."""
        version = "0"
        while True:
            async with self._exchange.stream(
                f"{API}/taskruns?watch=1&resourceVersion={version}",
                headers={"accept": "application/json"},
                connect_timeout_seconds=10,
                idle_timeout_seconds=600,
            ) as stream:
                if stream.status != 200:  # the kind was installed a moment ago
                    await asyncio.sleep(0.2)
                    continue
                async for line in stream.lines:
                    version = self._noted(line, version)

    def _noted(self, line: bytes, version: str) -> str:
        """Take one event; return where to go on after it."""
        seen_at = time.perf_counter()
        event = json.loads(line)
        metadata = event["object"].get("metadata", {})
        name = metadata.get("name", "")
        if name in self._versions:
            self._versions[name].append(event["object"])
        if b'"FinalAnswer"' in line and name not in self._took and name in self._sent_at:
            self._took[name] = seen_at - self._sent_at[name]
            self._ended[name].set()
        return "0" if event["type"] == "ERROR" else metadata.get("resourceVersion", version)

    async def versions_of_one(self, name: str, message: str = "Hello?") -> list[dict[str, Any]]:
        """Let one run go through alone; every version of it, its creation first."""
        self._versions[name] = []
        await self.run_one(name, message)
        return self._versions.pop(name)

    async def version(self) -> int:
        """The server's version now: each write of any object adds one."""
        return int(json.loads(await self.client.request("GET", f"{API}/llms?limit=1"))["metadata"]["resourceVersion"])

    async def events_about(self, name: str) -> list[dict[str, Any]]:
        """The Events about a run, as events.k8s.io has them, oldest first."""
        reply = await self.client.request("GET", "/apis/events.k8s.io/v1/namespaces/default/events")
        found = [event for event in json.loads(reply)["items"] if event["regarding"]["name"] == name]
        return sorted(found, key=lambda event: event["eventTime"])

    async def runs_with_event(self, reason: str) -> set[str]:
        """The names of the runs about which there is an Event with that reason."""
        reply = await self.client.request("GET", f"/api/v1/namespaces/default/events?fieldSelector=reason%3D{reason}")
        return {event["involvedObject"]["name"] for event in json.loads(reply)["items"]}

    async def objects_with_events_out_of_order(self) -> int:
        """How many objects have Events that were stored in another order than they happened in."""
        reply = await self.client.request("GET", "/apis/events.k8s.io/v1/namespaces/default/events")
        return len(out_of_order(json.loads(reply)["items"]))

    def overheads(self, names: Sequence[str], latency_seconds: float) -> list[float]:
        return [self._took[name] - latency_seconds for name in names]


def out_of_order(events: Sequence[dict[str, Any]]) -> set[tuple[str, str]]:
    """Kind and name of the objects whose Events were not stored in the order of their times."""
    latest: dict[tuple[str, str], str] = {}
    found: set[tuple[str, str]] = set()
    for event in sorted(events, key=lambda one: int(one["metadata"]["resourceVersion"])):
        about, happened_at = (event["regarding"]["kind"], event["regarding"]["name"]), event["eventTime"]
        if happened_at < latest.get(about, ""):
            found.add(about)
        latest[about] = happened_at
    return found


@contextlib.asynccontextmanager
async def watching(kubeconfig_path: Path) -> AsyncGenerator[Driver]:
    """A driver on a server that has the kinds, following its runs."""
    async with Driver(kubeconfig_path) as driver, asyncio.TaskGroup() as background:
        await driver.install()
        watch = background.create_task(driver.watch())
        try:
            yield driver
        finally:
            watch.cancel()
