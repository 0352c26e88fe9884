"""What spans cost: a step that writes once, with traces off and on.

    python -m bench.spans

The step and the write are the manager's own code, on an exchange that answers at once: what is measured beside the
spans is the encoding and decoding of a status. With traces on the exporter is OpenTelemetry's, to a collector on
loopback that nobody listens to, so that its thread and its queue are part of the figure.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from types import MappingProxyType

from bench.report import load_shown, show_table
from kubechain.api.meta import ObjectMeta
from kubechain.api.taskrun import TaskRun, TaskRunPhase, TaskRunSpec
from kubechain.controllers.resources import TASK_RUNS
from kubechain.observability import tracing
from kubechain.observability.emitter import Emitter
from kubechain.observability.spans import Span
from kubechain.observability.steps import StepSpans
from kubechain.runtime.client import Client
from kubechain.runtime.clock import SystemClock
from kubechain.runtime.telemetry import NO_TELEMETRY, Telemetry
from kubechain.runtime.transport import Reply, StreamReply, WholeReply

UID = "22222222-2222-2222-2222-222222222222"
NOBODY = MappingProxyType({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_EXPORTER_OTLP_TIMEOUT": "1"})


ROWS = (
    ("a step that writes nothing, span alone", "empty_microseconds", "{:.2f} µs"),
    ("a step with one write", "written_microseconds", "{:.1f} µs"),
)


@dataclass(frozen=True, slots=True)
class Figures:
    """CPU of one step, with traces off or on."""

    empty_microseconds: float
    written_microseconds: float


@dataclass(frozen=True, slots=True)
class Begin:
    """The step."""


class Echo:
    """An exchange that answers with what it was sent."""

    async def send(self, method: str, target: str, *, body: bytes | None, **_: object) -> Reply:
        return WholeReply(200, {}, body or b"")

    def stream(self, target: str, **_: object) -> AbstractAsyncContextManager[StreamReply]:
        raise NotImplementedError

    async def aclose(self) -> None:
        """Nothing."""


def a_run() -> TaskRun:
    metadata = ObjectMeta(name="hello-1", namespace="default", uid=UID, resource_version="1")
    return TaskRun(metadata=metadata, spec=TaskRunSpec(user_message="Hello")).with_status(phase=TaskRunPhase.PENDING)


async def microseconds(telemetry: Telemetry, steps: int) -> float:
    """CPU of one step with one write, of all threads."""
    clock, run = SystemClock(), a_run()
    client = Client(Echo(), clock=clock, telemetry=telemetry)
    spans = StepSpans(telemetry, lambda namespace, name: None, clock.now)
    began = time.process_time()
    for _ in range(steps):
        with spans.of(run, Begin()):
            await client.update_status(TASK_RUNS, run)
    return (time.process_time() - began) / steps * 1e6


async def alone(telemetry: Telemetry, steps: int) -> float:
    """CPU of the spans of one step alone."""
    spans, run = StepSpans(telemetry, lambda namespace, name: None, SystemClock().now), a_run()
    began = time.process_time()
    for _ in range(steps):
        with spans.of(run, Begin()):
            pass
    return (time.process_time() - began) / steps * 1e6


async def measured(steps: int, export: Callable[[Span], None]) -> dict[str, Figures]:
    telemetries: dict[str, Telemetry] = {"off": NO_TELEMETRY, "on": Emitter(export, SystemClock())}
    return {
        name: Figures(await alone(telemetry, steps), await microseconds(telemetry, steps))
        for name, telemetry in telemetries.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=20_000)
    steps = parser.parse_args().steps
    os.environ.update(NOBODY)
    exporter = tracing.open_exporter(os.environ)
    assert exporter is not None, "the extra otel is installed"
    logging.disable(logging.CRITICAL)  # the SDK's, that nobody listens
    with load_shown():
        show_table(asyncio.run(measured(steps, exporter.export)), ROWS, title_width=38, column_width=10)


if __name__ == "__main__":
    main()
