"""The API server of a simulation: the embedded engine with our kinds, on the loop's time, and what people do to it.

Everything here is synchronous and outside of every plan: what people do always works.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from datetime import datetime
from functools import cache
from typing import Any
from unittest import mock

from kubechain.api import kinds
from kubechain.api.crd import custom_resource_definitions
from kubechain_apiserver import Change, Engine, InProcessExchange, SeededEnvironment
from kubechain_apiserver.kinds.builtin import crds
from kubechain_apiserver.requests.handler import ApiServer
from kubechain_apiserver.store.history import History
from kubechain_apiserver.store.storage import MemoryStorage
from kubechain_apiserver.wire.authn import Tokens
from kubechain_apiserver.wire.registry import ResourceInfo
from test.runtime.virtual_time import EPOCH, LoopEnvironment
from test.simulation import hosting

NAMESPACE = "default"

JsonObject = dict[str, Any]


_compile = crds.custom_strategy
_strategies: dict[str, Any] = {}


def _strategy_of(crd: JsonObject) -> Any:
    """Compile each of our schemas once in this process."""
    name = crd["metadata"]["name"]
    if name not in _strategies:
        _strategies[name] = _compile(crd)
    return _strategies[name]


@cache
def _freshly_installed() -> MemoryStorage:
    """A cluster in which our kinds have just been installed; to check them took a third of every simulation."""
    storage = MemoryStorage()
    engine = Engine(storage, environment=SeededEnvironment(0))
    info = engine.registry.find("apiextensions.k8s.io", "v1", "customresourcedefinitions")
    assert info is not None
    for crd in custom_resource_definitions():
        engine.create(info, "", crd)
    return storage


def _installed() -> MemoryStorage:
    """Such a cluster for one simulation; records are never changed."""
    storage, template = MemoryStorage(), _freshly_installed()
    for resource in template.count():
        for record in template.scan(resource):
            storage.put(record)
    return storage


class _ToldHistory(History):
    """A history that tells of each write, in order, before anybody else can know of it."""

    def __init__(self, on_change: Callable[[Change], None]) -> None:
        super().__init__(_freshly_installed().revision)
        self._on_change = on_change

    def append(self, change: Change) -> None:
        super().append(change)
        self._on_change(change)


class Cluster:
    """One API server with our kinds."""

    def __init__(self, seed: int, on_change: Callable[[Change], None], *, is_hosting: bool = False) -> None:
        """Make one.

        Args:
            seed: Of its uids and names.
            on_change: Called with every write of every kind, in order.
            is_hosting: Whether it has the kinds by which MCP servers run in Pods.
        """
        self.deleted_by_people: set[tuple[str, str]] = set()
        environment = LoopEnvironment(seed)
        self._history = _ToldHistory(on_change)
        served = hosting.served() if is_hosting else nullcontext()
        with mock.patch.object(crds, "custom_strategy", _strategy_of), served:
            self._engine = Engine(_installed(), environment=environment, history=self._history)
        chance = random.Random(f"watch ends {seed}")
        self._server = ApiServer(self._engine, tokens=Tokens("simulation"), now=environment.now, draw=chance.random)

    @property
    def revision(self) -> int:
        """Of the last write."""
        return int(self._engine.resource_version)

    def exchange(self, process: str) -> InProcessExchange:
        """A way to the API server, for one process."""
        return InProcessExchange(self._server, headers={"user-agent": process})

    def apply(self, plural: str, name: str, **body: Any) -> JsonObject:
        """Create an object."""
        info = self._info(plural)
        head = {"apiVersion": info.api_version, "kind": info.kind, "metadata": {"name": name, "namespace": NAMESPACE}}
        return self._engine.create(info, NAMESPACE, head | body)

    def patch(self, plural: str, name: str, patch: Mapping[str, Any]) -> None:
        """Change an object, by a JSON merge patch."""
        self._engine.patch(self._info(plural), NAMESPACE, name, "merge", dict(patch))

    def set_status(self, plural: str, name: str, status: JsonObject) -> None:
        """Give an object the status that an earlier release left it in."""
        patch = {"status": status}
        self._engine.patch(self._info(plural), NAMESPACE, name, "merge", patch, subresource="status")

    def set_ready(self, name: str) -> None:
        """Say that as many Pods of a Deployment are ready as it is to have, if it is still there."""
        found = [record.object for record in self._engine.list(hosting.DEPLOYMENTS).records if record.key.name == name]
        for deployment in found:
            patch = {"status": {"readyReplicas": deployment["spec"]["replicas"]}}
            self._engine.patch(hosting.DEPLOYMENTS, NAMESPACE, name, "merge", patch, subresource="status")

    def delete(self, plural: str, name: str) -> None:
        """Delete an object, as a person does."""
        self.deleted_by_people.add((plural, name))
        self._engine.delete(self._info(plural), NAMESPACE, name)

    def get(self, plural: str, name: str) -> JsonObject | None:
        """One object; None when there is none."""
        return next((found for found in self.list(plural) if found["metadata"]["name"] == name), None)

    def list(self, plural: str) -> list[JsonObject]:
        """All objects of a kind."""
        return [record.object for record in self._engine.list(self._info(plural)).records]

    def ours(self) -> dict[str, list[JsonObject]]:
        """All objects of our kinds."""
        return {kind.plural: self.list(kind.plural) for kind in kinds.ALL_KINDS}

    def forget_the_past(self) -> None:
        """Let every earlier revision expire: watches that resume get 410."""
        self._history.compact()

    def close(self) -> None:
        """End all watches."""
        self._engine.close()

    def _info(self, plural: str) -> ResourceInfo:
        if plural in ("secrets", "configmaps", "events"):
            group, version = "", "v1"
        else:
            group, version = kinds.GROUP, kinds.VERSION
        info = self._engine.registry.find(group, version, plural)
        assert info is not None, plural
        return info


def now() -> float:
    """The time of day in the simulation, in seconds since 1970."""
    return EPOCH + asyncio.get_running_loop().time()


def seconds_of(moment: str) -> float:
    """A time of an object, in seconds since 1970."""
    return datetime.fromisoformat(moment).timestamp()


def status_of(obj: JsonObject) -> JsonObject:
    """The status of an object; empty when it has none yet."""
    return obj.get("status") or {}


def phase_of(obj: JsonObject) -> str:
    """Where a run or a call stands; empty when nobody has looked at it yet."""
    return str(status_of(obj).get("phase", ""))
