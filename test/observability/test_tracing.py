"""Which variables turn traces on, and what happens where the SDK is absent."""

from __future__ import annotations

from typing import Any

import pytest
from structlog.testing import capture_logs

from kubechain.observability import tracing

HERE = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}


@pytest.mark.parametrize(
    ("environment", "is_wanted"),
    [
        pytest.param({}, False, id="nothing is set"),
        pytest.param(HERE, True, id="an endpoint"),
        pytest.param({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://x/v1/traces"}, True, id="an endpoint of traces"),
        pytest.param(HERE | {"OTEL_SDK_DISABLED": "true"}, False, id="the SDK is turned off"),
        pytest.param(HERE | {"OTEL_TRACES_EXPORTER": "none"}, False, id="traces are turned off"),
        pytest.param({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False, id="an empty endpoint"),
    ],
)
def test_the_standard_variables_turn_traces_on_and_off(environment: dict[str, str], is_wanted: bool) -> None:
    assert tracing.is_wanted(environment) == is_wanted


def test_without_the_extra_the_manager_says_what_to_install_and_goes_on() -> None:
    def load(name: str) -> Any:
        raise ModuleNotFoundError(f"No module named {name}")

    with capture_logs() as logged:
        assert tracing.open_exporter(HERE, load) is None
    assert [line["event"] for line in logged] == [tracing.EXTRA_MISSING]


def test_nothing_is_imported_where_no_traces_are_wanted() -> None:
    def load(name: str) -> Any:
        raise AssertionError(name)

    assert tracing.open_exporter({}, load) is None
