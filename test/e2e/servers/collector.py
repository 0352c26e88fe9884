"""A collector of OpenTelemetry: takes traces over OTLP/HTTP, decodes the protobuf, and keeps the spans."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from test.e2e.servers.loopback import LoopbackHandler, LoopbackServer

DEADLINE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Received:
    """A span as it came over the wire."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    attributes: dict[str, str]
    service: str


class Collector:
    """Keeps what is sent to it."""

    def __init__(self) -> None:
        """Prepare."""
        self._server = _Server()

    @property
    def url(self) -> str:
        """For OTEL_EXPORTER_OTLP_ENDPOINT."""
        return self._server.url

    @property
    def spans(self) -> list[Received]:
        """What came so far."""
        with self._server.news:
            return list(self._server.spans)

    def until(self, condition: Callable[[list[Received]], bool]) -> list[Received]:
        """Wait until what came is as wanted."""
        with self._server.news:
            found = self._server.news.wait_for(lambda: condition(self._server.spans), DEADLINE_SECONDS)
            assert found, [span.name for span in self._server.spans]
            return list(self._server.spans)

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()


class _Server(LoopbackServer):
    def __init__(self) -> None:
        super().__init__(_Handler)
        self.spans: list[Received] = []
        self.news = threading.Condition()


class _Handler(LoopbackHandler):
    def post(self, body: bytes) -> None:
        assert isinstance(self.server, _Server)
        assert self.path == "/v1/traces", self.path
        plain = gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body
        with self.server.news:
            self.server.spans += _decoded(ExportTraceServiceRequest.FromString(plain))
            self.server.news.notify_all()
        self.reply(200, b"", "application/x-protobuf")


def _decoded(request: ExportTraceServiceRequest) -> list[Received]:
    return [
        Received(
            name=span.name,
            trace_id=span.trace_id.hex(),
            span_id=span.span_id.hex(),
            parent_id=span.parent_span_id.hex(),
            attributes={one.key: one.value.string_value for one in span.attributes},
            service=next(one.value.string_value for one in resource.resource.attributes if one.key == "service.name"),
        )
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]
