"""Creating and replacing: what is filled in, what is refused and in which words."""

from __future__ import annotations

import pytest

from kubechain_apiserver.wire.errors import StatusError
from kubechain_apiserver.wire.json_types import JsonObject
from packages.apiserver.test.objects import Plane, a_widget

SKIPPED = (
    "<nil>: Invalid value: null: some validation rules were not checked because the object was invalid; "
    "correct the existing errors to complete validation"
)


def test_a_new_object_has_system_metadata_defaults_and_no_status(plane: Plane) -> None:
    made = plane.create({**a_widget(generation=7, uid="mine"), "status": {"phase": "A"}})
    meta = made["metadata"]
    assert meta["uid"] != "mine"
    assert meta["generation"] == 1
    assert meta["creationTimestamp"] == "2026-01-01T00:00:00Z"
    assert meta["resourceVersion"] == plane.engine.resource_version
    assert made["spec"] == {"message": "hello", "color": "red", "low": 1, "high": 5}
    assert "status" not in made


def test_a_generated_name_has_five_characters_more(plane: Plane) -> None:
    made = plane.create({**a_widget(), "metadata": {"generateName": "run-"}})
    name = made["metadata"]["name"]
    assert name.startswith("run-")
    assert len(name) == len("run-") + 5


INVALID_SPECS: dict[str, tuple[JsonObject, str]] = {
    "a required field is absent": ({}, f"[spec.message: Required value, {SKIPPED}]"),
    "a string is too short": (
        {"message": ""},
        'spec.message: Invalid value: "": spec.message in body should be at least 1 chars long',
    ),
    "a string is too long": (
        {"message": "x" * 21},
        f"[spec.message: Too long: may not be more than 20 bytes, {SKIPPED}]",
    ),
    "a number where a string belongs": (
        {"message": 5},
        f'[spec.message: Invalid value: "integer": spec.message in body must be of type string: "integer", {SKIPPED}]',
    ),
    "a value that is none of the enum": (
        {"message": "x", "color": "blue"},
        f'[spec.color: Unsupported value: "blue": supported values: "red", "green", {SKIPPED}]',
    ),
    "a number below the minimum": (
        {"message": "x", "high": 1},
        "spec.high: Invalid value: 1: spec.high in body should be greater than or equal to 2",
    ),
    "a number above the maximum": (
        {"message": "x", "high": 11},
        "spec.high: Invalid value: 11: spec.high in body should be less than or equal to 10",
    ),
    "a fraction where an int32 belongs": (
        {"message": "x", "high": 2.5},
        '[spec.high: Invalid value: "float64": spec.high in body must be of type int32: "float64", '
        '<nil>: Invalid value: "": Checked value must be of type integer with format int32 in spec.high, '
        f"{SKIPPED}]",
    ),
    "a string that does not match": (
        {"message": "x", "channel": "nope"},
        "spec.channel: Invalid value: \"nope\": spec.channel in body should match '^[CU][A-Z0-9]+$'",
    ),
    "a time that is none": (
        {"message": "x", "when": "yesterday"},
        f'[spec.when: Invalid value: "yesterday": spec.when in body must be of type date-time: "yesterday", {SKIPPED}]',
    ),
    "an entry of a set twice": ({"message": "x", "tags": ["a", "b", "a"]}, 'spec.tags[2]: Duplicate value: "a"'),
    "a key of a list twice": (
        {"message": "x", "ports": [{"name": "a"}, {"name": "a"}]},
        'spec.ports[1]: Duplicate value: {"name":"a"}',
    ),
    "too many items": (
        {"message": "x", "ports": [{"name": "a"}, {"name": "b"}, {"name": "c"}]},
        f"[spec.ports: Too many: 3: must have at most 2 items, {SKIPPED}]",
    ),
    "a rule does not hold": (
        {"message": "x", "a": "1", "b": "2"},
        "spec: Invalid value: a and b exclude each other",
    ),
    "a rule says why by itself": ({"message": "x", "low": 7}, "spec: Forbidden: low 7 is above high"),
}


