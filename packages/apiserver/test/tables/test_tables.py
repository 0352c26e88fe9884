"""What `kubectl get` prints."""

from __future__ import annotations

from typing import Any

import pytest

from kubechain_apiserver.tables import tables
from kubechain_apiserver.tables.builtin import printer
from kubechain_apiserver.wire.registry import PrinterColumn, ResourceInfo

NOW = 1_767_225_600.0
"""2026-01-01T00:00:00Z."""

HOUR_AGO = "2025-12-31T23:00:00Z"


def a_resource(**more: Any) -> ResourceInfo:
    names: dict[str, Any] = {"group": "g.io", "version": "v1", "kind": "Task", "list_kind": "TaskList"}
    given: dict[str, Any] = {**names, "plural": "tasks", "singular": "task", "custom": True, **more}
    return ResourceInfo(**given)


def a_table(info: ResourceInfo, *items: dict[str, Any], include: tables.IncludeObject = "None") -> dict[str, Any]:
    return printer(info).table(items, {"resourceVersion": "7"}, now=NOW, include=include, headers=True)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (-5, "<invalid>"),
        (-1, "0s"),
        (0.9, "0s"),
        (119, "119s"),
        (120, "2m"),
        (121, "2m1s"),
        (599, "9m59s"),
        (601, "10m"),
        (179 * 60, "179m"),
        (3 * 3600, "3h"),
        (3 * 3600 + 60, "3h1m"),
        (47 * 3600, "47h"),
        (48 * 3600, "2d"),
        (49 * 3600, "2d1h"),
        (9 * 86400, "9d"),
        (2 * 365 * 86400, "2y"),
        (2 * 365 * 86400 + 86400, "2y1d"),
        (9 * 365 * 86400, "9y"),
    ],
)
def test_durations_are_those_of_kubernetes(seconds: float, expected: str) -> None:
    assert tables.human_duration(seconds) == expected


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("string", "text", "text"),
        ("string", True, "true"),
        ("string", 3, "3"),
        ("string", ["a"], '["a"]'),
        ("string", "", ""),
        ("integer", 3, 3),
        ("integer", 3.7, 3),
        ("integer", "3", None),
        ("integer", True, None),
        ("number", 3.5, 3.5),
        ("boolean", False, False),
        ("boolean", "yes", None),
        ("date", HOUR_AGO, "60m"),
        ("date", "yesterday", "<invalid>"),
        ("date", 5, None),
        ("string", None, None),
    ],
)
def test_cells_of_custom_columns(kind: str, value: Any, expected: Any) -> None:
    info = a_resource(columns=(PrinterColumn("X", kind, ".spec.x"),))
    table = a_table(info, {"metadata": {"name": "a"}, "spec": {"x": value}})
    assert table["rows"][0]["cells"] == ["a", expected]


def test_a_custom_resource_prints_its_columns_and_no_age() -> None:
    columns = (PrinterColumn("Ready", "boolean", ".status.ready"), PrinterColumn("Detail", "string", ".d", priority=1))
    table = a_table(a_resource(columns=columns), {"metadata": {"name": "a"}})
    assert [(c["name"], c["priority"]) for c in table["columnDefinitions"]] == [
        ("Name", 0),
        ("Ready", 0),
        ("Detail", 1),
    ]
    assert table["rows"] == [{"cells": ["a", None, None], "object": None}]
    assert table["metadata"] == {"resourceVersion": "7"}


def test_a_custom_resource_without_columns_prints_its_age() -> None:
    table = a_table(a_resource(), {"metadata": {"name": "a", "creationTimestamp": HOUR_AGO}})
    assert [c["name"] for c in table["columnDefinitions"]] == ["Name", "Age"]
    assert table["rows"][0]["cells"] == ["a", "60m"]


