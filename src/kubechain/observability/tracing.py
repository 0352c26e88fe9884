"""Whether spans are sent, by OpenTelemetry's variables, and to what: the SDK is imported only where they are."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any, Protocol, cast

import structlog

from kubechain.observability.spans import Span

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
"""One of them must be set: nobody wants spans sent to the SDK's default, which is this machine."""

CONTENT = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
"""With the value `true` spans have prompts, answers, arguments and results."""

EXTRA_MISSING = "traces are not sent: the extra otel is not installed (pip install 'kubechain[otel]')"


class SpanExporter(Protocol):
    """Sends spans."""

    def export(self, span: Span) -> None:
        """Take a span; does not block and does not fail."""
        ...

    def close(self) -> None:
        """Send what is left; blocks."""
        ...


def is_wanted(environment: Mapping[str, str]) -> bool:
    """Whether the variables ask for traces."""
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    if environment.get("OTEL_TRACES_EXPORTER", "otlp").lower() != "otlp":
        return False
    return any(environment.get(name) for name in ENDPOINTS)


def is_content_wanted(environment: Mapping[str, str]) -> bool:
    """Whether the variables ask for content."""
    return environment.get(CONTENT, "").lower() == "true"


def open_exporter(
    environment: Mapping[str, str], load: Callable[[str], Any] = importlib.import_module
) -> SpanExporter | None:
    """The exporter that the variables ask for; None for none.

    Args:
        load: Imports the module that needs the SDK.
    """
    if not is_wanted(environment):
        return None
    try:
        otel = load("kubechain.observability.otel")
    except ModuleNotFoundError as error:
        log.warning(EXTRA_MISSING, error=str(error))
        return None
    return cast("SpanExporter", otel.Exporter())
