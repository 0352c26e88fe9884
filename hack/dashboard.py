"""Writes config/prometheus/dashboard.json, the Grafana dashboard, from the table of its panels. A test compares."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DASHBOARD = Path(__file__).resolve().parents[1] / "config" / "prometheus" / "dashboard.json"

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
IN_NAMESPACE = 'namespace=~"$namespace"'
WIDTH, HEIGHT = 8, 7
"""Of a panel, in Grafana's grid of 24 columns."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel: its queries with their legends.

    Attributes:
        queries: `%s` stands for the matcher of the namespace.
        unit: As Grafana names it.
        is_stat: One number in place of a graph.
    """

    title: str
    queries: tuple[tuple[str, str], ...]
    unit: str = "short"
    is_stat: bool = False


def _rate(metric: str, by: str) -> str:
    return f"sum by ({by}) (rate(kubechain_{metric}{{%s}}[$__rate_interval]))"


def _quantile(share: str, metric: str, by: str) -> str:
    rate = f"sum by (le, {by}) (rate(kubechain_{metric}_bucket{{%s}}[$__rate_interval]))"
    return f"histogram_quantile({share}, {rate})"


def _most(metric: str, by: str) -> str:
    return f"max by ({by}) (kubechain_{metric}{{%s}})"


ROWS: tuple[tuple[str, tuple[Panel, ...]], ...] = (
    (
        "Runs",
        (
            Panel("Runs by phase", ((f"sum by (phase) ({_most('runs', 'namespace, phase')})", "{{phase}}"),)),
            Panel("Runs that ended", ((_rate("runs_ended_total", "agent, end"), "{{agent}} {{end}}"),), "ops"),
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
                "Time of a model call, 95 %",
                ((_quantile("0.95", "model_call_duration_seconds", "llm, model"), "{{llm}} {{model}}"),),
                "s",
            ),
            Panel("Failed model calls", ((_rate("model_errors_total", "llm, error"), "{{llm}} {{error}}"),), "ops"),
            Panel(
                "Retries and fallbacks",
                (
                    (_rate("model_retries_total", "llm"), "{{llm}} retries"),
                    (f"{_rate('model_fallbacks_total', 'llm')} or vector(0)", "{{llm}} fallbacks"),
                ),
                "ops",
            ),
            Panel("Tokens", ((_rate("tokens_total", "llm, kind"), "{{llm}} {{kind}}"),), "short"),
            Panel(
                "Cost in an hour",
                (("sum by (agent, llm) (increase(kubechain_cost_dollars_total{%s}[1h]))", "{{agent}} {{llm}}"),),
                "currencyUSD",
            ),
            Panel(
                "Queues",
                (
                    (f"sum by (llm) ({_most('llm_queued_runs', 'pod, llm')}) or vector(0)", "{{llm}} wait"),
                    (f"sum by (llm) ({_most('llm_calls_in_flight', 'pod, llm')}) or vector(0)", "{{llm}} in flight"),
                ),
            ),
            Panel("Wait for a slot, 95 %", ((_quantile("0.95", "llm_queue_wait_seconds", "llm"), "{{llm}}"),), "s"),
            Panel("Open circuits", ((_most("llm_circuit_open", "namespace, llm"), "{{namespace}}/{{llm}}"),)),
            Panel(
                "Budgets",
                ((_most("budget_used_ratio", "namespace, budget"), "{{namespace}}/{{budget}}"),),
                "percentunit",
            ),
        ),
    ),
    (
        "Tools and people",
        (
            Panel("Tool calls that ended", ((_rate("tool_calls_total", "tool, end"), "{{tool}} {{end}}"),), "ops"),
            Panel(
                "Time of a tool call, 95 %",
                ((_quantile("0.95", "tool_call_duration_seconds", "tool"), "{{tool}}"),),
                "s",
            ),
            Panel(
                "Unknown outcomes",
                (("sum(kubechain_unknown_outcomes_total{%s}) or vector(0)", "since the managers' start"),),
                is_stat=True,
            ),
            Panel("Open requests", ((_most("human_requests_open", "namespace, type"), "{{namespace}} {{type}}"),)),
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
            Panel("Leaders", (("sum(leader_election_master_status) or vector(0)", "leaders"),), is_stat=True),
            Panel(
                "Reconciles",
                (
                    (
                        "sum by (controller, result) (rate(controller_runtime_reconcile_total[$__rate_interval]))",
                        "{{controller}} {{result}}",
                    ),
                ),
                "ops",
            ),
            Panel("Keys that are ready", (("sum by (name) (workqueue_depth)", "{{name}}"),)),
            Panel(
                "Requests to the API server",
                (
                    (
                        "sum by (method, code) (rate(rest_client_requests_total[$__rate_interval]))",
                        "{{method}} {{code}}",
                    ),
                ),
                "ops",
            ),
            Panel("Lost claims", (("sum(kubechain_claims_lost_total) or vector(0)", "since the start"),), is_stat=True),
            Panel("MCP connections", (("sum by (state) (kubechain_mcp_connections) or vector(0)", "{{state}}"),)),
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
        "type": "stat" if panel.is_stat else "timeseries",
        "title": panel.title,
        "datasource": SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": targets,
    }


if __name__ == "__main__":
    DASHBOARD.write_text(text())
