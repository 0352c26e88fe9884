"""Fields of protobuf messages."""

from __future__ import annotations

import pytest

from kubechain_apiserver.wire.protowire import BadProtobuf, read_fields


@pytest.mark.parametrize(
    ("data", "fields"),
    [
        pytest.param(b"", [], id="nothing"),
        pytest.param(b"\x08\x05", [(1, 0, 5)], id="a number of one byte"),
        pytest.param(b"\x08\xac\x02", [(1, 0, 300)], id="a number of two bytes"),
        pytest.param(b"\x08" + b"\xff" * 9 + b"\x01", [(1, 0, (1 << 64) - 1)], id="the largest number"),
        pytest.param(b"\x12\x02ab", [(2, 2, b"ab")], id="bytes"),
        pytest.param(b"\x09" + b"12345678", [(1, 1, b"12345678")], id="eight bytes"),
        pytest.param(b"\x0d" + b"1234", [(1, 5, b"1234")], id="four bytes"),
        pytest.param(b"\xfa\x06\x01x", [(111, 2, b"x")], id="a number of a field that takes two bytes"),
        pytest.param(b"\x08\x01\x08\x02", [(1, 0, 1), (1, 0, 2)], id="a field twice"),
    ],
)
def test_fields_are_read_in_order(data: bytes, fields: list[tuple[int, int, object]]) -> None:
    assert read_fields(data) == fields


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(b"\x08", "unexpected EOF", id="no value"),
        pytest.param(b"\x08\x80", "unexpected EOF", id="half a number"),
        pytest.param(b"\x12\x03ab", "unexpected EOF", id="too few bytes"),
        pytest.param(b"\x09123", "unexpected EOF", id="too few of eight bytes"),
        pytest.param(b"\x0b", "illegal wire type 3", id="a group"),
        pytest.param(b"\x08" + b"\x80" * 11, "integer overflow", id="a number without end"),
    ],
)
def test_other_bytes_are_refused(data: bytes, message: str) -> None:
    with pytest.raises(BadProtobuf, match=message):
        read_fields(data)
