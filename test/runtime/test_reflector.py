"""How a reflector starts, goes on and recovers; convergence under chaos is proved in test_convergence."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from kubechain.runtime.clock import LoopClock
from kubechain.runtime.errors import TransportError
from kubechain.runtime.informer import Informer, Informers
from kubechain.runtime.store import Change
from kubechain.runtime.transport import WholeReply
from test.runtime.fake_apiserver import FakeApiServer, failure
from test.runtime.widgets import WIDGETS, WIDGETS_PATH, Widget, a_widget


@asynccontextmanager
async def following(server: FakeApiServer, *namespaces: str) -> AsyncGenerator[Informer[Widget]]:
    informer = Informers(exchange=server, clock=LoopClock(), namespaces=namespaces).of(WIDGETS)
    running = asyncio.create_task(informer.run())
    await asyncio.sleep(0.1)
    try:
        yield informer
    finally:
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running


def names(informer: Informer[Widget]) -> list[str]:
    return sorted(widget.metadata.name for widget in informer.lister.list())


def methods(server: FakeApiServer) -> list[str]:
    return [sent.method for sent in server.sent]


async def test_one_watch_brings_the_state_and_what_follows() -> None:
    server = FakeApiServer()
    server.put(WIDGETS_PATH, a_widget("a"))
    async with following(server) as informer:
        assert (informer.synced, names(informer)) == (True, ["a"])
        server.put(WIDGETS_PATH, a_widget("b"))
        await asyncio.sleep(0.1)
        assert names(informer) == ["a", "b"]
    assert methods(server) == ["WATCH"]


async def test_a_server_without_initial_events_is_listed_from_its_cache_in_one_piece() -> None:
    server = FakeApiServer(watch_list=False)
    for number in range(700):
        server.put(WIDGETS_PATH, a_widget(f"w{number}"))
    async with following(server) as informer:
        assert len(informer.store) == 700
    assert methods(server) == ["WATCH", "GET", "WATCH"]
    assert "resourceVersion=0" in server.sent[1].target
    assert "limit" not in server.sent[1].target


async def test_a_server_that_ignores_the_parameter_is_noticed() -> None:
    server = FakeApiServer()
    server.put(WIDGETS_PATH, a_widget("a"))
    server.initial_end = False
    async with following(server) as informer:
        assert not informer.synced
        await asyncio.sleep(20)
        assert (informer.synced, names(informer)) == (True, ["a"])


async def test_a_cache_behind_our_version_leads_to_a_consistent_list_in_pages() -> None:
    server = FakeApiServer(watch_list=False)
    for number in range(600):
        server.put(WIDGETS_PATH, a_widget(f"w{number}"))
    async with following(server) as informer:
        server.put(WIDGETS_PATH, a_widget("new"))
        await asyncio.sleep(1)
        server.sent.clear()
        server.cache_lag = 3
        server.say({"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired"}})
        await asyncio.sleep(60)
        lists = [sent.target for sent in server.sent if sent.method == "GET"]
        assert "resourceVersion=" in lists[0]
        assert "limit=500" in lists[1]
        assert "continue" in lists[2]
        assert len(informer.store) == 601


async def test_a_page_that_expires_starts_the_list_again() -> None:
    server = FakeApiServer(watch_list=False)
    for number in range(600):
        server.put(WIDGETS_PATH, a_widget(f"w{number}"))
    refused = [failure(410, "Expired")]
    server.cache_lag = 1000  # even the first list must be consistent

    def expire_once(sent: object) -> object:
        return refused.pop() if "continue" in getattr(sent, "target", "") and refused else None

    server.fails = expire_once  # pyright: ignore[reportAttributeAccessIssue]
    server.failures.append(failure(422, "Invalid"))
    server.failures.append(failure(504, "Timeout", causes=("ResourceVersionTooLarge",)))
    async with following(server) as informer:
        await asyncio.sleep(60)
        assert len(informer.store) == 600
        assert not refused


async def test_a_relist_deletes_once_what_vanished_and_replaces_what_was_made_anew() -> None:
    server = FakeApiServer(watch_list=False)
    for name in ("gone", "anew", "kept"):
        server.put(WIDGETS_PATH, a_widget(name))
    async with following(server) as informer:
        told: list[str] = []

        def note(change: Change[Widget]) -> None:
            told.append(f"{'-' if change.new is None else '+' if change.old is None else '~'}{change.key.name}")

        informer.add_handler(note)
        told.clear()
        for watch in server.watches:
            watch.deaf = True
        server.remove(WIDGETS_PATH, "default", "gone")
        server.remove(WIDGETS_PATH, "default", "anew")
        server.put(WIDGETS_PATH, a_widget("anew"))
        server.expire()
        server.break_watches(TransportError("reset"))
        await asyncio.sleep(60)
        assert sorted(told) == ["+anew", "-anew", "-gone"]
        assert told.index("-anew") < told.index("+anew")


async def test_a_silent_connection_is_given_up_after_75_seconds() -> None:
    server = FakeApiServer()
    async with following(server) as informer:
        for watch in server.watches:
            watch.deaf = True
        server.put(WIDGETS_PATH, a_widget("a"))
        await asyncio.sleep(74)
        assert names(informer) == []
        await asyncio.sleep(3)
        assert names(informer) == ["a"]


async def test_watches_end_at_times_of_their_own() -> None:
    server = FakeApiServer()
    async with following(server):
        for _ in range(30):
            await asyncio.sleep(10)
            server.break_watches()
            await asyncio.sleep(10)
    limits = [int(sent.target.partition("timeoutSeconds=")[2].partition("&")[0]) for sent in server.sent]
    assert len(limits) > 20
    assert min(limits) >= 300
    assert max(limits) <= 600
    assert len(set(limits)) > 15
    assert all("allowWatchBookmarks=true" in sent.target for sent in server.sent)


async def test_bookmarks_move_the_version_on_without_a_change() -> None:
    server = FakeApiServer()
    async with following(server) as informer:
        server.say({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "100"}}})
        await asyncio.sleep(0.1)
        server.break_watches()
        await asyncio.sleep(5)
        assert "resourceVersion=100" in server.sent[-1].target
        assert len(informer.store) == 0


async def test_failures_are_tried_again_for_ever_with_client_gos_backoff() -> None:
    server, loop = FakeApiServer(), asyncio.get_running_loop()
    at: list[float] = []

    def refuse(sent: object) -> object:
        at.append(loop.time())
        return failure(403, "Forbidden", "no rights yet")

    server.fails = refuse  # pyright: ignore[reportAttributeAccessIssue]
    server.put(WIDGETS_PATH, a_widget("a"))
    async with following(server) as informer:
        await asyncio.sleep(3600)
        assert informer.describe() == "Widget: watch widgets.example.com: Forbidden: no rights yet"
        pauses = [later - earlier for earlier, later in itertools.pairwise(at)]
        assert 0.8 <= pauses[0] <= 1.6
        assert all(30 <= pause <= 60 for pause in pauses[6:])
        server.fails = lambda sent: None
        await asyncio.sleep(60)
        assert names(informer) == ["a"]


async def test_a_kind_whose_cache_is_being_made_is_asked_for_again_soon() -> None:
    server = FakeApiServer()
    server.put(WIDGETS_PATH, a_widget("a"))
    server.failures += [failure(429, "TooManyRequests", "storage is (re)initializing")] * 2
    async with following(server) as informer:
        await asyncio.sleep(0.6)
        assert names(informer) == ["a"]


async def test_a_stream_that_ends_at_once_does_not_spin() -> None:
    server = FakeApiServer()
    async with following(server):
        for _ in range(100):
            server.break_watches()
            await asyncio.sleep(0.1)
        assert len(server.sent) < 12


async def test_each_namespace_has_its_own_watch_and_others_are_not_seen() -> None:
    server = FakeApiServer()
    for namespace in ("one", "two", "three"):
        server.put(WIDGETS_PATH, a_widget("w", namespace=namespace))
    async with following(server, "one", "two") as informer:
        assert sorted(widget.metadata.namespace for widget in informer.lister.list()) == ["one", "two"]
        server.expire()
        server.break_watches(TransportError("reset"))
        await asyncio.sleep(60)
        assert len(informer.store) == 2


async def test_what_does_not_fit_the_model_is_left_out_of_lists_and_harms_nothing() -> None:
    server = FakeApiServer()
    server.put(WIDGETS_PATH, a_widget("bad", spec="text"))
    server.put(WIDGETS_PATH, a_widget("good"))
    async with following(server) as informer:
        assert names(informer) == ["good"]
        assert informer.lister.metadata("default", "bad") is not None


DEEP = json.dumps(a_widget("deep", metadata={"resourceVersion": "107"}, spec={"x": "HERE"})).replace(
    '"HERE"', '{"a":' * 5000 + "1" + "}" * 5000
)
"""An object that kube-apiserver takes where a schema allows any JSON, and that no decoder here can follow."""


async def test_an_object_nested_beyond_all_reason_harms_no_other_in_a_watch() -> None:
    server = FakeApiServer()
    server.initial_end = False
    server.put(WIDGETS_PATH, a_widget("a"))
    async with following(server) as informer:
        lines = server.watches[0].lines
        lines.put_nowait(f'{{"type":"ADDED","object":{DEEP}}}'.encode())
        end = {"resourceVersion": "108", "annotations": {"k8s.io/initial-events-end": "true"}}
        server.say({"type": "BOOKMARK", "object": {"metadata": end}})
        await asyncio.sleep(0.1)
        assert informer.synced
        server.version = 109
        lines.put_nowait(f'{{"type":"MODIFIED","object":{DEEP.replace("107", "110")}}}'.encode())
        server.put(WIDGETS_PATH, a_widget("b"))
        await asyncio.sleep(0.1)
        assert {"a", "b"} <= set(names(informer))
        held = informer.lister.metadata("default", "deep")
        assert held is not None
        assert held.version == 110


async def test_an_object_nested_beyond_all_reason_harms_no_other_in_a_list() -> None:
    server = FakeApiServer(watch_list=False)
    other = json.dumps(a_widget("a", metadata={"resourceVersion": "106"}))
    body = f'{{"metadata":{{"resourceVersion":"108"}},"items":[{DEEP},{other}]}}'
    server.failures += [failure(422, "Invalid"), WholeReply(200, {}, body.encode())]
    async with following(server) as informer:
        assert informer.synced
        assert "a" in names(informer)
        assert informer.lister.metadata("default", "deep") is not None


async def test_no_defect_ends_a_reflector() -> None:
    server = FakeApiServer()
    async with following(server) as informer:
        defects = [RuntimeError("a defect"), AttributeError("another")]

        def fail(change: Change[Widget]) -> None:
            if defects:
                raise defects.pop()

        informer.add_handler(fail)
        for name in ("a", "b", "c"):
            server.put(WIDGETS_PATH, a_widget(name))
            await asyncio.sleep(60)
        assert not defects
        assert names(informer) == ["a", "b", "c"]


async def test_managed_fields_are_not_kept() -> None:
    server = FakeApiServer()
    server.put(WIDGETS_PATH, a_widget("a", metadata={"managedFields": [{"manager": "kubectl"}]}))
    async with following(server) as informer:
        held = next(informer.store.scan())
        assert b"managedFields" not in held.raw
        assert b'"kind":"Widget"' in held.raw
