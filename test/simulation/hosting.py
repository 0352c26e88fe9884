"""Pods of MCP servers in a simulated cluster: the kinds, what makes Deployments ready, and what must hold.

The API server of the simulation serves these kinds only where a scenario wants them. What must hold: the Pod comes
last, one token is made and kept, and what nobody edits is written once.
"""

from __future__ import annotations

import asyncio
import contextvars
import random
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from kubechain.controllers.parts import Isolation
from kubechain_apiserver import Change
from kubechain_apiserver.kinds import builtin
from kubechain_apiserver.kinds.strategy import Strategy
from kubechain_apiserver.wire.registry import ResourceInfo

JsonObject = dict[str, Any]

ISOLATION = Isolation("kubechain:simulated", "", "kubechain-system", "http://{service}.{namespace}.svc/trusted")
NAME = "mcp-shop"
BEFORE_THE_POD = ("serviceaccounts", "networkpolicies", "services", "secrets")


def _info(group: str, kind: str, plural: str, *, has_status: bool = False) -> ResourceInfo:
    subresources = ("status",) if has_status else ()
    return ResourceInfo(
        group, "v1", kind, f"{kind}List", plural, kind.lower(), has_status=has_status, subresources=subresources
    )


DEPLOYMENTS = _info("apps", "Deployment", "deployments", has_status=True)
KINDS = (DEPLOYMENTS, _info("networking.k8s.io", "NetworkPolicy", "networkpolicies"), _info("", "Service", "services"))


class _AsSent(Strategy):
    """Keeps objects as they are sent: whether Kubernetes takes them is shown elsewhere, on a real API server."""

    def decode(self, obj: JsonObject, info: ResourceInfo) -> list[str]:
        del obj, info
        return []


@contextmanager
def served() -> Generator[None]:
    """Serve these kinds in each engine that is made meanwhile."""
    resources = {info.resource for info in KINDS}
    infos = [info for info in builtin.infos() if info.resource not in resources]
    strategies = [each for each in builtin.strategies() if each.resource not in resources]
    with (
        mock.patch.object(builtin, "infos", return_value=[*infos, *KINDS]),
        mock.patch.object(builtin, "strategies", return_value=[*strategies, *map(_AsSent, KINDS)]),
    ):
        yield


class Kubelet:
    """Makes Deployments ready after a while, and watches over the objects of servers in Pods."""

    def __init__(self, violated: Callable[[str], None], set_ready: Callable[[str], None], seed: int) -> None:
        """Begin with none.

        Args:
            violated: Told of what must not be.
            set_ready: Says in the status of a Deployment that its Pods are ready.
        """
        self._violated, self._set_ready = violated, set_ready
        self._chance = random.Random(f"kubelet {seed}")
        self._there: set[str] = set()

    def on_change(self, change: Change) -> None:
        """Look at one write."""
        plural = change.key.resource.plural
        if change.key.name != NAME:
            return
        if change.deleted:
            self._there.discard(plural)
            return
        self._check(plural, change.previous.object if change.previous else {}, change.record.object)
        self._there.add(plural)
        if plural == "deployments" and _is_unsettled(change.record.object):
            seconds = self._chance.choice((0.01, 1.0, 5.0))
            asyncio.get_running_loop().call_later(seconds, self._set_ready, NAME, context=contextvars.Context())

    def _check(self, plural: str, before: JsonObject, after: JsonObject) -> None:
        missing = [kind for kind in BEFORE_THE_POD if kind not in self._there]
        if plural == "deployments" and missing:
            self._violated(f"the Pod of {NAME} is made before its {missing}")
        for part in ("spec", "data"):
            if before and _kept(before.get(part)) != _kept(after.get(part)):
                self._violated(f"{plural}/{NAME}: its {part} was written again, and nobody edited its server")
        if before and before["metadata"].get("annotations") != after["metadata"].get("annotations"):
            self._violated(f"{plural}/{NAME}: it was written again, and nobody edited its server")


def _is_unsettled(deployment: JsonObject) -> bool:
    return deployment.get("status", {}).get("readyReplicas", 0) != deployment["spec"]["replicas"]


def _kept(part: JsonObject | None) -> JsonObject:
    """What stays of a part of an object when its server sleeps or wakes."""
    return {name: value for name, value in (part or {}).items() if name != "replicas"}
