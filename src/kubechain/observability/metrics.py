"""The table of all metrics about our kinds: name, type, meaning and labels. docs/metrics.md is made from it.

The runtime's own metrics (reconciles, queues, requests, leadership) are in `runtime/metrics.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class MetricType(StrEnum):
    """The types of Prometheus that are used."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric.

    Attributes:
        name: As Prometheus stores it: a counter's ends with `_total`, and the unit is part of it.
        buckets: Upper bounds of a histogram.
    """

    name: str
    type: MetricType
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


CALL_BUCKETS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160, 320)
"""Of one call: from a builtin to a reasoning model at its time-out."""

RUN_BUCKETS = (1, 5, 15, 60, 300, 900, 3_600, 14_400, 86_400, 604_800)
"""Of a run or a wait for a person: from a second to a week."""

METRICS: dict[str, Metric] = {}
"""All of them by name."""


def _adder(type: MetricType, buckets: tuple[float, ...] = ()) -> Callable[..., Metric]:
    def add(name: str, help: str, *labels: str) -> Metric:
        metric = METRICS[name] = Metric(f"kubechain_{name}", type, help, labels, buckets)
        return metric

    return add


_counter = _adder(MetricType.COUNTER)
_gauge = _adder(MetricType.GAUGE)
_of_calls = _adder(MetricType.HISTOGRAM, CALL_BUCKETS)
_of_runs = _adder(MetricType.HISTOGRAM, RUN_BUCKETS)

RUNS_STARTED = _counter("runs_started_total", "Runs that began.", "namespace", "agent")
RUNS_ENDED = _counter("runs_ended_total", "Runs that ended, by their last phase.", "namespace", "agent", "end")
RUN_DURATION = _of_runs("run_duration_seconds", "Time from the start of a run to its end.", "namespace", "agent", "end")
FIRST_TURN = _of_calls(
    "run_first_turn_seconds", "Time from the creation of a run to its first answer.", "namespace", "agent"
)
TURN_DURATION = _of_runs(
    "turn_duration_seconds",
    "Time from one turn's model call to the next one's, or to the end of the run: the call and its tools.",
    "namespace",
    "agent",
)
MODEL_CALLS = _of_calls(
    "model_call_duration_seconds",
    "Time of a model call, by its result: answered, or failed.",
    "namespace",
    "llm",
    "model",
    "result",
)
MODEL_ERRORS = _counter(
    "model_errors_total", "Model calls that failed, by the class of the failure.", "namespace", "llm", "error"
)
MODEL_RETRIES = _counter(
    "model_retries_total", "Model calls that repeat one of the same turn that failed.", "namespace", "llm"
)
MODEL_FALLBACKS = _counter(
    "model_fallbacks_total", "Model calls of an LLM in place of the run's own, by the LLM called.", "namespace", "llm"
)
TOKENS = _counter(
    "tokens_total",
    "Tokens of model calls. cache_read and cache_write are part of input, reasoning is part of output.",
    "namespace",
    "llm",
    "model",
    "kind",
)
COST = _counter(
    "cost_dollars_total",
    "Cost of model calls by the list prices, where they are known.",
    "namespace",
    "agent",
    "llm",
    "model",
)
TOOL_CALLS = _counter(
    "tool_calls_total",
    "Tool calls that ended, by their last phase. Tools that were not offered count as other.",
    "namespace",
    "agent",
    "tool",
    "end",
)
TOOL_DURATION = _of_calls(
    "tool_call_duration_seconds", "Time from the last claim of a tool call to its end.", "namespace", "tool", "end"
)
UNKNOWN_OUTCOMES = _counter(
    "unknown_outcomes_total", "Tool calls of which nobody knows whether they happened.", "namespace", "tool"
)
REQUESTS_ENDED = _counter(
    "human_requests_ended_total", "Requests to people that ended, by their last phase.", "namespace", "type", "end"
)
HUMAN_WAIT = _of_runs("human_wait_seconds", "Time from a request to a person to its end.", "namespace", "type", "end")
CLAIMS_LOST = _counter(
    "claims_lost_total", "Results of model and tool calls that were dropped: another process has the claim.", "kind"
)
QUEUE_WAIT = _of_calls(
    "llm_queue_wait_seconds", "Time that runs waited for a free slot of their LLM.", "namespace", "llm"
)

RUNS = _gauge("runs", "Runs that exist, by phase.", "namespace", "phase")
OLDEST_RUN = _gauge(
    "oldest_waiting_run_seconds",
    "Age of the oldest run that waits to be worked on: phases Initializing, Pending, ReadyForLLM and none.",
    "namespace",
)
OPEN_REQUESTS = _gauge("human_requests_open", "Requests to people that nobody has decided.", "namespace", "type")
OLDEST_REQUEST = _gauge(
    "oldest_human_request_seconds", "Age of the oldest open request to a person.", "namespace", "type"
)
REQUEST_LIFE = _gauge(
    "human_request_life_used_ratio",
    "Of the open requests that expire, the largest part of the time to decide that has passed.",
    "namespace",
    "type",
)
BUDGET_USED = _gauge(
    "budget_used_ratio", "Part of a Budget that is spent in its period: tokens or cost.", "namespace", "budget", "limit"
)
CIRCUIT_OPEN = _gauge("llm_circuit_open", "1 while the circuit of an LLM is open, else 0.", "namespace", "llm")
QUEUED_RUNS = _gauge("llm_queued_runs", "Runs that wait for a slot of an LLM.", "namespace", "llm")
CALLS_IN_FLIGHT = _gauge("llm_calls_in_flight", "Model calls of this process now.", "namespace", "llm")
MCP_CONNECTIONS = _gauge("mcp_connections", "Connections of this process to MCP servers, by state.", "state")
