"""Configures logging: JSON in a pod, readable lines on a terminal.

A command calls `configure` once, at its start. Code that logs calls `structlog.get_logger()` and binds its keys.
Records of libraries that use the standard `logging` go through the same processors. This module must not write log
messages of its own.

`scrub` removes text that looks like a secret. It is a fallback: code must not log secrets in the first place.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Mapping
from typing import Any, Final, Literal, TextIO, cast

import orjson
import structlog
from structlog.typing import EventDict, ExcInfo, Processor, WrappedLogger

from kubechain.net.redaction import REDACTED, scrubbed

Format = Literal["auto", "json", "console"]

KEY_ORDER: Final = (
    "time",
    "level",
    "message",
    "controller",
    "kind",
    "namespace",
    "name",
    "phase",
    "next_phase",
    "status",
    "next_status",
    "reason",
    "attempt",
    "requeue_after_seconds",
    "duration_seconds",
    "input_tokens",
    "output_tokens",
    "error",
)
"""Order of the keys in a log line. Other keys follow in the order in which they were bound."""

IDS: Final = ("reconcile_id", "trace_id", "uid")
"""Keys that only whoever debugs needs on a terminal; the lines of JSON always have them."""

QUIET_LIBRARIES: Final = ("aiohttp.access", "asyncio", "httpcore2", "httpx2", "kubernetes_asyncio", "mcp")
"""Libraries that log each request at INFO; they log at WARNING and above only, to keep the log readable."""

SECRET_KEYS: Final = frozenset(
    {
        "access_token",
        "api-key",
        "api_key",
        "apikey",
        "authorization",
        "client_secret",
        "password",
        "refresh_token",
        "secret",
        "x-api-key",
        "x-goog-api-key",
    }
)
"""Keys whose value is always redacted."""


def configure(*, level: str = "info", format: Format = "auto", stream: TextIO | None = None) -> None:
    """Send all log records of the process, including those of libraries, to one stream.

    Args:
        level: `debug`, `info`, `warning` or `error`.
        format: `auto` means `console` on a terminal and `json` elsewhere.
        stream: Destination; None: standard error.
    """
    out = stream if stream is not None else sys.stderr
    is_terminal = out.isatty()
    as_json = format == "json" or (format == "auto" and not is_terminal)
    threshold = logging.getLevelNamesMapping()[level.upper()]
    chain = _processors(as_json=as_json)
    render = _render_json if as_json else ConsoleRenderer(colour=is_terminal, is_debugging=threshold <= logging.DEBUG)
    structlog.configure(
        processors=[*chain, render],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(out),
        cache_logger_on_first_use=True,
    )
    _route_standard_logging([*chain, render], threshold=threshold, out=out)


def _processors(*, as_json: bool) -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time")
        if as_json
        else structlog.processors.TimeStamper(fmt="%H:%M:%S.%f", utc=False, key="time"),
        _name_message,
        _show_exception,
        scrub,
        in_reading_order,
    ]


def _route_standard_logging(chain: list[Processor], *, threshold: int, out: TextIO) -> None:
    """Replace the handlers of the root logger by one that uses the same processors."""
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *chain,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(threshold)
    logging.captureWarnings(capture=True)
    for name in QUIET_LIBRARIES:
        logging.getLogger(name).setLevel(max(threshold, logging.WARNING))


def _name_message(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    event["message"] = event.pop("event", "")
    return event


def _show_exception(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Format `exc_info` as text before `scrub` runs, so that tracebacks are scrubbed too."""
    given = event.pop("exc_info", None)
    error = _exception(given)
    if error is not None:
        event["exception"] = "".join(traceback.format_exception(error)).rstrip()
    return event


def _exception(given: BaseException | ExcInfo | bool | None) -> BaseException | None:
    match given:
        case BaseException():
            return given
        case (_, BaseException() as error, _):
            return error
        case True:
            return sys.exc_info()[1]
        case _:
            return None


