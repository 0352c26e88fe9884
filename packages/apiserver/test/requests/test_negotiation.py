"""Which form and encoding a request asks for."""

from __future__ import annotations

import pytest

from kubechain_apiserver.requests import negotiation
from kubechain_apiserver.requests.negotiation import Form
from kubechain_apiserver.wire.errors import StatusError

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
