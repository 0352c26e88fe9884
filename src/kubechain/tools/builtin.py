"""The builtin functions, each with its description and schema for the model.

A builtin is pure, and bounded in time and memory whatever its arguments: it is carried out without a claim, so that no
attempt is counted, and one that ended the manager would end the next one too. The current time and earlier results come
in a `Context`. A function that needs I/O belongs to another type of tool.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

from kubechain.tools import arithmetic, jsonquery
from kubechain.tools.arguments import to_json
from kubechain.tools.model import InvalidArguments, Output


@dataclass(frozen=True, slots=True)
class Context:
    """Data of the current run for a builtin.

    Attributes:
        now: Current time, with a time zone.
        results: Results of earlier calls in the same run, by tool call id.
    """

    now: datetime
    results: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)


@dataclass(frozen=True, slots=True)
class Builtin:
    """A function that a model may call.

    Attributes:
        name: Value of `execute.builtin.name`.
        description: Description for the model, if the Tool has none.
        schema: JSON schema of the arguments, if the Tool has none.
        run: Executes a call. Raises `InvalidArguments`.
    """

    name: str
    description: str
    schema: Mapping[str, Any]
    run: Callable[[Mapping[str, Any], Context], Output]


def _current_time(arguments: Mapping[str, Any], context: Context) -> Output:
    name = _text(arguments, "timezone", default="UTC")
    zone = _zone(name)
    if zone is None:
        return Output(f"unknown time zone {to_json(name[:64])}: use an IANA name such as Europe/Paris", is_error=True)
    now = context.now.astimezone(zone)
    return Output(
        to_json(
            {
                "time": now.isoformat(timespec="seconds"),
                "timezone": name,
                "weekday": _WEEKDAYS[now.weekday()],
                "unix": int(now.timestamp()),
            }
        )
    )


_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def _zone(name: str) -> tzinfo | None:
    if name.upper() in ("UTC", "Z"):
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown name, absolute path, directory
        return None


def _json_query(arguments: Mapping[str, Any], context: Context) -> Output:
    call_id, expression = _text(arguments, "toolCallId"), _text(arguments, "query")
    if call_id not in context.results:
        return Output(_no_such_result(call_id, context.results), is_error=True)
    try:
        document = json.loads(context.results[call_id])
    except (ValueError, RecursionError):
        return Output(f"the result of tool call {to_json(call_id)} is not JSON", is_error=True)
    try:
        return Output(jsonquery.query(document, expression))
    except jsonquery.QueryError as error:
        return Output(str(error), is_error=True)


_SHOWN_CALLS = 20


def _no_such_result(call_id: str, results: Mapping[str, str]) -> str:
    latest = list(results)[-_SHOWN_CALLS:]
    return f"no earlier result of a tool call {to_json(call_id[:64])}; there is: {', '.join(latest) or 'none yet'}"


def _text(arguments: Mapping[str, Any], name: str, *, default: str | None = None) -> str:
    value = arguments.get(name)
    if value is None and default is not None:
        return default
    if not isinstance(value, str):
        raise InvalidArguments(f"arguments: $.{name}: must be a string")
    return value


def _object_schema(properties: Mapping[str, Any], required: list[str]) -> Mapping[str, Any]:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _arithmetic(
    name: str, description: str, operation: Callable[[Mapping[str, Any]], Output], a: str, b: str
) -> Builtin:
    numbers = {"a": {"type": "number", "description": a}, "b": {"type": "number", "description": b}}
    return Builtin(name, description, _object_schema(numbers, ["a", "b"]), lambda given, _: operation(given))


_ALL = (
    _arithmetic("add", "Add two numbers: a + b.", arithmetic.add, "First number.", "Second number."),
    _arithmetic(
        "subtract", "Subtract one number from another: a - b.", arithmetic.subtract, "Subtract from this.", "This."
    ),
    _arithmetic("multiply", "Multiply two numbers: a * b.", arithmetic.multiply, "First number.", "Second number."),
    _arithmetic(
        "divide",
        "Divide one number by another: a / b. Division by zero is an error.",
        arithmetic.divide,
        "Dividend.",
        "Divisor.",
    ),
    Builtin(
        "current_time",
        "Tell the current date, time and weekday, in UTC or in a given time zone.",
        _object_schema(
            {"timezone": {"type": "string", "description": "IANA time zone such as Europe/Paris. Default: UTC."}}, []
        ),
        _current_time,
    ),
    Builtin(
        "json_query",
        "Extract a part of the JSON that an earlier tool call answered, by a JMESPath expression.",
        _object_schema(
            {
                "toolCallId": {"type": "string", "description": "Id of the earlier tool call in this conversation."},
                "query": {
                    "type": "string",
                    "description": "JMESPath expression, for example items[?price < `10`].name",
                },
            },
            ["toolCallId", "query"],
        ),
        _json_query,
    ),
)

BUILTINS: Mapping[str, Builtin] = MappingProxyType({builtin.name: builtin for builtin in _ALL})
"""Builtins by name; the CRD of Tool accepts the same names."""
