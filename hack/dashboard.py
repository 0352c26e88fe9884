"""Writes config/prometheus/dashboard.json, the Grafana dashboard, from the table of its panels. A test compares."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from kubechain.api.taskrun import TERMINAL_TASK_RUN_PHASES

DASHBOARD = Path(__file__).resolve().parents[1] / "config" / "prometheus" / "dashboard.json"

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
IN_NAMESPACE = 'namespace=~"$namespace"'
WIDTH, HEIGHT = 8, 7
"""Of a panel, in Grafana's grid of 24 columns."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel: its queries with their legends.

    Attributes:
        queries: `%s` stands for the matcher of the namespace. A query that groups `by` labels has no `or vector(0)`:
            that would add a line without a name.
        unit: As Grafana names it.
        custom: How the lines are drawn, where that is not Grafana's own way.
        colour_from_one: The panel is one number in place of a graph, and this is its colour from 1 on.
    """

    title: str
    queries: tuple[tuple[str, str], ...]
    unit: str = "short"
    custom: Mapping[str, Any] = field(default_factory=dict[str, Any])
    colour_from_one: str = ""


COUNTED: Final = "none"
"""The unit of what has no fractions: the axis has whole numbers, and begins with 0 to 1 where there is nothing."""

STACKED: Final = {"stacking": {"mode": "normal", "group": "A"}, "fillOpacity": 60, "lineWidth": 0}
"""Areas without lines: the line of a series that has nothing would lie on the one below."""

STEPS: Final = {"lineInterpolation": "stepAfter"}


def _per_minute(metric: str, by: str) -> str:
    return f"60 * sum by ({by}) (rate(kubechain_{metric}{{%s}}[$__rate_interval]))"


def _quantile(share: str, metric: str, by: str, *, only: str = "") -> str:
    rate = f"sum by (le, {by}) (rate(kubechain_{metric}_bucket{{%s{only}}}[$__rate_interval]))"
    return f"histogram_quantile({share}, {rate})"


def _most(metric: str, by: str) -> str:
    return f"max by ({by}) (kubechain_{metric}{{%s}})"


ENDED: Final = "|".join(sorted(TERMINAL_TASK_RUN_PHASES))

AT_WORK: Final = (
    f'label_replace(sum by (phase) (max by (namespace, phase) (kubechain_runs{{%s,phase!~"{ENDED}"}})), '
    '"phase", "not begun", "phase", "")'
)
"""Runs that have not ended; one that no manager has seen yet has no phase, and a line would have no name."""

ROWS: tuple[tuple[str, tuple[Panel, ...]], ...] = (
    (
        "Runs",
        (
            Panel("Runs at work", ((AT_WORK, "{{phase}}"),), COUNTED, STACKED),
            Panel(
                "Runs that ended, per minute", ((_per_minute("runs_ended_total", "agent, end"), "{{agent}} {{end}}"),)
            ),
            Panel("Time of a run, 95 %", ((_quantile("0.95", "run_duration_seconds", "agent"), "{{agent}}"),), "s"),
            Panel(
                "Time to the first answer, 95 %",
                ((_quantile("0.95", "run_first_turn_seconds", "agent"), "{{agent}}"),),
                "s",
            ),
            Panel("Time of a turn, 95 %", ((_quantile("0.95", "turn_duration_seconds", "agent"), "{{agent}}"),), "s"),
            Panel("Oldest waiting run", ((_most("oldest_waiting_run_seconds", "namespace"), "{{namespace}}"),), "s"),
        ),
    ),
    (
        "Models",
        (
            Panel(
                "Time of a model call that was answered, 95 %",
                (
                    (
                        _quantile("0.95", "model_call_duration_seconds", "llm, model", only=',result="answered"'),
                        "{{llm}} {{model}}",
                    ),
                ),
                "s",
            ),
            Panel(
                "Failed model calls per minute",
                ((_per_minute("model_errors_total", "llm, error"), "{{llm}} {{error}}"),),
            ),
            Panel(
                "Retries and fallbacks per minute",
                (
                    (_per_minute("model_retries_total", "llm"), "{{llm}} retries"),
                    (_per_minute("model_fallbacks_total", "llm"), "{{llm}} fallbacks"),
                ),
            ),
            Panel("Tokens per minute", ((_per_minute("tokens_total", "llm, kind"), "{{llm}} {{kind}}"),)),
            Panel(
                "Cost in an hour",
                (("sum by (agent, llm) (increase(kubechain_cost_dollars_total{%s}[1h]))", "{{agent}} {{llm}}"),),
                "currencyUSD",
            ),
            Panel(
                "Queues",
                (
                    ("sum by (llm) (kubechain_llm_queued_runs{%s})", "{{llm}} waiting"),
                    ("sum by (llm) (kubechain_llm_calls_in_flight{%s})", "{{llm}} in flight"),
                ),
                COUNTED,
            ),
            Panel("Wait for a slot, 95 %", ((_quantile("0.95", "llm_queue_wait_seconds", "llm"), "{{llm}}"),), "s"),
            Panel(
                "Open circuits",
                ((_most("llm_circuit_open", "namespace, llm"), "{{namespace}}/{{llm}}"),),
                COUNTED,
                STEPS,
            ),
            Panel(
                "Spent of each Budget",
                ((_most("budget_used_ratio", "namespace, budget, limit"), "{{namespace}}/{{budget}} {{limit}}"),),
                "percentunit",
            ),
        ),
    ),
    (
        "Tools and people",
        (
            Panel(
                "Tool calls that ended, per minute",
                ((_per_minute("tool_calls_total", "tool, end"), "{{tool}} {{end}}"),),
            ),
            Panel(
                "Time of a tool call, 95 %",
                ((_quantile("0.95", "tool_call_duration_seconds", "tool"), "{{tool}}"),),
                "s",
            ),
            Panel(
                "Unknown outcomes since the managers' start",
                (("sum(kubechain_unknown_outcomes_total{%s}) or vector(0)", "unknown outcomes"),),
                colour_from_one="red",
            ),
            Panel(
                "Open requests",
                ((_most("human_requests_open", "namespace, type"), "{{namespace}} {{type}}"),),
                COUNTED,
            ),
            Panel(
                "Oldest open request",
                ((_most("oldest_human_request_seconds", "namespace, type"), "{{namespace}} {{type}}"),),
                "s",
            ),
            Panel(
                "Time until people decide, 95 %", ((_quantile("0.95", "human_wait_seconds", "type"), "{{type}}"),), "s"
            ),
        ),
    ),
    (
        "Manager",
        (
            Panel(
                "Leaders", (("sum(leader_election_master_status) or vector(0)", "leaders"),), colour_from_one="green"
            ),
            Panel(
                "Reconciles per second",
                (
                    (
                        "sum by (controller) (rate(controller_runtime_reconcile_total[$__rate_interval]))",
                        "{{controller}}",
                    ),
                    ("sum(rate(controller_runtime_reconcile_errors_total[$__rate_interval]))", "errors"),
                ),
            ),
            Panel("Keys that are ready", (("sum by (name) (workqueue_depth)", "{{name}}"),), COUNTED),
            Panel(
                "Requests to the API server per second",
                (
                    (
                        "sum by (method, code) (rate(rest_client_requests_total[$__rate_interval]))",
                        "{{method}} {{code}}",
                    ),
                ),
            ),
            Panel(
                "Lost claims since the managers' start",
                (("sum(kubechain_claims_lost_total) or vector(0)", "lost claims"),),
                colour_from_one="orange",
            ),
            Panel("MCP connections", (("sum by (state) (kubechain_mcp_connections)", "{{state}}"),), COUNTED, STEPS),
        ),
    ),
)


def queries() -> list[str]:
    """Every query of the dashboard, with Grafana's variables."""
    return [_query(query) for _, panels in ROWS for panel in panels for query, _ in panel.queries]


