"""The schemas that kubectl reads."""

from __future__ import annotations

from typing import Any, cast

from kubechain_apiserver.openapi import protobuf as openapi_protobuf
from kubechain_apiserver.openapi import v2 as openapi_v2
from kubechain_apiserver.openapi import v3 as openapi
from kubechain_apiserver.openapi.discovery import Discovery
from packages.apiserver.test.resources import a_registry, a_resource, secrets


def a_document(group: str, version: str) -> dict[str, Any]:
    document = openapi.document(Discovery(a_registry()), group, version)
    assert document is not None
    return document


def test_schemas_are_named_as_kubernetes_names_them() -> None:
    assert openapi.schema_name(a_resource(group="stable.example.com")) == "com.example.stable.v1.Task"
    assert openapi.schema_name(secrets()) == "io.k8s.api.core.v1.Secret"


def test_a_custom_schema_gets_what_every_object_has() -> None:
    schema = a_document("g.io", "v1")["components"]["schemas"]["io.g.v1.Task"]
    assert schema["x-kubernetes-group-version-kind"] == [{"group": "g.io", "version": "v1", "kind": "Task"}]
    assert set(schema["properties"]) == {"apiVersion", "kind", "metadata", "spec", "status"}


def test_every_reference_leads_somewhere() -> None:
    for group, version in Discovery(a_registry()).group_versions():
        document = a_document(group, version)
        for reference in references(document):
            assert reference.removeprefix(openapi.REFERENCE) in document["components"]["schemas"], (group, reference)


def test_patch_says_that_the_server_validates_fields() -> None:
    patch = a_document("g.io", "v1")["paths"]["/apis/g.io/v1/namespaces/{namespace}/tasks/{name}"]["patch"]
    assert patch["x-kubernetes-group-version-kind"] == {"group": "g.io", "version": "v1", "kind": "Task"}
    assert "fieldValidation" in [p["name"] for p in patch["parameters"]]


def test_cluster_wide_resources_have_no_namespace_in_their_path() -> None:
    paths = a_document("", "v1")["paths"]
    assert "/api/v1/namespaces/{name}" in paths
    assert "/api/v1/namespaces/{namespace}/secrets/{name}" in paths
    assert "/api/v1/secrets" in paths


def test_version_2_drops_what_it_has_no_word_for() -> None:
    definitions = openapi_v2.document(Discovery(a_registry()))["definitions"]
    task = definitions["io.g.v1.Task"]
    spec = task["properties"]["spec"]["properties"]
    assert "type" not in spec["count"]
    assert spec["port"] == {"x-kubernetes-int-or-string": True}
    assert task["properties"]["metadata"]["$ref"] == "#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
    assert all(one.startswith("#/definitions/") for one in references(definitions))


def test_protobuf_has_the_bytes_of_the_gnostic_message() -> None:
    document = {
        "swagger": "2.0",
        "info": {"title": "K", "version": "v1"},
        "definitions": {"A": {"type": "string", "maxLength": 300, "x-k": "v"}},
    }
    schema = b"\x58\xac\x02" + b"\xb2\x01\x08\x0a\x06string" + b"\xfa\x01\x0c\x0a\x03x-k\x12\x05\x12\x03" + b'"v"'
    schema = b"\xb2\x01\x08\x0a\x06string" + b"\x58\xac\x02" + schema[schema.index(b"\xfa") :]
    named = b"\x0a\x01A\x12" + bytes([len(schema)]) + schema
    definitions = b"\x0a" + bytes([len(named)]) + named
    expected = (
        b"\x0a\x032.0"
        + b"\x12\x07\x0a\x01K\x12\x02v1"
        + b"\x42\x00"
        + b"\x4a"
        + bytes([len(definitions)])
        + definitions
    )
    assert openapi_protobuf.encode(document) == expected


def references(value: Any) -> list[str]:
    if isinstance(value, dict):
        parts = cast("dict[str, Any]", value)
        own = [str(parts["$ref"])] if isinstance(parts.get("$ref"), str) else []
        return own + [one for part in parts.values() for one in references(part)]
    if isinstance(value, list):
        return [one for part in cast("list[Any]", value) for one in references(part)]
    return []
