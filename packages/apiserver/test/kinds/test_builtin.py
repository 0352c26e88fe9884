"""What is special to the built-in kinds."""

from __future__ import annotations

import base64

import pytest

from kubechain_apiserver.engine.options import ListOptions, WatchOptions
from kubechain_apiserver.kinds.builtin.events import TTL_SECONDS
from kubechain_apiserver.wire.errors import StatusError
from kubechain_apiserver.wire.json_types import JsonObject
from packages.apiserver.test.objects import SPEC_SCHEMA, Plane, a_crd, a_widget


def a_core_event(name: str = "e") -> JsonObject:
    return {
        "metadata": {"name": name},
        "involvedObject": {"kind": "Widget", "name": "w", "namespace": "default"},
        "reason": "Ready",
        "message": "it is",
        "type": "Normal",
        "source": {"component": "widget-controller"},
        "count": 1,
    }


def test_string_data_becomes_data(plane: Plane) -> None:
    secret = {"metadata": {"name": "s"}, "stringData": {"key": "word"}, "data": {"other": "YQ=="}}
    made = plane.engine.create(plane.secrets, "default", secret)
    assert made["data"] == {"key": base64.b64encode(b"word").decode(), "other": "YQ=="}
    assert made["type"] == "Opaque"
    assert "stringData" not in made


INVALID_SECRETS: dict[str, tuple[JsonObject, int, str]] = {
    "data that is no base64": ({"data": {"k": "%%"}}, 400, "illegal base64 data at input byte 0"),
    "a key with a space": ({"data": {"a b": "YQ=="}}, 422, 'data[a b]: Invalid value: "a b": a valid config key'),
    "a TLS secret without keys": ({"type": "kubernetes.io/tls"}, 422, "data[tls.crt]: Required value"),
    "data that is no map": ({"data": "x"}, 400, "json: cannot unmarshal string into Go struct field Secret.data"),
}


@pytest.mark.parametrize(("fields", "code", "error"), INVALID_SECRETS.values(), ids=INVALID_SECRETS.keys())
def test_an_invalid_secret_is_refused(plane: Plane, fields: JsonObject, code: int, error: str) -> None:
    with pytest.raises(StatusError) as refusal:
        plane.engine.create(plane.secrets, "default", {"metadata": {"name": "s"}, **fields})
    assert refusal.value.code == code
    assert error in refusal.value.message


def test_an_immutable_secret_stays(plane: Plane) -> None:
    plane.engine.create(plane.secrets, "default", {"metadata": {"name": "s"}, "immutable": True})
    with pytest.raises(StatusError, match=r"data: Forbidden: field is immutable when `immutable` is set"):
        plane.engine.patch(plane.secrets, "default", "s", "merge", {"data": {"k": "YQ=="}})


def test_a_built_in_kind_is_updated_without_a_resource_version(plane: Plane) -> None:
    plane.engine.create(plane.config_maps, "default", {"metadata": {"name": "c"}, "data": {"a": "1"}})
    updated = plane.engine.update(plane.config_maps, "default", "c", {"metadata": {"name": "c"}, "data": {"b": "2"}})
    assert updated["data"] == {"b": "2"}


def test_an_event_is_the_same_object_in_both_of_its_apis(plane: Plane) -> None:
    core, new = plane.info("", "v1", "events"), plane.info("events.k8s.io", "v1", "events")
    watch = plane.engine.watch(new, "default", WatchOptions(resource_version=plane.engine.resource_version))
    plane.engine.create(core, "default", a_core_event())
    shown = plane.engine.get(new, "default", "e")
    assert shown["apiVersion"] == "events.k8s.io/v1"
    assert shown["regarding"]["name"] == "w"
    assert shown["note"] == "it is"
    assert shown["deprecatedSource"] == {"component": "widget-controller"}
    assert shown["deprecatedCount"] == 1
    assert watch.poll()[0].object["note"] == "it is"
    plane.engine.patch(core, "default", "e", "merge", {"message": "still"})
    assert plane.engine.get(new, "default", "e")["note"] == "still"


def test_the_newer_events_api_is_strict(plane: Plane) -> None:
    new = plane.info("events.k8s.io", "v1", "events")
    event = {"metadata": {"name": "e"}, "regarding": {"kind": "Widget", "name": "w", "namespace": "default"}}
    with pytest.raises(StatusError, match=r'is invalid: \[eventTime: Required value, type: Invalid value: "": has'):
        plane.engine.create(new, "default", event)