@pytest.mark.parametrize(
    ("include", "expected"),
    [
        ("None", None),
        ("Metadata", {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": {"name": "a"}}),
        ("Object", {"kind": "Task", "metadata": {"name": "a"}}),
    ],
)
def test_how_much_of_the_object_a_row_has(include: tables.IncludeObject, expected: Any) -> None:
    table = a_table(a_resource(), {"kind": "Task", "metadata": {"name": "a"}}, include=include)
    assert table["rows"][0]["object"] == expected


CORE_EVENT = {
    "metadata": {"name": "a.1"},
    "involvedObject": {"kind": "Task", "name": "a"},
    "type": "Normal",
    "reason": "Done",
    "message": "well\n",
    "source": {"component": "ctl"},
    "firstTimestamp": "2025-12-31T22:00:00Z",
    "lastTimestamp": HOUR_AGO,
    "count": 3,
}
NEW_EVENT = {
    "metadata": {"name": "a.1"},
    "regarding": {"kind": "Task", "name": "a"},
    "type": "Normal",
    "reason": "Done",
    "note": "well",
    "reportingController": "ctl",
    "reportingInstance": "pod",
    "eventTime": HOUR_AGO.replace("Z", ".000000Z"),
    "deprecatedSource": {},
}
SERIES = {**NEW_EVENT, "series": {"count": 8, "lastObservedTime": "2025-12-31T23:59:00.000000Z"}}


@pytest.mark.parametrize(
    ("group", "plural", "item", "cells"),
    [
        ("", "namespaces", {"metadata": {"name": "n"}, "status": {"phase": "Active"}}, ["n", "Active", "<unknown>"]),
        (
            "",
            "secrets",
            {"metadata": {"name": "s"}, "type": "Opaque", "data": {"k": "v"}},
            ["s", "Opaque", 1, "<unknown>"],
        ),
        (
            "",
            "configmaps",
            {"metadata": {"name": "c"}, "data": {"a": ""}, "binaryData": {"b": ""}},
            ["c", 2, "<unknown>"],
        ),
        ("", "serviceaccounts", {"metadata": {"name": "x"}}, ["x", "<unknown>"]),
        ("coordination.k8s.io", "leases", {"metadata": {"name": "l"}, "spec": {}}, ["l", "", "<unknown>"]),
        (
            "apiextensions.k8s.io",
            "customresourcedefinitions",
            {
                "metadata": {"name": "d", "creationTimestamp": HOUR_AGO},
                "spec": {
                    "group": "example.com",
                    "scope": "Cluster",
                    "names": {"kind": "D", "shortNames": ["a", "b"]},
                    "versions": [
                        {"name": "v2", "served": True, "storage": True},
                        {"name": "v1", "served": True},
                        {"name": "v0", "served": False},
                    ],
                },
                "status": {"conditions": [{"type": "Established", "status": "True"}]},
            },
            ["d", "Cluster", "v1,v2(storage)", HOUR_AGO, "example.com", "D", "a,b", True],
        ),
        ("", "events", CORE_EVENT, ["60m", "Normal", "Done", "task/a", "", "ctl", "well", "120m", 3, "a.1"]),
        ("", "events", {"metadata": {"name": "e"}}, ["<unknown>", "", "", "", "", "", "", "<unknown>", 1, "e"]),
        (
            "events.k8s.io",
            "events",
            NEW_EVENT,
            ["60m", "Normal", "Done", "task/a", "", "ctl, pod", "well", "60m", 1, "a.1"],
        ),
        (
            "events.k8s.io",
            "events",
            SERIES,
            ["60s", "Normal", "Done", "task/a", "", "ctl, pod", "well", "60m", 8, "a.1"],
        ),
    ],
)
def test_cells_of_builtin_kinds(group: str, plural: str, item: dict[str, Any], cells: list[Any]) -> None:
    info = a_resource(group=group, plural=plural, custom=False)
    table = a_table(info, item)
    assert table["rows"][0]["cells"] == cells
    assert len(table["columnDefinitions"]) == len(cells)
