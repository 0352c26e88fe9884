"""The list of `kubechain ui` for a user who may not read everything: what is missing is said, the rest goes on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

import pytest
from starlette.requests import Request

from kubechain.cli.clusters import Place
from kubechain.cli.live import sources
from kubechain.cli.live.app import Site
from kubechain.cli.live.feeds import Feed
from kubechain.runtime.client import Client
from kubechain.runtime.clock import SystemClock
from kubechain.runtime.transport import Reply
from test.runtime.fake_apiserver import FakeApiServer, Sent, failure
from test.views.builders import a_run

RUNS = "apis/kubechain.humanlayer.dev/v1alpha1/taskruns"
DEADLINE_SECONDS = 20.0


def refusal(where: str) -> Reply:
    """As kube-apiserver words it."""
    text = f'taskruns.kubechain.humanlayer.dev is forbidden: User "ann" cannot list resource "taskruns" {where}'
    return failure(403, "Forbidden", text)


class Cluster:
    """An API server on which a user may read some namespaces only."""

    def __init__(self, *allowed: str) -> None:
        self.server = FakeApiServer()
        self._allowed = allowed
        self.server.fails = self._refused

    def _refused(self, sent: Sent) -> Reply | None:
        if "/namespaces/" not in sent.target:
            return refusal("at the cluster scope")
        namespace = sent.target.split("/namespaces/")[1].split("/")[0]
        return None if namespace in self._allowed else refusal(f'in the namespace "{namespace}"')

    def add(self, namespace: str, name: str) -> None:
        run = a_run(name, phase="FinalAnswer").to_wire()
        run["metadata"] = {"name": name, "namespace": namespace, "uid": name}
        self.server.put(RUNS, run)

    def place(self, namespace: str | None) -> Place:
        return Place(Client(self.server, clock=SystemClock()), namespace)

    def feed(self, *namespaces: str | None) -> Feed:
        return Feed(sources.of_list([self.place(each) for each in namespaces], "own"))


Event = tuple[str, dict[str, Any]]


async def events(lines: AsyncIterator[str]) -> AsyncIterator[Event]:
    async for line in lines:
        if line.startswith("event: "):
            name, data = line.removeprefix("event: ").split("\ndata: ")
            yield name, json.loads(data)


async def until(found: AsyncIterator[Event], condition: Callable[[str, dict[str, Any]], bool]) -> dict[str, Any]:
    """The first event that is wanted."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        async for name, data in found:
            if condition(name, data):
                return data
    raise AssertionError("no such event")


def has_row(id: str) -> Callable[[str, dict[str, Any]], bool]:
    return lambda name, data: name == "parts" and id in data["html"]


def note_says(text: str) -> Callable[[str, dict[str, Any]], bool]:
    return lambda name, data: name == "parts" and text in data["html"].get("note", "")


async def test_where_all_namespaces_are_forbidden_the_own_one_is_shown_and_the_missing_right_is_said() -> None:
    cluster = Cluster("own")
    cluster.add("own", "hello-1")
    async with aclosing(cluster.feed(None).lines()) as lines:
        data = await until(events(lines), has_row("run-own.hello-1"))
    assert "Only namespace &#34;own&#34; is shown" in data["html"]["note"]
    assert "cannot list resource &#34;taskruns&#34; at the cluster scope" in data["html"]["note"]


async def test_of_two_namespaces_the_one_that_may_be_read_goes_on() -> None:
    cluster = Cluster("ours")
    cluster.add("ours", "hello-1")
    cluster.add("theirs", "secret-1")
    async with aclosing(cluster.feed("theirs", "ours").lines()) as lines:
        found = events(lines)
        await until(found, note_says("cannot list resource &#34;taskruns&#34; in the namespace &#34;theirs&#34;"))
        cluster.add("ours", "hello-2")
        data = await until(found, has_row("run-ours.hello-2"))
    assert not [id for id in data["order"]["rows"] if "secret" in id]


async def test_where_nothing_may_be_read_that_is_said_and_is_the_end() -> None:
    cluster = Cluster()
    async with aclosing(cluster.feed("ours", "theirs").lines()) as lines:
        data = await until(events(lines), lambda name, _: name == "trouble")
    assert data["isOver"]
    for namespace in ("ours", "theirs"):
        assert f'cannot list resource "taskruns" in the namespace "{namespace}"' in data["text"]


@pytest.mark.parametrize(("allowed", "status"), [("ours", 200), ("theirs", 404)])
async def test_the_page_of_a_run_that_may_not_be_read_says_which_right_is_missing(allowed: str, status: int) -> None:
    cluster = Cluster(allowed)
    cluster.add("ours", "hello-1")
    scope: dict[str, Any] = {
        "type": "http",
        "method": "GET",
        "path_params": {"namespace": "ours", "name": "hello-1"},
        "headers": [],
    }
    answer = await Site([cluster.place(None)], "own").run(Request(scope))
    assert answer.status_code == status
    assert (b"cannot list resource" in answer.body) == (status == 404)
