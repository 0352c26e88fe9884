"""Patches of all types, and what server-side apply remembers."""

from __future__ import annotations

from typing import Any

import pytest

from kubechain_apiserver.engine.engine import PatchType
from kubechain_apiserver.engine.options import WriteOptions
from kubechain_apiserver.wire.errors import StatusError
from kubechain_apiserver.wire.json_types import JsonObject
from packages.apiserver.test.objects import API_VERSION, Plane, a_widget


def patch(plane: Plane, type_: PatchType, body: Any, **options: Any) -> JsonObject:
    return plane.engine.patch(plane.widgets, "default", "w", type_, body, options=WriteOptions(**options))[0]


def applied(spec: JsonObject, **metadata: Any) -> JsonObject:
    return {"apiVersion": API_VERSION, "kind": "Widget", "metadata": {"name": "w", **metadata}, "spec": spec}


def apply(plane: Plane, spec: JsonObject, *, manager: str, force: bool = False, **metadata: Any) -> JsonObject:
    return patch(plane, "apply", applied(spec, **metadata), field_manager=manager, force=force)


def managers(obj: JsonObject) -> dict[str, JsonObject]:
    return {entry["manager"]: entry["fieldsV1"] for entry in obj["metadata"].get("managedFields", [])}


def test_a_merge_patch_sets_changes_and_removes(plane: Plane) -> None:
    plane.create(a_widget(spec={"message": "x", "a": "1", "counts": {"k": 1}}))
    changed = patch(plane, "merge", {"spec": {"a": None, "b": "2", "counts": {"l": 2}}})
    assert changed["spec"] == {
        "message": "x", "color": "red", "low": 1, "high": 5, "b": "2", "counts": {"k": 1, "l": 2},
    }  # fmt: skip


def test_a_merge_patch_for_another_revision_is_a_conflict(plane: Plane) -> None:
    plane.create(a_widget())
    with pytest.raises(StatusError, match=r"the object has been modified"):
        patch(plane, "merge", {"metadata": {"resourceVersion": "1"}})


def test_a_json_patch_that_copies_more_than_is_allowed_is_refused(plane: Plane) -> None:
    made = plane.engine.create(plane.config_maps, "default", {"metadata": {"name": "c"}, "data": {"k": "x" * 1000}})
    doubling = [{"op": "copy", "from": "/data", "path": f"/data/c{number}"} for number in range(30)]
    with pytest.raises(StatusError) as raised:
        plane.engine.patch(plane.config_maps, "default", "c", "json", doubling, options=WriteOptions())
    assert raised.value.code == 422
    assert plane.engine.get(plane.config_maps, "default", "c") == made


def test_a_json_patch_tests_and_changes(plane: Plane) -> None:
    plane.create(a_widget())
    changed = patch(
        plane,
        "json",
        [
            {"op": "test", "path": "/spec/color", "value": "red"},
            {"op": "add", "path": "/spec/tags", "value": ["x"]},
            {"op": "replace", "path": "/spec/a", "value": "new"},
        ],
    )
    assert changed["spec"]["tags"] == ["x"]
    assert changed["spec"]["a"] == "new"


UNFIT_PATCHES: dict[str, list[JsonObject]] = {
    "a test that fails": [{"op": "test", "path": "/spec/color", "value": "green"}],
    "a path that is not there": [{"op": "remove", "path": "/spec/nothing"}],
    "a parent that is not there": [{"op": "add", "path": "/spec/x/y", "value": 1}],
    "an operation that is none": [{"op": "paint", "path": "/spec/color"}],
}


@pytest.mark.parametrize("operations", UNFIT_PATCHES.values(), ids=UNFIT_PATCHES.keys())
def test_a_json_patch_that_does_not_fit_is_refused_whole(plane: Plane, operations: list[JsonObject]) -> None:
    plane.create(a_widget())
    with pytest.raises(
        StatusError, match=r"^the server rejected our request due to an error in our request$"
    ) as refusal:
        patch(plane, "json", [{"op": "add", "path": "/spec/a", "value": "1"}, *operations])
    assert refusal.value.code == 422
    assert "a" not in plane.get("w")["spec"]


def test_custom_kinds_take_no_strategic_merge_patch(plane: Plane) -> None:
    plane.create(a_widget())
    with pytest.raises(StatusError) as refusal:
        patch(plane, "strategic", {"spec": {"a": "1"}})
    assert refusal.value.code == 415
    assert refusal.value.message == (
        "the body of the request was in an unknown format - accepted media types include: "
        "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml"
    )


