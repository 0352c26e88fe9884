"""An optional kind: followed where the API server permits it, and left alone where it does not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from kubechain.runtime.clock import LoopClock
from kubechain.runtime.informer import Informer, Informers
from kubechain.runtime.transport import Reply, WholeReply
from test.runtime.fake_apiserver import FakeApiServer, Sent, failure
from test.runtime.widgets import WIDGETS, WIDGETS_PATH, Widget, a_widget

OPTIONAL = replace(WIDGETS, is_optional=True)
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


class Authorizer:
    """Answers the reviews of a fake server.

    Attributes:
        permitted: Pairs of verb and namespace, where None stands for all.
        asked: What it was asked.
    """

    def __init__(self, server: FakeApiServer, *permitted: tuple[str, str | None]) -> None:
        self.permitted = set(permitted)
        self.asked: list[tuple[str, str | None]] = []
        server.put(WIDGETS_PATH, a_widget("w", namespace="a"))
        server.fails = self.answer

    def answer(self, sent: Sent) -> Reply | None:
        if sent.target != REVIEWS:
            return None
        assert sent.body is not None
        about = sent.body["spec"]["resourceAttributes"]
        assert (about["group"], about["resource"]) == ("example.com", "widgets")
        self.asked.append((about["verb"], about.get("namespace")))
        return WholeReply(201, {}, json.dumps({"status": {"allowed": self.asked[-1] in self.permitted}}).encode())


@asynccontextmanager
async def following(server: FakeApiServer, *namespaces: str) -> AsyncGenerator[Informer[Widget]]:
    informer = Informers(exchange=server, clock=LoopClock(), namespaces=namespaces).of(OPTIONAL)
    running = asyncio.create_task(informer.run())
    await asyncio.sleep(0.1)
    try:
        yield informer
    finally:
        running.cancel()
        await asyncio.wait({running})


async def test_a_kind_that_may_be_watched_is_followed() -> None:
    server = FakeApiServer()
    authorizer = Authorizer(server, ("list", None), ("watch", None))
    async with following(server) as informer:
        assert informer.synced
        assert informer.follows("a")
        assert [widget.metadata.name for widget in informer.lister.list()] == ["w"]
    assert authorizer.asked == [("list", None), ("watch", None)]


@pytest.mark.parametrize("verb", ["list", "watch"])
async def test_one_verb_is_not_enough_and_nobody_waits_for_the_cache(verb: str) -> None:
    server = FakeApiServer()
    Authorizer(server, (verb, None))
    async with following(server) as informer:
        assert informer.synced
        assert not informer.follows("a")
        assert informer.last_error == ""
        before = len(server.sent)
        await asyncio.sleep(3_600)
        assert len(server.sent) == before
        assert informer.received_at == LoopClock().monotonic()
    assert all(sent.target == REVIEWS for sent in server.sent)


async def test_each_namespace_is_asked_for_by_itself() -> None:
    server = FakeApiServer()
    Authorizer(server, ("list", "a"), ("watch", "a"))
    async with following(server, "a", "b") as informer:
        assert [informer.follows(namespace) for namespace in ("a", "b", "c")] == [True, False, False]


async def test_while_the_server_does_not_answer_it_is_asked_again() -> None:
    server = FakeApiServer()
    authorizer = Authorizer(server, ("list", None), ("watch", None))
    server.fails = lambda sent: failure(500, "InternalError")
    async with following(server) as informer:
        await asyncio.sleep(300)
        assert not informer.synced
        server.fails = authorizer.answer
        await asyncio.sleep(30)
        assert informer.synced
        assert informer.follows("a")


async def test_a_server_without_reviews_is_asked_by_a_watch() -> None:
    server = FakeApiServer()
    Authorizer(server)
    server.fails = lambda sent: failure(404, "NotFound") if sent.target == REVIEWS else None
    async with following(server) as informer:
        assert informer.follows("a")


async def test_who_may_not_even_ask_may_not_watch() -> None:
    server = FakeApiServer()
    Authorizer(server)
    server.fails = lambda sent: failure(403, "Forbidden") if sent.target == REVIEWS else None
    async with following(server) as informer:
        assert informer.synced
        assert not informer.follows("a")


async def test_a_right_that_is_taken_away_ends_the_watch_and_names_the_rule_once() -> None:
    server = FakeApiServer()
    authorizer = Authorizer(server, ("list", None), ("watch", None))
    async with following(server) as informer:
        server.fails = lambda sent: authorizer.answer(sent) or failure(403, "Forbidden", "no widgets")
        with capture_logs() as lines:
            server.break_watches()
            await asyncio.sleep(3_600)
        assert not informer.follows("a")
    [line] = [line for line in lines if line["log_level"] == "warning"]
    rule = 'ClusterRole: {apiGroups: ["example.com"], resources: [widgets], verbs: [list, watch]}'
    assert line["missing_rule"] == rule
