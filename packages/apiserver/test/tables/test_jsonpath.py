"""The JSONPath of printer columns."""

from __future__ import annotations

from typing import Any

import pytest

from kubechain_apiserver.tables.jsonpath import BadPath, compile_path

DOCUMENT: dict[str, Any] = {
    "spec": {"n": 3, "list": ["a", "b"], "map": {"a.b/c": "dotted", "k": 1}},
    "status": {
        "conditions": [
            {"type": "Ready", "status": "True", "weight": 2},
            {"type": "Synced", "status": "False", "weight": 5},
            {"type": "Odd"},
        ]
    },
}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (".spec.n", [3]),
        ("spec.n", [3]),
        ("{.spec.n}", [3]),
        (".spec.missing.deeper", []),
        (".spec.n.deeper", []),
        (".spec.list", [["a", "b"]]),
        (".spec.list[0]", ["a"]),
        (".spec.list[-1]", ["b"]),
        (".spec.list[7]", []),
        (".spec.list[*]", ["a", "b"]),
        (".spec.map['a.b/c']", ["dotted"]),
        (r".spec.map.a\.b/c", ["dotted"]),
        (".spec.map.*", ["dotted", 1]),
        ('.status.conditions[?(@.type=="Ready")].status', ["True"]),
        (".status.conditions[?(@.type == 'Synced')].status", ["False"]),
        (".status.conditions[?(@.type!='Ready')].type", ["Synced", "Odd"]),
        (".status.conditions[?(@.weight>2)].type", ["Synced"]),
        (".status.conditions[?(@.weight)].type", ["Ready", "Synced"]),
        (".status.conditions[*].status", ["True", "False"]),
    ],
)
def test_paths(path: str, expected: list[Any]) -> None:
    assert list(compile_path(path).select(DOCUMENT)) == expected


@pytest.mark.parametrize("path", [".spec[", ".spec[?(type)]", ".spec[?(@.a==b)]", ".spec[1:2]"])
def test_what_is_not_of_the_subset_is_refused(path: str) -> None:
    with pytest.raises(BadPath):
        compile_path(path)