def scrub(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace text that looks like a secret, at any depth, and the values of all keys in `SECRET_KEYS`."""
    for key, value in event.items():
        event[key] = REDACTED if key.lower() in SECRET_KEYS else _scrubbed(value)
    return event


def _scrubbed(value: object) -> object:
    match value:
        case str():
            return scrubbed(value)
        case dict():
            pairs = cast("Mapping[object, object]", value).items()
            return {k: REDACTED if str(k).lower() in SECRET_KEYS else _scrubbed(v) for k, v in pairs}
        case list() | tuple():
            return [_scrubbed(item) for item in cast("list[object]", value)]
        case None | bool() | int() | float():
            return value
        case _:
            return scrubbed(str(value))


def in_reading_order(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Put the keys into the order of `KEY_ORDER`, and drop those without a value."""
    ordered = {key: event[key] for key in KEY_ORDER if event.get(key) is not None}
    ordered.update((key, value) for key, value in event.items() if key not in ordered and value is not None)
    return ordered


def _render_json(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    return orjson.dumps(dict(event), default=str, option=orjson.OPT_NON_STR_KEYS).decode()


_COLOURS: Final = {"debug": "\033[2m", "info": "\033[32m", "warning": "\033[33m", "error": "\033[31m"}
_BOLD, _CYAN, _DIM, _PLAIN = "\033[1m", "\033[36m", "\033[2m", "\033[0m"


class ConsoleRenderer:
    """Renders a line for a terminal: time, level, object, phase change, message, other keys.

    `12:00:01.123 info    taskrun default/hello-1  Initializing → ReadyForLLM  Task validated  duration_seconds=0.004`
    """

    def __init__(self, *, colour: bool, is_debugging: bool = False) -> None:
        """Create a renderer.

        Args:
            colour: Whether to use ANSI colours.
            is_debugging: Whether lines have ids, and what the rest of the line says already.
        """
        self._colour = colour
        self._is_debugging = is_debugging

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> str:
        """Return the line of an event."""
        rest = dict(event) if self._is_debugging else _for_a_reader(event)
        exception = rest.pop("exception", None)
        parts = [
            self._paint(_DIM, str(rest.pop("time", ""))[:12]),
            self._level(str(rest.pop("level", "info"))),
            self._subject(rest),
            self._change(rest),
            self._paint(_BOLD, _headline(rest)),
            " ".join(f"{self._paint(_CYAN, key)}={_shown(value)}" for key, value in rest.items()),
        ]
        line = "  ".join(part for part in parts if part)
        return line if exception is None else f"{line}\n{exception}"

    def _paint(self, code: str, text: str) -> str:
        return f"{code}{text}{_PLAIN}" if self._colour and text else text

    def _level(self, level: str) -> str:
        return self._paint(_COLOURS.get(level, _COLOURS["error"]), f"{level:<7}")

    def _subject(self, rest: dict[str, Any]) -> str:
        """Return the object, such as `taskrun default/hello-1`, from the keys that are bound."""
        who = "/".join(str(rest.pop(key)) for key in ("namespace", "name") if key in rest)
        controller = str(rest.pop("controller", ""))
        return " ".join(part for part in (controller, who) if part)

    def _change(self, rest: dict[str, Any]) -> str:
        name = next((name for name in ("phase", "status") if f"next_{name}" in rest), None)
        if name is None:
            return ""
        before, after = rest.pop(name, ""), rest.pop(f"next_{name}")
        return self._paint(_CYAN, after if before == after else f"{before or '·'} → {after}")


def _for_a_reader(event: Mapping[str, Any]) -> dict[str, Any]:
    """The keys without ids, and without what a line says twice: the reason of a transition is what its detail says."""
    shown = {key: value for key, value in event.items() if key not in IDS}
    if shown.get("message") == "transition":
        shown.pop("reason", None)
    if shown.get("attempt") == 0:
        del shown["attempt"]
    if "llm_model" in shown and shown["llm_model"] == shown.get("llm"):
        del shown["llm_model"]
    return shown


def _headline(rest: dict[str, Any]) -> str:
    """Return the message; for a transition its `detail`, because the message of all transitions is the same."""
    message = str(rest.pop("message", ""))
    return str(rest.pop("detail", message)) if message == "transition" else message


def _shown(value: object) -> str:
    match value:
        case float():
            return f"{value:.3f}"
        case str() if not value or any(character in value for character in ' "='):
            return orjson.dumps(value).decode()
        case _:
            return str(value)
