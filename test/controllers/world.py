"""The real loops on the real engine, in one process, with a model that follows a script and a wire that can break.

A `World` is an API server; a `Replica` is one manager on it, which a test may kill at any point and start again.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from kubechain.api.agent import Agent
from kubechain.api.contactchannel import ContactChannel
from kubechain.api.crd import custom_resource_definitions
from kubechain.api.humanrequest import HumanRequest
from kubechain.api.kinds import ALL_KINDS
from kubechain.api.llm import LLM
from kubechain.api.meta import StatusObject
from kubechain.api.namespacebudget import Budget
from kubechain.api.task import Task
from kubechain.api.taskrun import TaskRun
from kubechain.api.taskruntoolcall import TaskRunToolCall
from kubechain.api.tool import Tool
from kubechain.controllers import resources
from kubechain.controllers.setup import Clients, Settings, add_controllers
from kubechain.humans.model import ChannelKinds
from kubechain.llm.client import LLMClient
from kubechain.mcp.manager import ConnectionManager
from kubechain.runtime.client import Client
from kubechain.runtime.clock import LoopClock
from kubechain.runtime.errors import TransportError
from kubechain.runtime.manager import Manager, Options
from kubechain.runtime.resource import Resource
from kubechain.runtime.telemetry import NO_TELEMETRY, Telemetry
from kubechain.runtime.transport import Exchange, Reply, StreamReply, WholeReply
from kubechain.tools.engine import ContainerEngine
from kubechain.tools.external_api import ExternalAPIClient
from kubechain_apiserver import ControlPlane
from test.runtime.virtual_time import LoopEnvironment

T = TypeVar("T", bound="StatusObject[Any, Any]")

NAMESPACE = "default"
KEY = "sk-canary-0123456789"

UNCOUNTED = ("/events", "/leases", "/selfsubjectaccessreviews")
"""What a process writes beside the objects of the story."""

KINDS = {"secrets": "Secret", **{kind.plural: kind.kind for kind in ALL_KINDS}}

Refusal = Literal["400", "401", "403", "422"]
Harm = Literal["request lost", "reply lost", "crash before", "crash after", "409", "429", "500", "503", "413", Refusal]


class Crashed(BaseException):
    """The process is gone at this very point."""


@dataclass(slots=True)
class Point:
    """A write that a test waits for: the status of a run, on its way into a phase."""

    phase: str
    harm: Harm
    times: int = 1
    hits: int = 0

    def matches(self, method: str, target: str, body: bytes | None) -> bool:
        if self.hits >= self.times or method != "PUT" or "/taskrun" not in target or body is None:
            return False
        return json.loads(body)["status"].get("phase", "") == self.phase


@dataclass(slots=True)
class BreakableExchange:
    """An exchange that fails at chosen points, and counts what passes."""

    inner: Exchange
    points: list[Point] = field(default_factory=list[Point])
    writes: list[str] = field(default_factory=list[str])
    on_crash: Callable[[], None] = lambda: None
    meddle: Callable[[str], Any] | None = None

    async def send(
        self, method: str, target: str, *, headers: Mapping[str, str], body: bytes | None, timeout_seconds: float
    ) -> Reply:
        async def pass_on() -> Reply:
            return await self.inner.send(method, target, headers=headers, body=body, timeout_seconds=timeout_seconds)

        for point in self.points:
            if point.matches(method, target, body):
                point.hits += 1
                return await self._harm(point.harm, target, pass_on)
        reply = await pass_on()
        if method != "GET" and not any(kind in target for kind in UNCOUNTED):
            self.writes.append(f"{method} {target} {reply.status}")
        return reply

    async def _harm(self, harm: Harm, target: str, pass_on: Callable[[], Any]) -> Reply:
        match harm:
            case "request lost":
                raise TransportError("connection reset")
            case "reply lost":
                await pass_on()
                raise TransportError("connection reset")
            case "crash before" | "crash after":
                if harm == "crash after":
                    await pass_on()
                self.on_crash()
                # The process is gone: whatever called never gets an answer.
                await asyncio.get_running_loop().create_future()
                raise AssertionError("unreachable")
            case "409":
                await self._touch(target)
                return await pass_on()
            case _:
                return _status(int(harm))

    async def _touch(self, target: str) -> None:
        """Somebody else writes first, to the metadata, so that our version is an old one."""
        body = json.dumps({"metadata": {"annotations": {"touched": "yes"}}}).encode()
        headers = {"accept": "application/json", "content-type": "application/merge-patch+json"}
        await self.inner.send("PATCH", target.removesuffix("/status"), headers=headers, body=body, timeout_seconds=9)

    def stream(
        self, target: str, *, headers: Mapping[str, str], connect_timeout_seconds: float, idle_timeout_seconds: float
    ) -> AbstractAsyncContextManager[StreamReply]:
        return self.inner.stream(
            target,
            headers=headers,
            connect_timeout_seconds=connect_timeout_seconds,
            idle_timeout_seconds=idle_timeout_seconds,
        )

    async def aclose(self) -> None:
        await self.inner.aclose()


def _status(code: int) -> Reply:
    reasons = {
        401: "Unauthorized",
        403: "Forbidden",
        413: "RequestEntityTooLarge",
        422: "Invalid",
        429: "TooManyRequests",
    }
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reasons.get(code, "")}
    return WholeReply(code, {}, json.dumps(body | {"message": f"injected {code}"}).encode())


def clients_for(model: LLMClient, channels: ChannelKinds | None = None) -> Clients:
    """The world outside: a model that follows a script, and nothing else."""
    return Clients(
        llm=model,
        make_connections=lambda on_change: ConnectionManager(on_change=on_change),
        http=ExternalAPIClient(),
        engine=ContainerEngine(which=lambda program: None),
        channels=channels or ChannelKinds(),
    )


class Replica:
    """One manager process on the world."""

    def __init__(
        self,
        plane: ControlPlane,
        model: LLMClient,
        identity: str,
        settings: Settings | None,
        channels: ChannelKinds | None = None,
        options: Options | None = None,
        telemetry: Telemetry = NO_TELEMETRY,
    ) -> None:
        self.exchange = BreakableExchange(plane.exchange(), on_crash=self.crash)
        self.manager = Manager(
            self.exchange, identity=identity, clock=LoopClock(), telemetry=telemetry, options=options
        )
        add_controllers(self.manager, clients=clients_for(model, channels), settings=settings)
        self._task: asyncio.Task[None] | None = None
        self.crashed = asyncio.Event()

    def start(self) -> None:
        self._task = asyncio.create_task(self.manager.run())

    def crash(self) -> None:
        """End without any good-bye."""
        assert self._task is not None
        self._task.cancel()
        self.crashed.set()

    async def stop(self) -> None:
        if self._task is None:
            return
        self.manager.stop()
        await asyncio.wait({self._task})
        if not self._task.cancelled() and (error := self._task.exception()) is not None:
            raise error


class World:
    """An API server with our kinds, and a client of its own that nothing breaks."""

    def __init__(self, plane: ControlPlane) -> None:
        self.plane = plane
        self.client = Client(plane.exchange(), clock=LoopClock())
        self.replicas: list[Replica] = []
        self.telemetry = NO_TELEMETRY

    def replica(
        self,
        model: LLMClient,
        identity: str = "pod-a_1",
        settings: Settings | None = None,
        channels: ChannelKinds | None = None,
        options: Options | None = None,
    ) -> Replica:
        """A manager that was started."""
        made = Replica(self.plane, model, identity, settings, channels, options, self.telemetry)
        self.replicas.append(made)
        made.start()
        return made

    async def apply(self, plural: str, manifest: Mapping[str, Any]) -> None:
        """Create one object."""
        core = plural in ("secrets", "configmaps")
        root = "/api/v1" if core else "/apis/kubechain.humanlayer.dev/v1alpha1"
        kind = KINDS[plural]
        version = "v1" if core else "kubechain.humanlayer.dev/v1alpha1"
        body = json.dumps({"apiVersion": version, "kind": kind, **manifest}).encode()
        await self.client.request("POST", f"{root}/namespaces/{NAMESPACE}/{plural}", body=body)

    async def apply_walk_through(self, **agent: Any) -> None:
        """Everything but the Task."""
        await self.apply("secrets", {"metadata": {"name": "openai"}, "stringData": {"OPENAI_API_KEY": KEY}})
        source = {"secretKeyRef": {"name": "openai", "key": "OPENAI_API_KEY"}}
        await self.apply("llms", {"metadata": {"name": "gpt-4o"}, "spec": {"provider": "openai", "apiKeyFrom": source}})
        spec: dict[str, Any] = {"llmRef": {"name": "gpt-4o"}, "system": "You are helpful."} | agent
        await self.apply("agents", {"metadata": {"name": "my-assistant"}, "spec": spec})

    async def apply_task(self, name: str = "hello", **spec: Any) -> None:
        """A Task of the agent."""
        values = {"agentRef": {"name": "my-assistant"}, "message": "What is the capital of the moon?"}
        await self.apply("tasks", {"metadata": {"name": name}, "spec": values | spec})

    async def run(self, name: str = "hello-1") -> TaskRun:
        """The run as the server has it."""
        return await self.client.get(resources.TASK_RUNS, NAMESPACE, name)

    async def until(self, condition: Callable[[TaskRun], bool], name: str = "hello-1") -> TaskRun:
        """Watch until the run is as wanted; time is virtual, so a wait of hours is over at once."""
        return await self._first(resources.TASK_RUNS, lambda run: run.metadata.name == name and condition(run))

    async def llm_until(self, condition: Callable[[LLM], bool]) -> LLM:
        """Watch until some LLM is as wanted."""
        return await self._first(resources.LLMS, condition)

    async def agent_until(self, condition: Callable[[Agent], bool]) -> Agent:
        """Watch until some agent is as wanted."""
        return await self._first(resources.AGENTS, condition)

    async def tool_until(self, condition: Callable[[Tool], bool]) -> Tool:
        """Watch until some Tool is as wanted."""
        return await self._first(resources.TOOLS, condition)

    async def task_until(self, condition: Callable[[Task], bool]) -> Task:
        """Watch until some Task is as wanted."""
        return await self._first(resources.TASKS, condition)

    async def call_until(self, condition: Callable[[TaskRunToolCall], bool]) -> TaskRunToolCall:
        """Watch until some tool call is as wanted."""
        return await self._first(resources.TOOL_CALLS, condition)

    async def budget_until(self, condition: Callable[[Budget], bool]) -> Budget:
        """Watch until some Budget is as wanted."""
        return await self._first(resources.BUDGETS, condition)

    async def request_until(self, condition: Callable[[HumanRequest], bool]) -> HumanRequest:
        """Watch until some HumanRequest is as wanted."""
        return await self._first(resources.HUMAN_REQUESTS, condition)

    async def channel_until(self, condition: Callable[[ContactChannel], bool]) -> ContactChannel:
        """Watch until some ContactChannel is as wanted."""
        return await self._first(resources.CONTACT_CHANNELS, condition)

    async def patch_run(self, patch: Mapping[str, Any], name: str = "hello-1") -> None:
        """Change a run as a person would."""
        await self.client.patch(resources.TASK_RUNS, NAMESPACE, name, patch)

    async def _first(self, resource: Resource[T], condition: Callable[[T], bool]) -> T:
        async with asyncio.timeout(86_400):
            async for _ in self._changes():
                for obj in await self.client.list(resource, NAMESPACE):
                    if condition(obj):
                        return obj
        raise AssertionError("unreachable")

    async def _changes(self) -> AsyncIterator[None]:
        """Now, and whenever something was written since the look before: hours without a write cost little."""
        seen = ""
        while True:
            if (revision := self.plane.engine.resource_version) != seen:
                seen = revision
                yield
            await asyncio.sleep(0.05)


@asynccontextmanager
async def a_world() -> AsyncGenerator[World]:
    """A new world; every replica in it is stopped at the end."""
    plane = ControlPlane(None, environment=LoopEnvironment())
    for crd in custom_resource_definitions():
        plane.install_crd(crd)
    world = World(plane)
    try:
        yield world
    finally:
        for replica in world.replicas:
            await replica.stop()
        await plane.stop()
