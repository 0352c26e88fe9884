"""The runtime on the embedded API server, by each of its faces, and on kube-apiserver: what a fake cannot vouch for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from kubechain.runtime import errors, kubeconfig
from kubechain.runtime.client import Client
from kubechain.runtime.clock import SystemClock
from kubechain.runtime.controller import Result, controller
from kubechain.runtime.http import HttpExchange
from kubechain.runtime.keys import Request
from kubechain.runtime.leases import LEASES
from kubechain.runtime.manager import Election, Manager, Options
from kubechain.runtime.resource import Resource, metadata_only
from kubechain.runtime.transport import Exchange
from kubechain_apiserver import ControlPlane
from test.e2e.controlplane import RealControlPlane
from test.runtime.widgets import WIDGETS, Widget, widget

REAL_TIME = True

WIDGET_CRD: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "widgets.example.com"},
    "spec": {
        "group": "example.com",
        "names": {"kind": "Widget", "plural": "widgets", "singular": "widget", "listKind": "WidgetList"},
        "scope": "Namespaced",
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
            }
        ],
    },
}

SECRETS: Resource[Widget] = Resource(
    group="", version="v1", kind="Secret", plural="secrets", decode=WIDGETS.decode, encode=msgspec.json.encode
)


@asynccontextmanager
async def plane_exchange(face: str, folder: Path) -> AsyncGenerator[Exchange]:
    """Start a control plane and return a way to it."""
    path = folder / "kubeconfig"
    async with AsyncExitStack() as stack:
        if face == "kube-apiserver":
            real = stack.enter_context(RealControlPlane(folder))
            exchange = await _connect(stack, real.kubeconfig)
            await _install_crd(exchange)
            yield exchange
            return
        plane = await stack.enter_async_context(ControlPlane(None, 0, kubeconfig_path=path))
        plane.install_crd(WIDGET_CRD)
        if face == "in-process":
            yield cast("Exchange", plane.exchange())
            return
        yield await _connect(stack, path)


async def _connect(stack: AsyncExitStack, path: Path) -> HttpExchange:
    exchange = HttpExchange(kubeconfig.load(clock=SystemClock(), path=str(path)), user_agent="test")
    stack.push_async_callback(exchange.aclose)
    return exchange


async def _install_crd(exchange: Exchange) -> None:
    client = Client(exchange, clock=SystemClock())
    crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    await client.request("POST", crds, body=msgspec.json.encode(WIDGET_CRD))
    async with asyncio.timeout(30):
        while True:
            try:
                await client.list(WIDGETS)
            except errors.NotFound:
                await asyncio.sleep(0.1)  # a server of another process cannot be waited for in any other way
                continue
            return


@pytest.fixture(params=["in-process", "https", pytest.param("kube-apiserver", marks=pytest.mark.real)])
async def exchange(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Exchange]:
    """A way to a fresh control plane, by each of its faces."""
    async with plane_exchange(str(request.param), tmp_path) as made:
        yield made


class Finishing:
    """Sets each widget's status once, and says so."""

    def __init__(self, manager: Manager, *, expected: int) -> None:
        self.client, self.lister = manager.client, manager.lister(WIDGETS)
        self.recorder = manager.recorder("widget-controller")
        self.runs = 0
        self.expected = expected
        self.finished = asyncio.Event()

    async def reconcile(self, request: Request) -> Result:
        self.runs += 1
        held = self.lister.get(request.namespace, request.name)
        if held is not None and not held.status:
            done = await self.client.update_status(WIDGETS, msgspec.structs.replace(held, status={"done": True}))
            self.recorder.event(done, "Normal", "Done", "It is done")
        if self.runs >= self.expected:
            self.finished.set()
        return Result()


async def test_a_manager_works_and_its_own_writes_wake_nobody(exchange: Exchange) -> None:
    client = Client(exchange, clock=SystemClock())
    for number in range(10):
        await client.create(WIDGETS, widget(f"early-{number}"))
    manager = Manager(exchange, options=Options(election=Election(namespace="default")))
    reconciler = Finishing(manager, expected=20)
    controller(manager, "widget").for_(WIDGETS).complete(reconciler)
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        group.create_task(manager.run())
        await manager.wait_synced()
        for number in range(10):
            await client.create(WIDGETS, widget(f"late-{number}"))
        await reconciler.finished.wait()
        await asyncio.sleep(0.2)  # echoes of our own writes would arrive within this
        manager.stop()
    assert reconciler.runs == 20
    assert all(one.status == {"done": True} for one in await client.list(WIDGETS))
    lease = await client.get(LEASES, "default", "kubechain-manager")
    assert not lease.spec.holder_identity
    events = await client.request("GET", "/apis/events.k8s.io/v1/namespaces/default/events")
    assert events.count(b'"It is done"') == 20


async def test_a_watch_of_metadata_tells_of_new_keys_and_holds_no_data(exchange: Exchange) -> None:
    client = Client(exchange, clock=SystemClock())
    manager = Manager(exchange)
    lister = manager.metadata_lister(SECRETS)
    seen = asyncio.Event()
    informer = manager.informer(metadata_only(SECRETS))
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        group.create_task(manager.run())
        await manager.wait_synced()
        informer.add_handler(lambda change: seen.set() if change.key.name == "key" else None)
        body = b'{"apiVersion":"v1","kind":"Secret","metadata":{"name":"key"},"stringData":{"a":"hunter2"}}'
        await client.request("POST", "/api/v1/namespaces/default/secrets", body=body)
        await seen.wait()
        manager.stop()
    assert lister.metadata("default", "key") is not None
    assert all(b'"data"' not in held.raw for held in informer.store.scan())


async def test_conflicts_and_finalizers(exchange: Exchange) -> None:
    client = Client(exchange, clock=SystemClock())
    made = await client.create(WIDGETS, widget("w", metadata={"finalizers": ["example.com/wait"]}))
    await client.patch(WIDGETS, "default", "w", {"spec": {"a": 1}})
    with pytest.raises(errors.Conflict):
        await client.update_status(WIDGETS, msgspec.structs.replace(made, status={"late": True}))
    with pytest.raises(errors.AlreadyExists):
        await client.create(WIDGETS, widget("w"))
    with pytest.raises(errors.Conflict):
        await client.delete(WIDGETS, "default", "w", uid="another")
    await client.delete(WIDGETS, "default", "w")
    waiting = await client.get(WIDGETS, "default", "w")
    assert waiting.metadata.deletion_timestamp is not None
    await client.patch(WIDGETS, "default", "w", {"metadata": {"finalizers": None}})
    with pytest.raises(errors.NotFound):
        await client.get(WIDGETS, "default", "w")
