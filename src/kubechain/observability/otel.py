"""Sends spans over OTLP with OpenTelemetry's SDK. The only module that imports it; the extra `otel` may be absent.

The SDK reads the standard variables itself: OTEL_EXPORTER_OTLP_*, OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES,
OTEL_TRACES_SAMPLER, OTEL_BSP_*. Its tracer is not used: our spans have ids of their own and are made when they end.
"""

from __future__ import annotations

from datetime import datetime

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from kubechain import __version__
from kubechain.api import taskrun
from kubechain.observability.spans import Span

SCOPE = InstrumentationScope("kubechain", __version__)

SERVICE = "kubechain"
"""The name of the service, where OTEL_SERVICE_NAME does not say another one."""


class Exporter:
    """Sends spans in batches, from a thread of the SDK."""

    def __init__(self) -> None:
        """Read the variables; nothing is sent yet."""
        self._resource = _resource()
        self._sampler = TracerProvider(shutdown_on_exit=False).sampler
        self._processor = BatchSpanProcessor(OTLPSpanExporter())

    def export(self, span: Span) -> None:
        """Queue a span; it is dropped where the queue is full."""
        context = _context(span.context)
        if self._sampler.should_sample(None, context.trace_id, span.name).decision is not Decision.RECORD_AND_SAMPLE:
            return
        above = _context(span.above) if span.above is not None else None
        error = {"error.type": span.error} if span.error else {}
        self._processor.on_end(
            ReadableSpan(
                span.name,
                context,
                parent=None if span.is_linked else above,
                resource=self._resource,
                attributes={**span.attributes, **error},
                links=[Link(above)] if span.is_linked and above is not None else [],
                kind=SpanKind.CLIENT if span.is_client else SpanKind.INTERNAL,
                status=Status(StatusCode.ERROR, span.error) if span.error else Status(StatusCode.UNSET),
                start_time=_nanoseconds(span.began_at),
                end_time=max(_nanoseconds(span.ended_at), _nanoseconds(span.began_at)),
                instrumentation_scope=SCOPE,
            )
        )

    def close(self) -> None:
        """Send what is queued; blocks for as long as the SDK allows."""
        self._processor.shutdown()


def _resource() -> Resource:
    """What the variables say of this service, and its name where they say none."""
    found = Resource.create({"service.version": __version__})
    is_named = not str(found.attributes.get("service.name", "")).startswith("unknown_service")
    return found if is_named else found.merge(Resource({"service.name": SERVICE}))


def _context(span: taskrun.SpanContext) -> SpanContext:
    return SpanContext(
        int(span.trace_id, 16), int(span.span_id, 16), is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED)
    )


def _nanoseconds(at: datetime) -> int:
    return int(at.timestamp()) * 1_000_000_000 + at.microsecond * 1000