@pytest.mark.parametrize(("spec", "error"), INVALID_SPECS.values(), ids=INVALID_SPECS.keys())
def test_an_invalid_spec_is_refused_in_the_words_of_kube_apiserver(plane: Plane, spec: JsonObject, error: str) -> None:
    with pytest.raises(StatusError) as refusal:
        plane.create(a_widget("bad", spec=spec))
    assert refusal.value.code == 422
    assert refusal.value.message == f'Widget.example.com "bad" is invalid: {error}'


VALID_SPECS: dict[str, JsonObject] = {
    "a number or a string: a number": {"message": "x", "either": 5},
    "a number or a string: a string": {"message": "x", "either": "50%"},
    "a null where null is allowed": {"message": "x", "maybe": None},
    "a null that means absent": {"message": "x", "a": None},
    "anything in a free object": {"message": "x", "free": {"deep": {"er": [1]}}},
    "exactly at the bounds": {"message": "x" * 20, "high": 10},
}


@pytest.mark.parametrize("spec", VALID_SPECS.values(), ids=VALID_SPECS.keys())
def test_a_valid_spec_is_taken(plane: Plane, spec: JsonObject) -> None:
    made = plane.create(a_widget(spec=spec))
    kept = {name: value for name, value in spec.items() if value is not None or name == "maybe"}
    assert kept.items() <= made["spec"].items()


SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
INVALID_METADATA: dict[str, tuple[JsonObject, str]] = {
    "no name": ({"name": ""}, "metadata.name: Required value: name or generateName is required"),
    "capitals in the name": ({"name": "A_b"}, f'metadata.name: Invalid value: "A_b": {SUBDOMAIN}'),
    "a name of 254 characters": ({"name": "a" * 254}, "must be no more than 253 characters"),
    "a label value of 64 characters": ({"labels": {"x": "v" * 64}}, "must be no more than 63 bytes"),
    "a label value that ends with a dash": ({"labels": {"x": "a-"}}, 'metadata.labels: Invalid value: "a-"'),
    "a label key with two slashes": ({"labels": {"a/b/c": "x"}}, 'metadata.labels: Invalid value: "a/b/c"'),
    "a finalizer with a space": ({"finalizers": ["a b"]}, 'metadata.finalizers: Invalid value: "a b"'),
    "an owner without a uid": (
        {"ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "x"}]},
        "metadata.ownerReferences[0].uid: Required value: must not be empty",
    ),
}


@pytest.mark.parametrize(("metadata", "error"), INVALID_METADATA.values(), ids=INVALID_METADATA.keys())
def test_invalid_metadata_is_refused(plane: Plane, metadata: JsonObject, error: str) -> None:
    with pytest.raises(StatusError) as refusal:
        plane.create(a_widget(**metadata))
    assert refusal.value.code == 422
    assert error in refusal.value.message


def test_labels_that_are_no_strings_are_a_bad_request(plane: Plane) -> None:
    with pytest.raises(StatusError, match=r"cannot unmarshal number into Go struct field ObjectMeta.labels") as refusal:
        plane.create(a_widget(labels={"x": 5}))
    assert refusal.value.code == 400


def test_an_unknown_field_is_pruned_with_a_warning(plane: Plane) -> None:
    warnings: list[str] = []
    made = plane.create(a_widget(spec={"message": "x", "foo": 1}), warn=warnings.append)
    assert "foo" not in made["spec"]
    assert warnings == ['unknown field "spec.foo"']


def test_an_unknown_field_is_refused_under_strict_validation(plane: Plane) -> None:
    with pytest.raises(StatusError) as refusal:
        plane.create(a_widget(spec={"message": "x", "foo": 1}), field_validation="Strict")
    assert refusal.value.code == 400
    assert refusal.value.message == (
        'Widget in version "v1" cannot be handled as a Widget: strict decoding error: unknown field "spec.foo"'
    )


def test_what_exists_cannot_be_created(plane: Plane) -> None:
    plane.create(a_widget())
    with pytest.raises(StatusError, match=r'^widgets.example.com "w" already exists$'):
        plane.create(a_widget())


def test_a_namespace_must_exist(plane: Plane) -> None:
    with pytest.raises(StatusError, match=r'^namespaces "nowhere" not found$'):
        plane.engine.create(plane.widgets, "nowhere", a_widget())


def test_a_stale_update_is_a_conflict(plane: Plane) -> None:
    first = plane.create(a_widget())
    plane.engine.update(plane.widgets, "default", "w", {**first, "spec": {**first["spec"], "color": "green"}})
    with pytest.raises(StatusError) as refusal:
        plane.engine.update(plane.widgets, "default", "w", first)
    assert refusal.value.message == (
        'Operation cannot be fulfilled on widgets.example.com "w": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )


def test_an_update_of_a_custom_kind_needs_a_resource_version(plane: Plane) -> None:
    plane.create(a_widget())
    with pytest.raises(StatusError, match=r"Invalid value: 0: must be specified for an update"):
        plane.engine.update(plane.widgets, "default", "w", a_widget())


def test_an_update_that_changes_nothing_keeps_the_revision(plane: Plane) -> None:
    first = plane.create(a_widget())
    again = plane.engine.update(plane.widgets, "default", "w", first)
    assert again["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


def test_the_generation_counts_changes_of_the_spec_only(plane: Plane) -> None:
    first = plane.create(a_widget())
    labelled = plane.engine.update(
        plane.widgets, "default", "w", {**first, "metadata": {**first["metadata"], "labels": {"a": "b"}}}
    )
    changed = plane.engine.update(
        plane.widgets, "default", "w", {**labelled, "spec": {**first["spec"], "color": "green"}}
    )
    with_status = plane.engine.update(
        plane.widgets, "default", "w", {**changed, "status": {"phase": "A"}}, subresource="status"
    )
    assert [o["metadata"]["generation"] for o in (labelled, changed, with_status)] == [1, 2, 2]


def test_each_endpoint_keeps_to_its_part(plane: Plane) -> None:
    first = plane.create(a_widget())
    changed = {
        **first,
        "metadata": {**first["metadata"], "labels": {"a": "b"}},
        "spec": {**first["spec"], "color": "green"},
        "status": {"phase": "A"},
    }
    by_status = plane.engine.update(plane.widgets, "default", "w", changed, subresource="status")
    assert by_status["spec"] == first["spec"]
    assert "labels" not in by_status["metadata"]
    assert by_status["status"] == {"phase": "A"}
    again = {**by_status, "spec": changed["spec"], "status": {"phase": "B"}}
    by_main = plane.engine.update(plane.widgets, "default", "w", again)
    assert by_main["spec"]["color"] == "green"
    assert by_main["status"] == {"phase": "A"}


def test_an_immutable_field_is_held_by_its_rule(plane: Plane) -> None:
    plane.create(a_widget())
    with pytest.raises(StatusError, match=r"spec\.message: Invalid value: message is immutable$"):
        plane.engine.patch(plane.widgets, "default", "w", "merge", {"spec": {"message": "other"}})


def test_a_dry_run_leaves_no_trace(plane: Plane) -> None:
    before = plane.engine.resource_version
    made = plane.create(a_widget(), dry_run=True)
    assert made["spec"]["color"] == "red"
    assert not plane.exists("w")
    assert plane.engine.resource_version == before


def test_an_object_over_the_limit_of_etcd_is_refused(plane: Plane) -> None:
    with pytest.raises(StatusError, match=r"^etcdserver: request is too large$") as refusal:
        plane.create(a_widget(spec={"message": "x", "a": "y" * (1536 * 1024)}))
    assert refusal.value.code == 500


def test_what_was_wrong_before_does_not_stop_an_update_elsewhere(plane: Plane) -> None:
    """Ratcheting: the schema became stricter after the object was made."""
    plane.create(a_widget(spec={"message": "x", "channel": "C1"}))
    crd = plane.engine.get(plane.definitions, "", "widgets.example.com")
    patch = [
        {
            "op": "replace",
            "path": "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/channel/pattern",
            "value": "^Z$",
        }
    ]
    plane.engine.patch(plane.definitions, "", crd["metadata"]["name"], "json", patch)
    changed, _ = plane.engine.patch(plane.widgets, "default", "w", "merge", {"metadata": {"labels": {"a": "b"}}})
    assert changed["metadata"]["labels"] == {"a": "b"}
