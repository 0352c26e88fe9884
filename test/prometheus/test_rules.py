"""Alerts and dashboard without a cluster: promtool's judgement, and that they name only metrics that exist."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import yaml

from hack import dashboard
from kubechain.observability.metrics import METRICS, MetricType
from test.prometheus.programs import promtool

CONFIG = Path(__file__).resolve().parents[2] / "config" / "prometheus"
UNIT_TESTS = Path(__file__).with_name("alerts.test.yaml")


def rules() -> dict[str, Any]:
    return yaml.safe_load((CONFIG / "alerts.yaml").read_text())["spec"]


def expressions() -> list[str]:
    return [rule["expr"] for group in rules()["groups"] for rule in group["rules"]]


def test_promtool_accepts_the_alerts_and_their_unit_tests_pass(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(rules()))
    shutil.copy(UNIT_TESTS, tmp_path)
    promtool("check", "rules", tmp_path / "rules.yaml")
    assert "SUCCESS" in promtool("test", "rules", tmp_path / UNIT_TESTS.name)


def test_every_alert_has_unit_tests_in_which_it_fires_and_in_which_it_does_not() -> None:
    cases = [case for group in yaml.safe_load(UNIT_TESTS.read_text())["tests"] for case in group["alert_rule_test"]]
    alerts = {rule["alert"] for group in rules()["groups"] for rule in group["rules"]}
    assert {case["alertname"] for case in cases if case["exp_alerts"]} == alerts
    assert {case["alertname"] for case in cases if not case["exp_alerts"]} == alerts


def test_the_dashboard_is_the_table_as_it_is() -> None:
    assert dashboard.DASHBOARD.read_text() == dashboard.text()


def test_alerts_and_dashboard_name_only_metrics_of_the_table() -> None:
    suffixes = {MetricType.HISTOGRAM: ("_bucket", "_sum", "_count")}
    known = {f"{metric.name}{end}" for metric in METRICS.values() for end in suffixes.get(metric.type, ("",))}
    named = {name for query in (*expressions(), *dashboard.queries()) for name in re.findall(r"kubechain_\w+", query)}
    assert named
    assert named <= known


def test_a_query_that_groups_adds_no_line_without_a_name() -> None:
    assert [query for query in dashboard.queries() if " by (" in query and "vector(" in query] == []


def test_every_metric_of_the_table_is_on_the_dashboard() -> None:
    shown = " ".join(dashboard.queries())
    assert [metric.name for metric in METRICS.values() if metric.name not in shown] == [
        "kubechain_runs_started_total",
        "kubechain_human_requests_ended_total",
        "kubechain_human_request_life_used_ratio",
    ]