STRATEGIC: dict[str, tuple[JsonObject, JsonObject]] = {
    "entries of a map are merged": ({"data": {"b": "2"}}, {"data": {"a": "1", "b": "2"}}),
    "a null removes an entry": ({"data": {"a": None, "b": "2"}}, {"data": {"b": "2"}}),
    "a map is replaced on demand": ({"data": {"$patch": "replace", "b": "2"}}, {"data": {"b": "2"}}),
    "only retained keys stay": ({"data": {"$retainKeys": ["b"], "b": "2"}}, {"data": {"b": "2"}}),
    "finalizers are a set": (
        {"metadata": {"finalizers": ["x.io/b"], "$setElementOrder/finalizers": ["x.io/a", "x.io/b"]}},
        {"metadata": {"finalizers": ["x.io/a", "x.io/b"]}},
    ),
    "a finalizer is taken out": (
        {"metadata": {"$deleteFromPrimitiveList/finalizers": ["x.io/a"]}},
        {"metadata": {"finalizers": []}},
    ),
}


@pytest.mark.parametrize(("body", "expected"), STRATEGIC.values(), ids=STRATEGIC.keys())
def test_a_strategic_merge_patch_knows_its_lists(plane: Plane, body: JsonObject, expected: JsonObject) -> None:
    obj = {"metadata": {"name": "c", "finalizers": ["x.io/a"]}, "data": {"a": "1"}}
    plane.engine.create(plane.config_maps, "default", obj)
    changed, _ = plane.engine.patch(plane.config_maps, "default", "c", "strategic", body)
    if "data" in expected:
        assert changed["data"] == expected["data"]
    else:
        assert changed["metadata"].get("finalizers", []) == expected["metadata"]["finalizers"]


def test_secrets_of_a_service_account_are_found_by_name(plane: Plane) -> None:
    accounts = plane.info("", "v1", "serviceaccounts")
    plane.engine.create(accounts, "default", {"metadata": {"name": "sa"}, "secrets": [{"name": "x"}]})
    added, _ = plane.engine.patch(accounts, "default", "sa", "strategic", {"secrets": [{"name": "y"}]})
    assert added["secrets"] == [{"name": "y"}, {"name": "x"}]
    left, _ = plane.engine.patch(
        accounts, "default", "sa", "strategic", {"secrets": [{"$patch": "delete", "name": "x"}]}
    )
    assert left["secrets"] == [{"name": "y"}]


def test_updates_record_who_changed_what(plane: Plane) -> None:
    plane.create(a_widget(labels={"l": "1"}), field_manager="kubectl-create")
    changed = patch(plane, "merge", {"metadata": {"labels": {"l": "2"}}, "spec": {"a": "1"}}, field_manager="editor")
    assert managers(changed) == {
        "kubectl-create": {
            "f:metadata": {"f:labels": {}},
            "f:spec": {".": {}, "f:color": {}, "f:high": {}, "f:low": {}, "f:message": {}},
        },
        "editor": {"f:metadata": {"f:labels": {"f:l": {}}}, "f:spec": {"f:a": {}}},
    }


def test_apply_creates_and_claims_what_it_says(plane: Plane) -> None:
    made, created = plane.engine.patch(
        plane.widgets,
        "default",
        "w",
        "apply",
        applied({"message": "x", "tags": ["t"]}),
        options=WriteOptions(field_manager="one"),
    )
    assert created
    assert made["spec"]["color"] == "red"
    assert managers(made) == {"one": {"f:spec": {"f:message": {}, "f:tags": {'v:"t"': {}}}}}


def test_what_a_manager_stops_saying_goes(plane: Plane) -> None:
    apply(plane, {"message": "x", "a": "1", "tags": ["t", "u"], "ports": [{"name": "p", "port": 1}]}, manager="one")
    left = apply(plane, {"message": "x", "tags": ["u"]}, manager="one")
    assert "a" not in left["spec"]
    assert "ports" not in left["spec"]
    assert left["spec"]["tags"] == ["u"]


def test_what_another_manager_says_too_stays(plane: Plane) -> None:
    apply(plane, {"message": "x", "a": "1"}, manager="one")
    apply(plane, {"message": "x", "a": "1"}, manager="two")
    left = apply(plane, {"message": "x"}, manager="one")
    assert left["spec"]["a"] == "1"
    assert "f:a" not in managers(left)["one"]["f:spec"]