def _query(query: str) -> str:
    return query.replace("%s", IN_NAMESPACE)


def text() -> str:
    """The dashboard as Grafana imports it."""
    return json.dumps(_dashboard(), indent=1) + "\n"


def _dashboard() -> dict[str, Any]:
    return {
        "uid": "kubechain",
        "title": "KubeChain",
        "tags": ["kubechain"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {"list": [_source_variable(), _namespace_variable()]},
        "panels": _panels(),
    }


def _source_variable() -> dict[str, Any]:
    return {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"}


def _namespace_variable() -> dict[str, Any]:
    return {
        "name": "namespace",
        "type": "query",
        "datasource": SOURCE,
        "query": "label_values(kubechain_runs, namespace)",
        "refresh": 2,
        "includeAll": True,
        "allValue": ".*",
        "multi": True,
        "current": {"text": "All", "value": "$__all"},
    }


def _panels() -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    y = 0
    for title, panels in ROWS:
        made.append({"type": "row", "title": title, "gridPos": {"x": 0, "y": y, "w": 24, "h": 1}, "panels": []})
        y += 1
        for index, panel in enumerate(panels):
            place = {"x": index % 3 * WIDTH, "y": y + index // 3 * HEIGHT, "w": WIDTH, "h": HEIGHT}
            made.append(_panel(panel, place))
        y += (len(panels) + 2) // 3 * HEIGHT
    return [{"id": number, **panel} for number, panel in enumerate(made, 1)]


def _panel(panel: Panel, place: dict[str, int]) -> dict[str, Any]:
    targets = [
        {"refId": chr(ord("A") + index), "datasource": SOURCE, "expr": _query(query), "legendFormat": legend}
        for index, (query, legend) in enumerate(panel.queries)
    ]
    return {
        "type": "stat" if panel.colour_from_one else "timeseries",
        "title": panel.title,
        "datasource": SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": _fields(panel), "overrides": []},
        "options": {} if panel.colour_from_one else {"tooltip": {"mode": "multi", "sort": "desc"}},
        "targets": targets,
    }


def _fields(panel: Panel) -> dict[str, Any]:
    """How values and lines are drawn."""
    fields: dict[str, Any] = {"unit": panel.unit, "min": 0}
    if panel.colour_from_one:
        steps = [{"color": "text", "value": None}, {"color": panel.colour_from_one, "value": 1}]
        return fields | {"thresholds": {"mode": "absolute", "steps": steps}}
    if panel.unit == COUNTED:
        return fields | {"decimals": 0, "custom": {"axisSoftMax": 1, **panel.custom}}
    return fields | {"custom": dict(panel.custom)}


if __name__ == "__main__":
    DASHBOARD.write_text(text())
