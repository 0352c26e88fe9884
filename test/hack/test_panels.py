"""The picture of the dashboard: what is asked of Prometheus for it, and whether what is drawn is the dashboard."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from hack import dashboard
from hack.panels import drawing
from hack.panels.__main__ import PICTURE
from hack.panels.series import Span, empty, found, interpolated, labelled

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guides" / "observability.md"
MAX_BYTES = 300_000

MINUTE = Span(1002.5, 1063.0, 5)


@dataclass(slots=True)
class Answers:
    """A Prometheus that answers each query in the same way."""

    series: list[dict[str, Any]]
    asked: list[Mapping[str, str]] = field(default_factory=list[Mapping[str, str]])

    def ask(self, endpoint: str, **parameters: str) -> list[dict[str, Any]]:
        """What was prepared."""
        self.asked.append({"endpoint": endpoint, **parameters})
        return self.series


def a_dashboard(expr: str, legend: str) -> dict[str, Any]:
    return {"panels": [{"id": 1, "type": "row"}, {"id": 2, "targets": [{"expr": expr, "legendFormat": legend}]}]}


LEGENDS = [
    pytest.param("{{llm}} retries", {"llm": "fast"}, "fast retries", id="a label and a word"),
    pytest.param("{{ llm }}/{{kind}}", {"llm": "fast", "kind": "input"}, "fast/input", id="two labels"),
    pytest.param("{{llm}} waiting", {}, " waiting", id="a label that is missing is empty"),
]


@pytest.mark.parametrize(("legend", "labels", "expected"), LEGENDS)
def test_a_legend_has_the_values_of_its_labels(legend: str, labels: dict[str, str], expected: str) -> None:
    assert labelled(legend, labels) == expected


SPANS = [
    pytest.param(Span(0, 60, 5), (5, 20), id="a minute: a point for each scrape, a rate over four"),
    pytest.param(Span(0, 3 * 3600, 15), (27, 60), id="three hours: as many points as a panel has pixels"),
    pytest.param(Span(0, 86400, 15), (216, 231), id="a day: a rate over a step and a scrape"),
]


@pytest.mark.parametrize(("span", "expected"), SPANS)
def test_the_steps_of_a_span(span: Span, expected: tuple[int, int]) -> None:
    assert (span.step_seconds, span.rate_seconds) == expected


def test_a_panel_is_asked_for_over_its_span_with_the_variables_filled_in() -> None:
    prometheus = Answers([])
    found(a_dashboard('rate(x{namespace=~"$namespace"}[$__rate_interval])', ""), prometheus, MINUTE)
    query = 'rate(x{namespace=~".*"}[20s])'
    assert prometheus.asked == [
        {"endpoint": "query_range", "query": query, "start": "1000", "end": "1060", "step": "5"}
    ]


def test_a_series_has_a_value_or_none_for_each_step() -> None:
    values = [[1005, "1.5"], [1010, "NaN"], [1060, "+Inf"]]
    shown = found(a_dashboard("x", "{{a}}"), Answers([{"metric": {"a": "b"}, "values": values}]), MINUTE)
    assert list(shown) == ["2"]
    [series] = shown["2"]
    assert series["legend"] == "b"
    assert series["times"][0:2] == [1_000_000, 1_005_000]
    assert series["values"] == [None, 1.5, *[None] * 11]


def test_a_panel_for_which_nothing_is_found_is_named_and_a_row_is_not() -> None:
    panels = [{"id": 1, "title": "Row"}, {"id": 2, "title": "Full"}, {"id": 3, "title": "Empty"}]
    assert empty({"panels": panels}, {"2": [{}], "3": []}) == ["Empty"]


def test_no_variable_of_the_dashboard_is_left() -> None:
    assert [query for query in dashboard.queries() if "$" in interpolated(query, MINUTE)] == []


def test_what_draws_is_fixed_and_is_fetched_from_no_named_host() -> None:
    wanted: dict[str, str] = json.loads((drawing.SOURCES / "package.json").read_text())["dependencies"]
    lock: dict[str, dict[str, Any]] = json.loads((drawing.SOURCES / "package-lock.json").read_text())["packages"]
    assert {name: lock[f"node_modules/{name}"]["version"] for name in wanted} == wanted
    assert all("integrity" in package and "resolved" not in package for name, package in lock.items() if name)


def test_the_dashboard_is_drawn_and_what_cannot_be_drawn_is_a_fault() -> None:
    if not drawing.is_fetched():
        pytest.skip("Grafana's panels are not in the cache: python -m hack.panels fetches them")
    shown: dict[str, Any] = json.loads(dashboard.text())
    values = [[time, str(time % 7)] for time in range(1000, 1061, 5)]
    labels = {"agent": "triage", "llm": "fast"}
    given: dict[str, Any] = {"dashboard": shown, "from": 1_000_000, "to": 1_060_000}
    series = found(shown, Answers([{"metric": labels, "values": values}]), MINUTE)
    assert drawing.draw(given | {"found": series})[8:12] == b"WEBP"
    shown["panels"][1]["type"] = "piechart"
    with pytest.raises(drawing.DrawingError, match="Runs at work: type piechart is not drawn"):
        drawing.draw(given | {"found": series})


def test_the_guide_shows_the_picture_which_is_small() -> None:
    assert f"../pictures/{PICTURE.name}" in GUIDE.read_text()
    assert PICTURE.stat().st_size < MAX_BYTES