def test_changing_what_another_manages_is_a_conflict(plane: Plane) -> None:
    apply(plane, {"message": "x", "a": "1", "counts": {"k": 1}}, manager="one")
    with pytest.raises(StatusError) as refusal:
        apply(plane, {"message": "x", "counts": {"k": 2}}, manager="two")
    assert refusal.value.code == 409
    assert refusal.value.message == 'Apply failed with 1 conflict: conflict with "one": .spec.counts.k'
    with pytest.raises(StatusError) as both:
        apply(plane, {"message": "x", "a": "2", "counts": {"k": 2}}, manager="two")
    assert both.value.message == ('Apply failed with 2 conflicts: conflicts with "one":\n- .spec.a\n- .spec.counts.k')


def test_force_takes_fields_over(plane: Plane) -> None:
    apply(plane, {"message": "x", "a": "1"}, manager="one")
    taken = apply(plane, {"message": "x", "a": "2"}, manager="two", force=True)
    assert taken["spec"]["a"] == "2"
    assert managers(taken)["one"] == {"f:spec": {"f:message": {}}}


def test_a_conflict_with_an_update_names_its_version(plane: Plane) -> None:
    apply(plane, {"message": "x", "a": "1"}, manager="one")
    patch(plane, "merge", {"spec": {"a": "2"}}, field_manager="editor")
    with pytest.raises(StatusError, match=r'conflict with "editor" using example.com/v1: .spec.a$'):
        apply(plane, {"message": "x", "a": "1"}, manager="one")


def test_apply_again_changes_nothing(plane: Plane) -> None:
    first = apply(plane, {"message": "x", "a": "1"}, manager="one")
    plane.environment.advance(60)
    again = apply(plane, {"message": "x", "a": "1"}, manager="one")
    assert again["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


def test_apply_needs_a_manager(plane: Plane) -> None:
    with pytest.raises(StatusError, match=r"fieldManager: Required value: is required for apply patch"):
        apply(plane, {"message": "x"}, manager="")


def test_applying_a_field_that_is_not_in_the_schema_is_refused(plane: Plane) -> None:
    with pytest.raises(StatusError, match=r"\.spec\.nope: field not declared in schema$"):
        apply(plane, {"message": "x", "nope": 1}, manager="one")


def test_a_writer_may_move_fields_to_another_manager(plane: Plane) -> None:
    made = plane.create(a_widget())
    (entry,) = made["metadata"]["managedFields"]
    moved = patch(plane, "merge", {"metadata": {"managedFields": [{**entry, "manager": "m2"}]}})
    assert list(managers(moved)) == ["m2"]


@pytest.mark.parametrize(
    "entries",
    [
        pytest.param([], id="none"),
        pytest.param([{"operation": "Foo"}], id="of no operation"),
        pytest.param(
            [{"operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": {"spec": 5}}],
            id="no set",
        ),
    ],
)
def test_managers_are_not_lost_to_one_who_does_not_understand_them(plane: Plane, entries: list[JsonObject]) -> None:
    made = plane.create(a_widget())
    kept = patch(plane, "merge", {"metadata": {"managedFields": entries}})
    assert kept["metadata"]["managedFields"] == made["metadata"]["managedFields"]


def test_one_empty_entry_resets_managers(plane: Plane) -> None:
    plane.create(a_widget())
    assert managers(patch(plane, "merge", {"metadata": {"managedFields": [{}]}})) == {}


def test_a_configuration_that_cannot_be_merged_is_refused_before_it_is(plane: Plane) -> None:
    with pytest.raises(StatusError, match=r"\.spec\.tags: duplicate entries for key \[=\"x\"\]") as refused:
        apply(plane, {"message": "x", "tags": ["x", "x"]}, manager="m1")
    assert refused.value.code == 500


def test_doubled_fields_are_as_serious_as_unknown_ones(plane: Plane) -> None:
    plane.create(a_widget())
    warnings: list[str] = []
    patch(plane, "merge", {"spec": {"zzz": 1}}, strict_errors=["twice"], warn=warnings.append)
    assert warnings == ["twice", 'unknown field "spec.zzz"']
    with pytest.raises(StatusError, match=r"strict decoding error: twice, unknown field") as refused:
        patch(plane, "merge", {"spec": {"zzz": 1}}, strict_errors=["twice"], field_validation="Strict")
    assert refused.value.code == 422
