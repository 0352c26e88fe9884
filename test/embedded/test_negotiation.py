"""Which form and encoding a request asks for."""

from __future__ import annotations

import pytest

from kubechain.embedded import negotiation
from kubechain.embedded.errors import StatusError
from kubechain.embedded.negotiation import Form

KUBECTL_GET = (
    "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json"
)
KUBECTL_DISCOVERY = (
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"
    "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json"
)
CLIENT_GO = "application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,"


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        pytest.param("", Form.OBJECT, id="no header means objects"),
        pytest.param("*/*", Form.OBJECT, id="curl takes anything"),
        pytest.param("application/json, */*", Form.OBJECT, id="client-go takes JSON"),
        pytest.param(KUBECTL_GET, Form.TABLE, id="kubectl get wants a Table"),
        pytest.param(
            "application/json;as=Table;v=v9;g=meta.k8s.io,application/json", Form.OBJECT, id="an unknown Table"
        ),
        pytest.param("application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1", Form.PARTIAL, id="metadata only"),
        pytest.param(
            "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
            Form.PARTIAL_LIST,
            id="a list of metadata",
        ),
        pytest.param(CLIENT_GO + "application/json", Form.OBJECT, id="protobuf is passed over"),
        pytest.param(
            "application/json;q=0.1,application/json;as=Table;v=v1;g=meta.k8s.io",
            Form.TABLE,
            id="quality decides first",
        ),
    ],
)
def test_form(accept: str, expected: Form) -> None:
    assert negotiation.form(accept) is expected


@pytest.mark.parametrize("accept", ["application/vnd.kubernetes.protobuf", "application/cbor", "application/json;q=0"])
def test_form_that_cannot_be_served_is_406(accept: str) -> None:
    with pytest.raises(StatusError) as refused:
        negotiation.form(accept)
    assert (refused.value.code, refused.value.reason) == (406, "NotAcceptable")


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        pytest.param(KUBECTL_DISCOVERY, "v2", id="a current kubectl"),
        pytest.param(KUBECTL_DISCOVERY.split(",", 1)[1], "v2beta1", id="kubectl 1.27"),
        pytest.param("application/json, */*", None, id="an older client"),
        pytest.param("", None, id="no header"),
    ],
)
def test_aggregated_discovery(accept: str, expected: str | None) -> None:
    assert negotiation.aggregated_discovery(accept) == expected


def test_openapi_in_protobuf_is_for_those_who_ask_first() -> None:
    assert negotiation.prefers_openapi_protobuf(negotiation.OPENAPI_V2_PROTOBUF)
    assert not negotiation.prefers_openapi_protobuf("application/json, " + negotiation.OPENAPI_V2_PROTOBUF)


def test_patch_types() -> None:
    assert negotiation.patch_type("application/merge-patch+json; charset=utf-8") == "merge"
    assert negotiation.patch_type("application/apply-patch+yaml") == "apply"
    with pytest.raises(StatusError) as refused:
        negotiation.patch_type("application/json")
    assert (refused.value.code, refused.value.message) == (415, "415: Unsupported Media Type")
    with pytest.raises(StatusError):
        negotiation.patch_type("application/strategic-merge-patch+json", custom=True)


@pytest.mark.parametrize(
    ("body", "media", "expected"),
    [
        pytest.param(b'{"a": 1}', "", {"a": 1}, id="JSON when nothing is said"),
        pytest.param(b"a: 2024-01-02\n", "application/yaml", {"a": "2024-01-02"}, id="a YAML date stays text"),
        pytest.param(b"a: [on, 'x']", "application/yaml; charset=utf-8", {"a": [True, "x"]}, id="YAML 1.1 words"),
    ],
)
def test_decode_object(body: bytes, media: str, expected: object) -> None:
    assert negotiation.decode_object(body, media, expected="Task") == expected


@pytest.mark.parametrize(
    ("body", "media", "code"),
    [
        pytest.param(b"{", "application/json", 400, id="broken JSON"),
        pytest.param(b"[]", "application/json", 400, id="JSON that is no object"),
        pytest.param(b"a: [", "application/yaml", 400, id="broken YAML"),
        pytest.param(b"", "application/json", 400, id="nothing"),
        pytest.param(b"k8s\0", "application/vnd.kubernetes.protobuf", 400, id="protobuf that is no object"),
        pytest.param(b"x", "application/cbor", 415, id="another encoding"),
    ],
)
def test_decode_object_refuses(body: bytes, media: str, code: int) -> None:
    with pytest.raises(StatusError) as refused:
        negotiation.decode_object(body, media, expected="Task")
    assert refused.value.code == code


def test_patches_are_lists_or_objects() -> None:
    assert negotiation.decode_patch(b'[{"op":"add"}]', "json") == [{"op": "add"}]
    assert negotiation.decode_patch(b"spec: {x: 1}", "apply") == {"spec": {"x": 1}}
    with pytest.raises(StatusError):
        negotiation.decode_patch(b"[]", "merge")
