"""A conversation of ours as the body of `POST responses`."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Any, assert_never

from kubechain.api.message import Message, ToolCall
from kubechain.api.names import offered_tool_name
from kubechain.llm.client import Parameters, Target, ToolDefinition
from kubechain.llm.dialects import output_schemas
from kubechain.llm.dialects.arguments import object_text
from kubechain.llm.dialects.dialect import CompletionRequest, own_options, request_json
from kubechain.llm.dialects.pieces import Called, Piece, Said, Verbatim, in_order
from kubechain.llm.dialects.streaming import StreamOptions, is_streamed
from kubechain.llm.endpoints import RESPONSES
from kubechain.llm.exchange import HttpCall
from kubechain.net.toolschemas import UnusableSchema, repaired

Item = dict[str, Any]

LEAST_OUTPUT_TOKENS = 16
"""The API refuses a lower limit; the check by a billed call asks for one token."""

_MAX_ID_CHARACTERS = 64

_WITHOUT_REASONING = re.compile(r"(?:gpt-[34]|chatgpt-4)", re.IGNORECASE)
"""Models that refuse a request for encrypted reasoning; an Azure deployment with another name is taken to reason."""


def encode(request: CompletionRequest) -> HttpCall:
    """See `Dialect.encode`."""
    target = request.target
    body = request_json(response_body(request))
    return target.endpoint.call("POST", RESPONSES, model=target.model, api_key=target.api_key, body=body)


def response_body(request: CompletionRequest) -> dict[str, Any]:
    """Return the JSON of a request; fields that are not set are not sent."""
    target, schema = request.target, output_schemas.field_schema(request)
    if schema is None:
        request = output_schemas.in_words(request)
    input_items = [item for message in request.messages for item in _items(message, target)]
    body: dict[str, Any] = {"model": target.model, "input": input_items, "store": False}
    if not _WITHOUT_REASONING.match(target.model):
        body["include"] = ["reasoning.encrypted_content"]
    if prompts := [one.content for one in request.messages if one.role == "system" and one.content.strip()]:
        body["instructions"] = "\n\n".join(prompts)
    if tools := [encoded for tool in request.tools if (encoded := _tool(tool))]:
        body["tools"] = tools
    mode = own_options(target, StreamOptions).stream
    if is_streamed(mode, is_required=False, is_advised=request.is_stream_advised):
        body["stream"] = True
    if schema is not None:
        body["text"] = {"format": {"type": "json_schema", **output_schemas.openai_format(schema)}}
    return body | _sampling(target.parameters)


def _sampling(parameters: Parameters) -> dict[str, Any]:
    limit = parameters.max_tokens
    fields: dict[str, Any] = {
        "temperature": parameters.temperature,
        "max_output_tokens": max(limit, LEAST_OUTPUT_TOKENS) if limit is not None else None,
        "top_p": parameters.top_p,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _tool(tool: ToolDefinition) -> dict[str, Any] | None:
    """Return the offer of a tool; None for one without an object: the API refuses the whole request for it.

    `strict` is false, because a strict schema must require every property; the API's default is true.
    """
    try:
        parameters = repaired(tool.parameters)
    except UnusableSchema:
        return None
    described = {"name": tool.name, "description": tool.description, "parameters": parameters}
    return {"type": "function", **described, "strict": False}


def _items(message: Message, target: Target) -> list[Item]:
    match message.role:
        case "system":
            return []
        case "user":
            return [_text("user", message.content)]
        case "tool":
            call_id = _call_id(message.tool_call_id or "")
            return [{"type": "function_call_output", "call_id": call_id, "output": message.content}]
        case "assistant":
            return _answer(message, target)
        case _:
            assert_never(message.role)


def _answer(message: Message, target: Target) -> list[Item]:
    """Return the items of an answer as they came, else from the normal form."""
    if pieces := in_order(message, target):
        return [_item(piece, message.tool_calls) for piece in pieces]
    said = [_text("assistant", message.content)] if message.content.strip() else []
    return [*said, *(_call(call) for call in message.tool_calls)]


def _item(piece: Piece, calls: Sequence[ToolCall]) -> Item:
    match piece:
        case Said(text, fields) if "id" in fields:
            content: list[Item] = [{"type": "output_text", "text": text, "annotations": []}]
            return {"status": "completed", **fields, "type": "message", "role": "assistant", "content": content}
        case Said(text, fields):
            return {**fields, **_text("assistant", text)}
        case Called(index, fields):
            return {**fields, **_call(calls[index])}
        case Verbatim(part):
            return dict(part)
        case _:
            assert_never(piece)


def _text(role: str, text: str) -> Item:
    return {"type": "message", "role": role, "content": text}


def _call(call: ToolCall) -> Item:
    name, arguments = offered_tool_name(call.function.name), object_text(call.function.arguments)
    return {"type": "function_call", "call_id": _call_id(call.id), "name": name, "arguments": arguments}


def _call_id(call_id: str) -> str:
    """Return the id as it is, or one that the API takes, the same wherever the id appears."""
    if len(call_id) <= _MAX_ID_CHARACTERS:
        return call_id
    return f"call_{hashlib.sha256(call_id.encode()).hexdigest()[:24]}"
