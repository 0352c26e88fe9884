"""Makes a small model call tools: the engine's grammar holds its answer to the schema of a call.

A model of this size calls no tool by itself. A request that offers tools and does not end with a tool's result goes to
the engine with a JSON schema, "one of these calls"; which call and which arguments is the model's choice. A request
that ends with a result goes without tools, so that the model answers. Where the answer must match a schema, the grammar
holds it to that. Nothing here does I/O.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, cast

ID_NAMESPACE = uuid.UUID("6f0c8f7a-4f43-4b52-a7a7-5d7a3f3f1b0e")

TEXT_MAX_CHARACTERS = 160
"""Longest text in a call. A small model does not end one by itself, and the engine's grammar is slow with long ones."""

LIST_MAX_ITEMS = 8
"""Longest list in a call or in a typed answer, for the same reason."""

Request = Mapping[str, Any]
Reply = Mapping[str, Any]
Message = Mapping[str, Any]


def offered(request: Request) -> Sequence[Mapping[str, Any]]:
    """The functions that the model must choose from: none where it has to answer in words."""
    messages: Sequence[Message] = request.get("messages") or []
    choice = request.get("tool_choice", "auto")
    if request.get("stream") or choice == "none" or not messages or messages[-1].get("role") == "tool":
        return ()
    functions = [tool["function"] for tool in request.get("tools") or () if tool.get("type") == "function"]
    if choice in ("auto", "required"):
        return functions
    return [function for function in functions if function["name"] == choice["function"]["name"]]


def for_engine(request: Request, functions: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The request as the engine takes it: calls and results as text, and a schema where a function must be called."""
    kept = {key: value for key, value in request.items() if key not in ("tools", "tool_choice", "parallel_tool_calls")}
    messages = [_as_text(message) for message in request.get("messages") or ()]
    if not functions:
        return {**kept, "messages": messages, **_typed(kept)}
    schema = {"oneOf": [_call_schema(function) for function in functions]}
    return {
        **kept,
        "messages": _instructed(messages, functions),
        "temperature": kept.get("temperature", 0),
        "response_format": {"type": "json_schema", "json_schema": {"name": "call", "schema": schema}},
    }


def _typed(request: Request) -> dict[str, Any]:
    """The schema that the answer must match, so bounded that a small model comes to its end; nothing where none is."""
    wanted: Mapping[str, Any] = request.get("response_format") or {}
    if wanted.get("type") != "json_schema":
        return {}
    answer = {"name": "answer", "schema": _bounded(wanted["json_schema"]["schema"])}
    return {
        "response_format": {"type": "json_schema", "json_schema": answer},
        "temperature": request.get("temperature", 0),
    }


def with_call(reply: Reply) -> Reply:
    """The engine's answer with its text as a tool call; unchanged where the text was cut and is no call."""
    choices: Sequence[Mapping[str, Any]] = reply.get("choices") or []
    try:
        call = json.loads(choices[0]["message"]["content"])
        function = {"name": call["name"], "arguments": json.dumps(call["arguments"])}
    except (LookupError, TypeError, ValueError):
        return reply
    call_id = f"call_{uuid.uuid5(ID_NAMESPACE, str(reply.get('id'))).hex[:24]}"
    message = {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": call_id, "type": "function", "function": function}],
    }
    return {**reply, "choices": [{**choices[0], "message": message, "finish_reason": "tool_calls"}]}


def _call_schema(function: Mapping[str, Any]) -> dict[str, Any]:
    parameters: Mapping[str, Any] = function.get("parameters") or {"type": "object", "properties": {}}
    return {
        "type": "object",
        "properties": {"name": {"const": function["name"]}, "arguments": _bounded(parameters)},
        "required": ["name", "arguments"],
        "additionalProperties": False,
    }


def _bounded(schema: object) -> Any:
    """The schema with a limit for each text and each list, so that a call ends before the answer is cut."""
    if isinstance(schema, list):
        return [_bounded(each) for each in cast("list[object]", schema)]
    if not isinstance(schema, dict):
        return schema
    bounded = {name: _bounded(each) for name, each in cast("dict[str, object]", schema).items()}
    if not bounded.keys().isdisjoint({"enum", "const"}):
        return bounded
    match bounded.get("type"):
        case "string":
            return bounded | _at_most(TEXT_MAX_CHARACTERS, bounded, "minLength", "maxLength")
        case "array":
            return bounded | _at_most(LIST_MAX_ITEMS, bounded, "minItems", "maxItems")
        case _:
            return bounded


def _at_most(limit: int, schema: Mapping[str, Any], least: str, most: str) -> dict[str, int]:
    """The bound of a schema, lowered to a limit where its lower bound allows that."""
    return {most: max(min(schema.get(most, limit), limit), schema.get(least, 0))}


def _instructed(messages: Sequence[Message], functions: Sequence[Mapping[str, Any]]) -> list[Message]:
    lines = ["Call one function. Answer with JSON only: its name and its arguments. Functions:"]
    lines += [json.dumps(function, ensure_ascii=False) for function in functions]
    return [{"role": "system", "content": "\n".join(lines)}, *messages]


def _as_text(message: Message) -> Message:
    """The model's template knows neither calls nor results."""
    if message.get("role") == "tool":
        return {"role": "user", "content": f"The result is {message.get('content')}. Answer in one sentence."}
    if calls := message.get("tool_calls"):
        made = [f"I use {call['function']['name']} with {call['function']['arguments']}." for call in calls]
        return {"role": "assistant", "content": "\n".join([*filter(None, [message.get("content")]), *made])}
    return message
