"""Objects in Kubernetes' protobuf encoding."""

from __future__ import annotations

import base64

import pytest

from kubechain_apiserver.wire import protobuf
from kubechain_apiserver.wire.protowire import BadProtobuf


def a_field(number: int, content: bytes) -> bytes:
    assert len(content) < 128, "one byte of length is enough for a test"
    return bytes([number << 3 | 2, len(content)]) + content


def a_number(number: int, value: int) -> bytes:
    return bytes([number << 3, value])


def an_envelope(api_version: str, kind: str, raw: bytes) -> bytes:
    type_meta = a_field(1, api_version.encode()) + a_field(2, kind.encode())
    return protobuf.MAGIC + a_field(1, type_meta) + a_field(2, raw) + a_field(3, b"") + a_field(4, b"")


def test_a_secret_as_kubectl_create_sends_it() -> None:
    labels = a_field(11, a_field(1, b"k") + a_field(2, b"v"))
    metadata = a_field(1, a_field(1, b"s") + a_field(2, b"") + labels + a_field(8, b"") + a_number(7, 0))
    data = a_field(2, a_field(1, b"password") + a_field(2, b"\x00secret")) + a_field(2, a_field(1, b"empty"))
    assert protobuf.decode(an_envelope("v1", "Secret", metadata + data + a_field(3, b"Opaque"))) == {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s", "labels": {"k": "v"}},
        "data": {"password": base64.b64encode(b"\x00secret").decode(), "empty": ""},
        "type": "Opaque",
    }


def test_times_are_rfc_3339() -> None:
    renewed = a_field(4, a_number(1, 100) + a_number(2, 0))
    decoded = protobuf.decode(an_envelope("coordination.k8s.io/v1", "Lease", a_field(2, a_field(1, b"me") + renewed)))
    assert decoded["spec"] == {"holderIdentity": "me", "renewTime": "1970-01-01T00:01:40.000000Z"}


def test_zero_counts_only_where_it_is_a_pointer() -> None:
    decoded = protobuf.decode(an_envelope("g.io/v1", "DeleteOptions", a_number(1, 0) + a_field(4, b"Background")))
    assert decoded["gracePeriodSeconds"] == 0
    assert decoded["propagationPolicy"] == "Background"
    assert "count" not in protobuf.decode(an_envelope("v1", "Event", a_number(8, 0)))


def test_fields_of_the_future_are_skipped() -> None:
    assert protobuf.decode(an_envelope("v1", "Secret", b"\xfa\x06\x01x"))["kind"] == "Secret"


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"{}", id="JSON"),
        pytest.param(protobuf.MAGIC + b"\x0a\x7fshort", id="cut off"),
        pytest.param(protobuf.MAGIC + b"\x0b", id="a wire type that does not exist"),
        pytest.param(protobuf.MAGIC + b"\xff" * 12, id="a number without end"),
        pytest.param(an_envelope("v1", "Pod", b""), id="a kind that is not served"),
        pytest.param(an_envelope("v1", "Secret", a_number(3, 1)), id="a number where text belongs"),
        pytest.param(an_envelope("v1", "Secret", a_field(3, b"\xff")), id="text that is not UTF-8"),
    ],
)
def test_other_bytes_are_refused(body: bytes) -> None:
    with pytest.raises(BadProtobuf):
        protobuf.decode(body)
