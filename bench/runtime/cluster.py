"""What the driver does on the API server: finished runs, a steady stream of changes, and the count of writes."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

from bench.driver import API, Driver
from kubechain.runtime.errors import AlreadyExists

AT_ONCE = 32
"""Requests under way while the objects are made."""

CHANGE = "bench.example/change"
"""The annotation that a change sets."""

MERGE_PATCH = {"accept": "application/json", "content-type": "application/merge-patch+json"}

PEERING: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "clusterkopfpeerings.kopf.dev"},
    "spec": {
        "scope": "Cluster",
        "group": "kopf.dev",
        "names": {"kind": "ClusterKopfPeering", "plural": "clusterkopfpeerings", "singular": "clusterkopfpeering"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {"status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
                    }
                },
            }
        ],
    },
}
"""Where kopf's replicas compete; as kopf's documentation has it."""


async def populate(driver: Driver, count: int) -> None:
    """Make finished runs of about 2.5 kB each, `run-0` and so on."""
    numbers = iter(range(count))

    async def worker() -> None:
        for number in numbers:
            await _make(driver, number)

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(worker())


async def _make(driver: Driver, number: int) -> None:
    body = a_finished_run(number)
    made = await driver.client.request("POST", f"{API}/taskruns", body=json.dumps(body).encode())
    whole = json.loads(made) | {"status": body["status"]}
    await driver.client.request("PUT", f"{API}/taskruns/run-{number}/status", body=json.dumps(whole).encode())


def a_finished_run(number: int) -> dict[str, Any]:
    """A run that had a tool call and an answer."""
    question = f"What is the capital of country number {number}, and how did it come to be one? " * 3
    answer = "It has been the capital since the middle of the eighteenth century, when the court moved there. " * 4
    messages = [
        {"role": "system", "content": "You are a patient teacher of geography and its history. " * 3},
        {"role": "user", "content": question},
        {"role": "assistant", "content": "Let me look that up in the atlas before I say something wrong. " * 4},
        {"role": "assistant", "content": answer},
    ]
    return {
        "apiVersion": "kubechain.humanlayer.dev/v1alpha1",
        "kind": "TaskRun",
        "metadata": {"name": f"run-{number}", "labels": {"kubechain.humanlayer.dev/task": "bench"}},
        "spec": {"agentRef": {"name": "teacher"}, "userMessage": question},
        "status": {
            "phase": "FinalAnswer",
            "status": "Ready",
            "ready": True,
            "statusDetail": "Final answer received",
            "startTime": "2026-01-01T00:00:00Z",
            "completionTime": "2026-01-01T00:00:05Z",
            "output": answer,
            "contextWindow": messages,
            "messageCount": len(messages),
            "userMsgPreview": question[:50],
            "turn": 2,
            "usage": {"inputTokens": 420, "outputTokens": 120, "totalTokens": 540, "modelCalls": 2},
        },
    }


async def competition(driver: Driver) -> None:
    """Install what kopf's replicas compete for."""
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    try:
        await driver.client.request("POST", path, body=json.dumps(PEERING).encode())
    except AlreadyExists:
        return
    body = {"apiVersion": "kopf.dev/v1", "kind": "ClusterKopfPeering", "metadata": {"name": "bench"}}
    await asyncio.sleep(1.0)  # until the new kind is served
    await driver.client.request("POST", "/apis/kopf.dev/v1/clusterkopfpeerings", body=json.dumps(body).encode())


async def version(driver: Driver) -> int:
    """The newest version of the whole store: their difference is the count of writes, whoever made them."""
    page = json.loads(await driver.client.request("GET", f"{API}/taskruns?limit=1"))
    return int(page["metadata"]["resourceVersion"])


async def settled(driver: Driver, limit_seconds: float) -> int:
    """The version once nothing has been written for two seconds, or when the time is over."""
    deadline = time.monotonic() + limit_seconds
    before = await version(driver)
    while True:
        await asyncio.sleep(2.0)
        now = await version(driver)
        if now == before or time.monotonic() > deadline:
            return now
        before = now


async def changes(driver: Driver, objects: int, *, per_second: float, seconds: float) -> dict[str, float]:
    """Change one object after the other at a steady pace; return when each change was sent, by its version."""
    sent: dict[str, float] = {}
    async with asyncio.TaskGroup() as group:
        async for number in _paced(per_second, seconds):
            group.create_task(change(driver, f"run-{number % objects}", sent))
    return sent


async def change(driver: Driver, name: str, sent: dict[str, float]) -> None:
    """Set an annotation; note under the new version when that was sent."""
    at = time.monotonic()
    patch = {"metadata": {"annotations": {CHANGE: f"{at:.6f}"}}}
    path = f"{API}/taskruns/{name}"
    reply = await driver.client.request("PATCH", path, headers=MERGE_PATCH, body=json.dumps(patch).encode())
    sent[json.loads(reply)["metadata"]["resourceVersion"]] = at


async def _paced(per_second: float, seconds: float) -> AsyncIterator[int]:
    """Count at a steady pace; after a delay the missed ones come at once."""
    began = time.monotonic()
    for number in itertools.count():
        due = number / per_second
        if due >= seconds:
            return
        await asyncio.sleep(max(0.0, began + due - time.monotonic()))
        yield number


def percentile(values: Sequence[float], percent: int) -> float:
    """Of unsorted values; NaN of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)] if ordered else float("nan")
