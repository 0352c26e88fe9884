"""The store's rules one by one; all of them together under chaos are in test_convergence."""

from __future__ import annotations

import contextlib
import json
import tracemalloc
from typing import Any

import pytest

from kubechain.runtime.keys import Request
from kubechain.runtime.metadata import Stored
from kubechain.runtime.resource import metadata_only
from kubechain.runtime.store import Change, Lister, Store, Undecodable
from test.runtime.widgets import PARTS, WIDGETS, Widget, a_widget

KEY = Request("default", "w")


class Told:
    """A store, and what its handlers were told: `+` added, `~` changed, `-` deleted, `!` where it was our own."""

    def __init__(self) -> None:
        self.store: Store[Widget] = Store(WIDGETS)
        self.changes: list[str] = []
        self.store.add_handler(self._note)

    def _note(self, change: Change[Any]) -> None:
        sign = "-" if change.new is None else "+" if change.old is None else "~"
        held = change.new or change.old
        assert held is not None
        self.changes.append(f"{sign}{held.metadata.uid}@{held.metadata.version}{'!' if change.own else ''}")

    @property
    def version(self) -> int | None:
        held = self.store.get(KEY)
        return held.metadata.version if held else None


def seen(version: int, uid: str = "a", **more: Any) -> Stored:
    """Return the object as some answer of the server shows it."""
    raw = a_widget("w", metadata={"uid": uid, "resourceVersion": str(version)}, **more)
    return Store(WIDGETS).stored(json.dumps(raw).encode())


def test_an_older_event_changes_nothing_and_an_echo_tells_nobody() -> None:
    it = Told()
    it.store.apply(seen(5))
    it.store.apply(seen(4))
    it.store.apply(seen(5))
    it.store.apply(seen(6))
    assert it.changes == ["+a@5", "~a@6"]


def test_a_write_upon_what_is_known_is_our_own() -> None:
    it = Told()
    it.store.wrote(seen(5), base_version="")
    it.store.wrote(seen(6), base_version="5")
    it.store.apply(seen(6))
    assert it.changes == ["+a@5!", "~a@6!"]


def test_an_echo_that_overtakes_its_reply_is_recognised_and_changes_of_others_are_not_lost() -> None:
    it = Told()
    it.store.apply(seen(5))
    with it.store.writing(KEY):
        it.store.apply(seen(6))
        it.store.apply(seen(7))
        it.store.wrote(seen(6), base_version="5")
        assert it.version == 6
    assert it.changes == ["+a@5", "~a@6!", "~a@7"]


def test_what_was_held_back_during_a_write_that_failed_is_taken_then() -> None:
    it = Told()
    it.store.apply(seen(5))
    with contextlib.suppress(RuntimeError), it.store.writing(KEY):
        it.store.remove(seen(6))
        raise RuntimeError("lost")
    assert it.changes == ["+a@5", "-a@5"]


@pytest.mark.parametrize("base", [None, "6"], ids=["an unconditional write", "a write upon a version not seen here"])
def test_a_write_that_may_hide_changes_of_others_is_told_as_theirs(base: str | None) -> None:
    it = Told()
    it.store.apply(seen(5))
    it.store.wrote(seen(7), base_version=base)
    it.store.apply(seen(6))
    assert it.changes == ["+a@5", "~a@7"]


def test_what_we_deleted_is_not_raised_by_events_or_lists_from_before() -> None:
    it = Told()
    it.store.apply(seen(5))
    it.store.deleted(KEY, uid="a")
    it.store.apply(seen(6))
    it.store.replace([seen(6)], 6)
    it.store.replace([seen(6)], 6, exact=True)
    assert it.version is None
    it.store.remove(seen(7))
    it.store.apply(seen(8, uid="b"))
    assert it.changes == ["+a@5", "-a@5!", "+b@8"]
    assert it.store.statistics()["tombstones"] == 0


def test_a_tombstone_ends_with_a_list_that_no_longer_has_the_object() -> None:
    it = Told()
    it.store.apply(seen(5))
    it.store.deleted(KEY, uid="a")
    it.store.replace([], 4)
    assert it.store.statistics()["tombstones"] == 1
    it.store.replace([], 9)
    assert it.store.statistics()["tombstones"] == 0


def test_a_deletion_of_an_earlier_object_of_the_name_spares_the_later_one() -> None:
    it = Told()
    it.store.apply(seen(5))
    it.store.wrote(seen(8, uid="b"), base_version="")
    it.store.remove(seen(7))
    assert it.version == 8
    it.store.remove(seen(9, uid="b"))
    assert it.changes == ["+a@5", "-a@5", "+b@8", "-b@8"]


def test_a_list_from_before_our_write_does_not_undo_it() -> None:
    it = Told()
    it.store.wrote(seen(8), base_version="")
    it.store.replace([], 7)
    assert it.version == 8
    it.store.replace([seen(6)], 7)
    assert it.version == 8
    it.store.replace([], 9)
    assert it.version is None


def test_a_consistent_list_is_believed_even_where_it_is_older() -> None:
    it = Told()
    it.store.apply(seen(500))
    it.store.begin_replace()
    it.store.replace([seen(20)], 30, exact=True)
    assert it.version == 20
    it.store.begin_replace()
    it.store.wrote(seen(40), base_version="20")
    it.store.replace([seen(20)], 35, exact=True)
    assert it.version == 40, "our write since the request stays"


def test_a_list_of_one_namespace_says_nothing_about_others() -> None:
    it = Told()
    it.store.apply(seen(5))
    it.store.replace([], 9, namespace="elsewhere")
    assert it.version == 5


