"""Deleting: finalizers, preconditions, owners, namespaces, definitions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kubechain_apiserver.engine.options import DeleteOptions, ListOptions, Preconditions, WatchOptions
from kubechain_apiserver.store.sqlite import SqliteStorage
from kubechain_apiserver.wire.errors import StatusError
from kubechain_apiserver.wire.json_types import JsonObject
from packages.apiserver.test.objects import Plane, a_widget, an_owner


def delete(plane: Plane, name: str, **options: Any) -> JsonObject:
    return plane.engine.delete(plane.widgets, "default", name, DeleteOptions(**options))


def test_a_deletion_is_answered_by_a_status(plane: Plane) -> None:
    made = plane.create(a_widget())
    status = delete(plane, "w")
    assert status["status"] == "Success"
    expected = {"name": "w", "group": "example.com", "kind": "widgets", "uid": made["metadata"]["uid"]}
    assert status["details"] == expected
    assert not plane.exists("w")


def test_finalizers_hold_an_object_until_the_last_one_goes(plane: Plane) -> None:
    plane.create(a_widget(finalizers=["x.io/a", "x.io/b"]))
    marked = delete(plane, "w")
    assert marked["metadata"]["deletionGracePeriodSeconds"] == 0
    assert marked["metadata"]["generation"] == 2
    plane.engine.patch(plane.widgets, "default", "w", "merge", {"metadata": {"finalizers": ["x.io/b"]}})
    assert plane.exists("w")
    plane.engine.patch(plane.widgets, "default", "w", "merge", {"metadata": {"finalizers": None}})
    assert not plane.exists("w")


def test_no_finalizer_is_added_to_what_is_being_deleted(plane: Plane) -> None:
    plane.create(a_widget(finalizers=["x.io/a"]))
    delete(plane, "w")
    with pytest.raises(StatusError, match=r'found new finalizers \[\]string\{"x.io/b"\}'):
        plane.engine.patch(plane.widgets, "default", "w", "merge", {"metadata": {"finalizers": ["x.io/a", "x.io/b"]}})


def test_a_name_is_taken_until_its_owner_is_gone(plane: Plane) -> None:
    plane.create(a_widget(finalizers=["x.io/a"]))
    delete(plane, "w")
    with pytest.raises(StatusError, match=r"^object is being deleted: widgets.example.com"):
        plane.create(a_widget())


PRECONDITIONS = {
    "another uid": (Preconditions(uid="other"), "does not match the UID in record"),
    "another revision": (Preconditions(resource_version="1"), "does not match the ResourceVersion in record"),
}


@pytest.mark.parametrize(("preconditions", "error"), PRECONDITIONS.values(), ids=PRECONDITIONS.keys())
def test_a_deletion_whose_precondition_fails_is_a_conflict(
    plane: Plane, preconditions: Preconditions, error: str
) -> None:
    plane.create(a_widget())
    with pytest.raises(StatusError, match=error) as refusal:
        delete(plane, "w", preconditions=preconditions)
    assert refusal.value.code == 409


def test_dependents_go_with_their_last_owner(plane: Plane) -> None:
    one, two = plane.create(a_widget("one")), plane.create(a_widget("two"))
    plane.create(a_widget("child", ownerReferences=[an_owner(one), an_owner(two)]))
    child = plane.get("child")
    plane.create(a_widget("grandchild", ownerReferences=[an_owner(child)]))
    delete(plane, "one")
    assert [owner["name"] for owner in plane.get("child")["metadata"]["ownerReferences"]] == ["two"]
    delete(plane, "two")
    assert plane.names() == []


def test_a_dependent_of_nobody_goes_at_once(plane: Plane) -> None:
    ghost = {"apiVersion": "example.com/v1", "kind": "Widget", "name": "ghost", "uid": "gone"}
    plane.create(a_widget("child", ownerReferences=[ghost]))
    assert not plane.exists("child")


def test_an_owner_of_an_unknown_kind_is_left_in_doubt(plane: Plane) -> None:
    stranger = {"apiVersion": "other.io/v1", "kind": "Thing", "name": "t", "uid": "1"}
    plane.create(a_widget("child", ownerReferences=[stranger]))
    assert plane.exists("child")


def test_orphans_lose_their_owner_and_stay(plane: Plane) -> None:
    owner = plane.create(a_widget("owner"))
    plane.create(a_widget("child", ownerReferences=[an_owner(owner)]))
    delete(plane, "owner", propagation="Orphan")
    assert not plane.exists("owner")
    assert "ownerReferences" not in plane.get("child")["metadata"]


def test_in_the_foreground_the_owner_waits_for_those_that_block(plane: Plane) -> None:
    owner = plane.create(a_widget("owner"))
    blocking = an_owner(owner, blockOwnerDeletion=True)
    plane.create(a_widget("child", ownerReferences=[blocking], finalizers=["x.io/hold"]))
    delete(plane, "owner", propagation="Foreground")
    assert plane.get("owner")["metadata"]["finalizers"] == ["foregroundDeletion"]
    assert "deletionTimestamp" in plane.get("child")["metadata"]
    plane.engine.patch(plane.widgets, "default", "child", "merge", {"metadata": {"finalizers": None}})
    assert plane.names() == []


def test_a_namespace_goes_with_all_that_is_in_it(plane: Plane) -> None:
    plane.engine.create(plane.namespaces, "", {"metadata": {"name": "team"}})
    plane.engine.create(plane.widgets, "team", a_widget(finalizers=["x.io/hold"]))
    plane.engine.create(plane.config_maps, "team", {"metadata": {"name": "c"}})
    answer = plane.engine.delete(plane.namespaces, "", "team")
    assert answer["status"]["phase"] == "Terminating"
    assert plane.engine.list(plane.config_maps, "team").items == []
    with pytest.raises(StatusError, match=r"because it is being terminated") as refusal:
        plane.engine.create(plane.widgets, "team", a_widget("late"))
    assert refusal.value.code == 403
    conditions = plane.engine.get(plane.namespaces, "", "team")["status"]["conditions"]
    assert [each["message"] for each in conditions if each["status"] == "True"] == [
        "Some resources are remaining: widgets.example.com has 1 resource instances",
        "Some content in the namespace has finalizers remaining: x.io/hold in 1 resource instances",
    ]
    plane.engine.patch(plane.widgets, "team", "w", "merge", {"metadata": {"finalizers": None}})
    with pytest.raises(StatusError, match=r'^namespaces "team" not found$'):
        plane.engine.get(plane.namespaces, "", "team")


def test_the_default_namespace_stays(plane: Plane) -> None:
    with pytest.raises(StatusError, match=r'^namespaces "default" is forbidden: this namespace may not be deleted$'):
        plane.engine.delete(plane.namespaces, "", "default")


def test_a_collection_is_deleted_by_selector(plane: Plane) -> None:
    for index in range(4):
        plane.create(a_widget(f"w{index}", labels={"even": str(index % 2 == 0)}))
    page = plane.engine.delete_collection(plane.widgets, "default", selected=ListOptions(label_selector="even=True"))
    assert len(page.items) == 2
    assert plane.names() == ["w1", "w3"]


def test_objects_go_with_their_definition(plane: Plane) -> None:
    widgets = plane.widgets
    plane.create(a_widget())
    watch = plane.engine.watch(widgets, "default", WatchOptions(resource_version=plane.engine.resource_version))
    plane.engine.delete(plane.definitions, "", "widgets.example.com")
    assert plane.engine.registry.find("example.com", "v1", "widgets") is None
    assert [event.type for event in watch.poll()] == ["DELETED"]
    with pytest.raises(StatusError, match=r"could not find the requested resource"):
        plane.engine.list(widgets)


def test_a_status_written_while_a_namespace_ends_does_not_end_it(plane: Plane) -> None:
    plane.engine.create(plane.namespaces, "", {"metadata": {"name": "team"}})
    plane.engine.create(plane.widgets, "team", a_widget(finalizers=["x.io/hold"]))
    plane.engine.delete(plane.namespaces, "", "team")
    now = plane.engine.get(plane.namespaces, "", "team")
    plane.engine.update(plane.namespaces, "", "team", {**now, "status": {"phase": "Terminating"}}, subresource="status")
    assert len(plane.engine.get(plane.namespaces, "", "team")["status"]["conditions"]) == 5


def terminating(plane: Plane) -> tuple[str, str]:
    crd = plane.engine.get(plane.definitions, "", "widgets.example.com")
    [condition] = [each for each in crd["status"]["conditions"] if each["type"] == "Terminating"]
    return condition["status"], condition["reason"]


def test_a_definition_waits_for_the_last_of_its_objects(plane: Plane) -> None:
    plane.create(a_widget("held", finalizers=["x.io/hold"]))
    plane.create(a_widget("free"))
    begun = plane.engine.delete(plane.definitions, "", "widgets.example.com")
    assert begun["metadata"]["finalizers"] == ["customresourcecleanup.apiextensions.k8s.io"]
    assert terminating(plane) == ("True", "InstanceDeletionInProgress")
    assert plane.names() == ["held"]
    with pytest.raises(StatusError, match="create not allowed while custom resource definition is terminating"):
        plane.create(a_widget("late"))
    plane.engine.patch(plane.widgets, "default", "held", "merge", {"metadata": {"finalizers": None}})
    assert plane.engine.registry.find("example.com", "v1", "widgets") is None
    with pytest.raises(StatusError, match="not found"):
        plane.engine.get(plane.definitions, "", "widgets.example.com")


def test_a_definition_with_a_finalizer_of_its_own_stays_without_objects(plane: Plane) -> None:
    finalizers = {"metadata": {"finalizers": ["x.io/hold"]}}
    plane.engine.patch(plane.definitions, "", "widgets.example.com", "merge", finalizers)
    plane.create(a_widget())
    plane.engine.delete(plane.definitions, "", "widgets.example.com")
    assert plane.names() == []
    assert terminating(plane) == ("False", "InstanceDeletionCompleted")
    plane.engine.patch(plane.definitions, "", "widgets.example.com", "merge", {"metadata": {"finalizers": None}})
    assert plane.engine.registry.find("example.com", "v1", "widgets") is None


def test_a_definition_that_was_ending_goes_on_ending_after_a_restart(tmp_path: Path) -> None:
    before = Plane(SqliteStorage(tmp_path))
    before.create(a_widget("held", finalizers=["x.io/hold"]))
    before.engine.delete(before.definitions, "", "widgets.example.com")
    before.engine.close()
    after = Plane(SqliteStorage(tmp_path))
    assert after.widgets.terminating
    after.engine.patch(after.widgets, "default", "held", "merge", {"metadata": {"finalizers": None}})
    assert after.engine.registry.find("example.com", "v1", "widgets") is None
    after.engine.close()


def test_nobody_manages_the_owner_that_the_collector_took_away(plane: Plane) -> None:
    owner = plane.create(a_widget("owner"))
    plane.create(a_widget("child", ownerReferences=[an_owner(owner)]))
    delete(plane, "owner", propagation="Orphan")
    child = plane.engine.get(plane.widgets, "default", "child")
    assert [list(entry["fieldsV1"]) for entry in child["metadata"]["managedFields"]] == [["f:spec"]]
