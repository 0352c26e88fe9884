"""How request bodies are read."""

from __future__ import annotations

import pytest

from kubechain_apiserver.requests import bodies
from kubechain_apiserver.wire.errors import StatusError


def test_patch_types() -> None:
    assert bodies.patch_type("application/merge-patch+json; charset=utf-8") == "merge"
    assert bodies.patch_type("application/apply-patch+yaml") == "apply"
    with pytest.raises(StatusError) as refused:
        bodies.patch_type("application/json")
    assert (refused.value.code, refused.value.message) == (415, "415: Unsupported Media Type")
    with pytest.raises(StatusError):
        bodies.patch_type("application/strategic-merge-patch+json", custom=True)


@pytest.mark.parametrize(
    ("body", "media", "expected"),
    [
        pytest.param(b'{"a": 1}', "", {"a": 1}, id="JSON when nothing is said"),
        pytest.param(b"a: 2024-01-02\n", "application/yaml", {"a": "2024-01-02"}, id="a YAML date stays text"),
        pytest.param(b"a: [on, 'x']", "application/yaml; charset=utf-8", {"a": [True, "x"]}, id="YAML 1.1 words"),
    ],
)
def test_decode_object(body: bytes, media: str, expected: object) -> None:
    assert bodies.decode_object(body, media, expected="Task") == expected


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
        bodies.decode_object(body, media, expected="Task")
    assert refused.value.code == code


def test_patches_are_lists_or_objects() -> None:
    assert bodies.decode_patch(b'[{"op":"add"}]', "json") == [{"op": "add"}]
    assert bodies.decode_patch(b"spec: {x: 1}", "apply") == {"spec": {"x": 1}}
    with pytest.raises(StatusError):
        bodies.decode_patch(b"[]", "merge")