def test_lists_of_two_namespaces_at_once_each_know_what_we_wrote_meanwhile() -> None:
    it = Told()
    it.store.begin_replace(namespace="default")
    it.store.wrote(seen(8), base_version="")
    it.store.begin_replace(namespace="elsewhere")
    it.store.replace([], 6, namespace="elsewhere", exact=True)
    it.store.replace([], 7, namespace="default", exact=True)
    assert it.version == 8


def test_a_tombstone_ends_with_a_list_that_has_another_object_of_the_name() -> None:
    it = Told()
    it.store.apply(seen(5))
    it.store.deleted(KEY, uid="a")
    it.store.replace([seen(8, uid="b")], 9)
    assert it.store.statistics()["tombstones"] == 0
    assert it.version == 8


def test_of_two_that_we_deleted_under_one_name_neither_is_raised() -> None:
    it = Told()
    it.store.apply(seen(5))
    it.store.deleted(KEY, uid="a")
    it.store.wrote(seen(8, uid="b"), base_version="")
    it.store.deleted(KEY, uid="b")
    it.store.apply(seen(6))
    it.store.apply(seen(8, uid="b"))
    assert it.changes == ["+a@5", "-a@5!", "+b@8!", "-b@8!"]


def test_a_list_of_another_namespace_ends_no_tombstone() -> None:
    it = Told()
    it.store.apply(seen(5))
    it.store.deleted(KEY, uid="a")
    it.store.replace([], 9, namespace="elsewhere")
    it.store.apply(seen(6))
    assert it.version is None


def test_a_handler_that_comes_late_is_told_what_is_there() -> None:
    store: Store[Widget] = Store(WIDGETS)
    store.apply(seen(5))
    told: list[bool] = []
    store.add_handler(lambda change: told.append(change.at_start))
    assert told == [True]


def test_reads_of_what_is_not_frozen_are_copies_and_indexes_follow() -> None:
    store: Store[Widget] = Store(WIDGETS)
    store.apply(seen(5, spec={"color": "red"}))
    store.add_index("color", lambda one: [one.spec["color"]])
    lister = Lister(store)
    first = lister.get("default", "w")
    assert first is not None
    first.spec["color"] = "spoiled"
    assert [one.spec["color"] for one in lister.by_index("color", "red")] == ["red"]
    store.apply(seen(6, spec={"color": "blue"}))
    assert lister.by_index("color", "red") == []
    store.remove(seen(7))
    assert lister.by_index("color", "blue") == []
    with pytest.raises(KeyError):
        lister.by_index("size", "1")


def test_an_index_function_that_fails_leaves_one_object_out_of_one_index() -> None:
    store: Store[Widget] = Store(WIDGETS)
    store.add_index("color", lambda one: [one.spec["color"]])
    store.add_index("size", lambda one: [one.spec["size"]])
    store.apply(seen(5, spec={"size": "1"}))
    assert len(store.by_index("size", "1")) == 1
    store.apply(seen(6, spec={"size": "1", "color": "red"}))
    assert len(store.by_index("color", "red")) == 1
    store.apply(seen(7, spec={}))
    assert store.by_index("color", "red") == []


def test_an_object_that_does_not_fit_its_model_cannot_be_read_alone() -> None:
    store: Store[Widget] = Store(WIDGETS)
    store.apply(seen(5, spec="text"))
    lister = Lister(store)
    assert lister.list() == []
    with pytest.raises(Undecodable, match="default/w"):
        lister.get("default", "w")


def test_unknown_fields_and_numbers_survive_byte_for_byte() -> None:
    spec = b'{"n":1.50,"big":12345678901234567890,"x-new":"\\u00e9"}'
    raw = b'{"metadata":{"name":"w","resourceVersion":"1","managedFields":[{}]},"spec":' + spec + b"}"
    held = Store(WIDGETS).stored(raw).raw
    assert spec in held
    assert b"managedFields" not in held


def test_a_cache_of_metadata_keeps_nothing_else() -> None:
    held = Store(metadata_only(PARTS)).stored(b'{"kind":"Secret","metadata":{"name":"w"},"data":{"k":"aHVudGVyMg=="}}')
    assert held.raw == b'{"apiVersion":"example.com/v1","kind":"Part","metadata":{"name":"w"}}'


def test_a_long_list_is_taken_in_with_pauses_and_what_we_write_in_one_stays() -> None:
    store: Store[Widget] = Store(WIDGETS)
    store.replace([_numbered(number, version=1) for number in range(600)], 1)
    store.begin_replace()
    steps = iter(store.replacing((_numbered(number, version=5) for number in range(500)), 9, exact=True))
    next(steps)
    store.wrote(_numbered(400, version=10), base_version="1")  # the list shows it older
    store.wrote(_numbered(700, version=11), base_version="")  # the list cannot have it
    pauses = 1 + len(list(steps))
    versions = {held.metadata.name: held.metadata.version for held in store.scan()}
    assert (pauses, len(versions), versions["w400"], versions["w700"]) == (2, 501, 10, 11)


def test_a_cut_object_takes_no_more_room_than_its_bytes() -> None:
    held = seen(5, spec={"text": "x" * 1500})
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    held = seen(5, spec={"text": "y" * 1500})
    raw = held.raw
    del held
    assert tracemalloc.get_traced_memory()[0] - before < len(raw) + 400
    tracemalloc.stop()


def _numbered(number: int, *, version: int) -> Stored:
    raw = a_widget(f"w{number}", metadata={"uid": f"u{number}", "resourceVersion": str(version)})
    return Store(WIDGETS).stored(json.dumps(raw).encode())
