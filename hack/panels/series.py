"""What the panels show: each query of the dashboard, asked as Grafana's data source for Prometheus asks it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

POINTS = 400
"""Of a series at most: about the pixels of a panel."""


class Source(Protocol):
    """A Prometheus."""

    def ask(self, endpoint: str, **parameters: str) -> list[dict[str, Any]]:
        """The series that an endpoint finds."""
        ...


@dataclass(frozen=True, slots=True)
class Span:
    """A time that is shown, in seconds since 1970, and the time between two scrapes."""

    start: float
    end: float
    scrape_seconds: int

    @property
    def step_seconds(self) -> int:
        """Between two points; never less than between two scrapes."""
        return max(self.scrape_seconds, -(-int(self.end - self.start) // POINTS))

    @property
    def rate_seconds(self) -> int:
        """Grafana's `$__rate_interval`."""
        return max(self.step_seconds + self.scrape_seconds, 4 * self.scrape_seconds)


def found(dashboard: Mapping[str, Any], source: Source, span: Span) -> dict[str, list[dict[str, Any]]]:
    """The series of each panel by its id: a legend, times in milliseconds, and values with None where there is none."""
    panels = [panel for panel in dashboard["panels"] if "targets" in panel]
    return {
        str(panel["id"]): [series for target in panel["targets"] for series in _asked(target, source, span)]
        for panel in panels
    }


def empty(dashboard: Mapping[str, Any], series: Mapping[str, list[Any]]) -> list[str]:
    """Titles of the panels for which nothing was found."""
    return [panel["title"] for panel in dashboard["panels"] if series.get(str(panel["id"])) == []]


def _asked(target: Mapping[str, str], source: Source, span: Span) -> list[dict[str, Any]]:
    step = span.step_seconds
    start, end = (int(time) // step * step for time in (span.start, span.end))
    query = interpolated(target["expr"], span)
    series = source.ask("query_range", query=query, start=str(start), end=str(end), step=str(step))
    times = range(start, end + 1, step)
    return [_series(one, target["legendFormat"], times) for one in series]


def _series(one: Mapping[str, Any], legend: str, times: range) -> dict[str, Any]:
    values = {int(time): _number(value) for time, value in one["values"]}
    return {
        "legend": labelled(legend, one["metric"]),
        "times": [1000 * time for time in times],
        "values": [values.get(time) for time in times],
    }


def _number(value: str) -> float | None:
    """A value; JSON has no NaN and no infinity."""
    return None if value in ("NaN", "+Inf", "-Inf") else float(value)


def interpolated(query: str, span: Span) -> str:
    """A query with the values of its variables: all namespaces."""
    return query.replace("$__rate_interval", f"{span.rate_seconds}s").replace("$namespace", ".*")


def labelled(legend: str, labels: Mapping[str, str]) -> str:
    """A legend with the values of its labels; a label that is missing is empty."""
    return re.sub(r"{{\s*(\w+)\s*}}", lambda label: labels.get(label[1], ""), legend)