def test_an_event_of_the_newer_api_only_counts_its_series(plane: Plane) -> None:
    new = plane.info("events.k8s.io", "v1", "events")
    event = {
        "metadata": {"name": "e"},
        "regarding": {"kind": "Widget", "name": "w", "namespace": "default"},
        "eventTime": "2026-01-01T00:00:00.000000Z",
        "type": "Normal",
        "reason": "Ready",
        "action": "Check",
        "note": "it is",
        "reportingController": "widget-controller",
        "reportingInstance": "one",
    }
    plane.engine.create(new, "default", event)
    series = {"count": 2, "lastObservedTime": "2026-01-01T00:01:00.000000Z"}
    counted, _ = plane.engine.patch(new, "default", "e", "merge", {"series": series})
    assert counted["series"] == series
    with pytest.raises(StatusError, match=r"message: Invalid value: \"other\": field is immutable"):
        plane.engine.patch(new, "default", "e", "merge", {"note": "other"})


EVENT_SELECTORS = {
    "involvedObject.name=w,involvedObject.kind=Widget": 1,
    "involvedObject.name=other": 0,
    "reason=Ready,type!=Warning": 1,
    "source=widget-controller": 1,
}


@pytest.mark.parametrize(("selector", "count"), EVENT_SELECTORS.items(), ids=EVENT_SELECTORS.keys())
def test_events_are_selected_by_what_they_are_about(plane: Plane, selector: str, count: int) -> None:
    events = plane.info("", "v1", "events")
    plane.engine.create(events, "default", a_core_event())
    assert len(plane.engine.list(events, "default", ListOptions(field_selector=selector)).items) == count


def test_an_event_belongs_to_the_namespace_of_its_object(plane: Plane) -> None:
    event = a_core_event()
    event["involvedObject"]["namespace"] = "other"
    with pytest.raises(StatusError, match=r"does not match event.namespace"):
        plane.engine.create(plane.info("", "v1", "events"), "default", event)


def test_events_go_an_hour_after_their_last_write(plane: Plane) -> None:
    events = plane.info("", "v1", "events")
    for name in ("old", "renewed"):
        plane.engine.create(events, "default", a_core_event(name))
    plane.environment.advance(TTL_SECONDS / 2)
    plane.engine.patch(events, "default", "renewed", "merge", {"count": 2})
    plane.environment.advance(TTL_SECONDS / 2)
    plane.create(a_widget())
    assert [item["metadata"]["name"] for item in plane.engine.list(events, "default").items] == ["renewed"]


def test_a_lease_is_made_by_an_update(plane: Plane) -> None:
    leases = plane.info("coordination.k8s.io", "v1", "leases")
    made = plane.engine.update(leases, "default", "l", {"metadata": {"name": "l"}, "spec": {"holderIdentity": "me"}})
    assert made["spec"] == {"holderIdentity": "me"}


def test_the_namespaces_of_every_cluster_are_there(plane: Plane) -> None:
    names = [item["metadata"]["name"] for item in plane.engine.list(plane.namespaces).items]
    assert names == ["default", "kube-node-lease", "kube-public", "kube-system"]


def test_a_definition_is_established_at_once(plane: Plane) -> None:
    crd = plane.engine.get(plane.definitions, "", "widgets.example.com")
    assert {c["type"]: c["status"] for c in crd["status"]["conditions"]} == {
        "NamesAccepted": "True",
        "Established": "True",
    }
    assert crd["status"]["acceptedNames"]["listKind"] == "WidgetList"
    assert crd["status"]["storedVersions"] == ["v1"]


def test_all_versions_show_the_same_objects() -> None:
    plane = Plane(crd=a_crd(versions=("v1", "v2")))
    newer = plane.info("example.com", "v2", "widgets")
    plane.create(a_widget())
    assert plane.engine.get(newer, "default", "w")["apiVersion"] == "example.com/v2"
    assert plane.get("w")["apiVersion"] == "example.com/v1"


def test_a_new_default_shows_in_objects_that_exist(plane: Plane) -> None:
    made = plane.create(a_widget())
    field = {"type": "string", "default": "round"}
    path = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/shape"
    patch = [{"op": "add", "path": path, "value": field}]
    plane.engine.patch(plane.definitions, "", "widgets.example.com", "json", patch)
    now = plane.get("w")
    assert now["spec"]["shape"] == "round"
    assert now["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]


def test_a_rule_that_does_not_compile_is_refused_with_its_definition() -> None:
    rule = {"rule": "self.message ==", "message": "?"}
    with pytest.raises(StatusError, match=r"compilation failed"):
        Plane(crd=a_crd(spec={**SPEC_SCHEMA, "x-kubernetes-validations": [rule]}))
