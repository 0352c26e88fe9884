"""Watches: what is seen, from when on, and how they end."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from kubechain_apiserver.engine.engine import Subscription
from kubechain_apiserver.engine.options import WatchOptions
from kubechain_apiserver.store import watch as watches
from kubechain_apiserver.store.history import History
from packages.apiserver.test.objects import Plane, a_widget


def seen(subscription: Subscription) -> list[str]:
    return [f"{event.type} {event.object['metadata'].get('name', '')}" for event in subscription.poll()]


def from_now(plane: Plane, **more: Any) -> WatchOptions:
    return WatchOptions(resource_version=plane.engine.resource_version, **more)


def test_changes_arrive_in_order_with_their_revisions(plane: Plane) -> None:
    watch = plane.engine.watch(plane.widgets, "default", from_now(plane))
    plane.create(a_widget())
    plane.engine.patch(plane.widgets, "default", "w", "merge", {"spec": {"a": "1"}})
    plane.engine.delete(plane.widgets, "default", "w")
    events = watch.poll()
    assert [event.type for event in events] == ["ADDED", "MODIFIED", "DELETED"]
    revisions = [int(event.object["metadata"]["resourceVersion"]) for event in events]
    assert revisions == sorted(set(revisions))


@pytest.mark.parametrize("version", ["", "0"])
def test_without_a_revision_the_present_state_comes_first(plane: Plane, version: str) -> None:
    plane.create(a_widget("b"))
    plane.create(a_widget("a"))
    watch = plane.engine.watch(plane.widgets, "default", WatchOptions(resource_version=version))
    assert seen(watch) == ["ADDED a", "ADDED b"]


def test_initial_events_end_with_a_bookmark(plane: Plane) -> None:
    plane.create(a_widget())
    watch = plane.engine.watch(plane.widgets, "default", WatchOptions(send_initial_events=True, allow_bookmarks=True))
    added, bookmark = watch.poll()
    assert added.type == "ADDED"
    assert bookmark.type == "BOOKMARK"
    assert bookmark.object["metadata"] == {
        "resourceVersion": plane.engine.resource_version,
        "annotations": {"k8s.io/initial-events-end": "true"},
    }


def test_a_watch_resumes_after_the_revision_that_it_names(plane: Plane) -> None:
    plane.create(a_widget("before"))
    since = plane.engine.resource_version
    plane.create(a_widget("after"))
    assert seen(plane.engine.watch(plane.widgets, "default", WatchOptions(resource_version=since))) == ["ADDED after"]


def test_a_revision_that_is_forgotten_gives_one_error() -> None:
    plane = Plane(history=History(1, max_count=2))
    for index in range(4):
        plane.create(a_widget(f"w{index}"))
    watch = plane.engine.watch(plane.widgets, "default", WatchOptions(resource_version="2"))
    (event,) = watch.poll()
    compacted = plane.engine.statistics()["history"]["compacted"]
    assert event.type == "ERROR"
    assert event.object["message"] == f"too old resource version: 2 ({compacted})"
    assert (event.object["code"], event.object["reason"]) == (410, "Expired")


def test_no_watch_begins_before_its_kind_was_defined(plane: Plane) -> None:
    (event,) = plane.engine.watch(plane.widgets, "default", WatchOptions(resource_version="1")).poll()
    assert event.object["code"] == 410


def test_entering_and_leaving_a_selection_are_additions_and_deletions(plane: Plane) -> None:
    watch = plane.engine.watch(
        plane.widgets,
        "default",
        options=from_now(plane, label_selector="on=yes"),
    )
    plane.create(a_widget())
    for value in ("yes", "yes", "no"):
        labels = {"on": value, "n": plane.engine.resource_version}
        plane.engine.patch(plane.widgets, "default", "w", "merge", {"metadata": {"labels": labels}})
    events = watch.poll()
    assert [event.type for event in events] == ["ADDED", "MODIFIED", "DELETED"]
    assert events[2].object["metadata"]["labels"]["on"] == "yes"
    assert events[2].object["metadata"]["resourceVersion"] == plane.engine.resource_version


def test_an_event_is_encoded_once_for_all_watchers(plane: Plane) -> None:
    one, two = (plane.engine.watch(plane.widgets, "default", from_now(plane)) for _ in range(2))
    plane.create(a_widget())
    assert one.poll()[0].line is two.poll()[0].line


def test_a_reader_that_falls_behind_is_ended(plane: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watches, "QUEUE_LIMIT", 2)
    watch = plane.engine.watch(plane.widgets, "default", from_now(plane))
    for index in range(5):
        plane.create(a_widget(f"w{index}"))
    assert watch.overflowed
    assert len(watch.poll()) == 3
    assert plane.engine.statistics()["watchers"] == 0


async def test_a_waiting_reader_is_woken(plane: Plane) -> None:
    watch = plane.engine.watch(plane.widgets, "default", from_now(plane))
    waiting = asyncio.ensure_future(anext(watch))
    await asyncio.sleep(0)
    plane.create(a_widget())
    assert (await waiting).type == "ADDED"
    watch.close()
    assert [event async for event in watch] == []


async def test_a_watch_ends_at_its_timeout(plane: Plane) -> None:
    watch = plane.engine.watch(
        plane.widgets,
        "default",
        options=from_now(plane, timeout_seconds=0.0),
    )
    assert [event async for event in watch] == []
    assert plane.engine.statistics()["watchers"] == 0


async def test_an_idle_watch_gets_bookmarks(plane: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watches, "BOOKMARK_INTERVAL_SECONDS", 0.0)
    watch = plane.engine.watch(
        plane.widgets,
        "default",
        options=from_now(plane, allow_bookmarks=True),
    )
    event = await anext(watch)
    assert event.type == "BOOKMARK"
    assert event.object["metadata"]["resourceVersion"] == plane.engine.resource_version
    watch.close()
