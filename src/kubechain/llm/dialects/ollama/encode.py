"""A conversation of ours as the body of `POST chat`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, assert_never

import orjson

from kubechain.api.message import Message, ToolCall
from kubechain.api.names import offered_tool_name
from kubechain.llm.client import Parameters, Target, ToolDefinition
from kubechain.llm.dialects import output_schemas
from kubechain.llm.dialects.arguments import object_text
from kubechain.llm.dialects.dialect import CompletionRequest, own_options, request_json
from kubechain.llm.dialects.ollama.options import OllamaOptions
from kubechain.llm.dialects.pieces import Called, Verbatim, in_order
from kubechain.llm.dialects.streaming import is_streamed
from kubechain.llm.endpoints import CHAT
from kubechain.llm.exchange import HttpCall
from kubechain.net.toolschemas import UnusableSchema, repaired

Fields = dict[str, Any]


def encode(request: CompletionRequest) -> HttpCall:
    """See `Dialect.encode`."""
    target = request.target
    body = request_json(chat_body(request))
    return target.endpoint.call("POST", CHAT, model=target.model, api_key=target.api_key, body=body)


def chat_body(request: CompletionRequest) -> Fields:
    """Return the JSON of a request; fields that are not set are not sent, but for those that are on by default.

    The field for a schema holds every answer to it, so that no tool could be called, and the model is not told of it.
    """
    target = request.target
    schema = None if request.tools else output_schemas.field_schema(request)
    request = output_schemas.in_words(request)
    options = own_options(target, OllamaOptions)
    is_stream = is_streamed(options.stream, is_required=False, is_advised=request.is_stream_advised)
    names = {call.id: call.function.name for message in request.messages for call in message.tool_calls}
    body: Fields = {
        "model": target.model,
        "messages": [_message(message, target, names) for message in request.messages],
        "stream": is_stream,
        "truncate": False,
        "shift": False,
    }
    if tools := [encoded for tool in request.tools if (encoded := _tool(tool))]:
        body["tools"] = tools
    if settings := _set(_settings(target.parameters, options)):
        body["options"] = settings
    return body | _set({"keep_alive": options.keep_alive, "think": options.think, "format": schema})


def _settings(parameters: Parameters, options: OllamaOptions) -> Fields:
    return {
        "num_ctx": options.num_ctx,
        "num_predict": parameters.max_tokens,
        "temperature": parameters.temperature,
        "top_p": parameters.top_p,
        "top_k": parameters.top_k,
        "frequency_penalty": parameters.frequency_penalty,
        "presence_penalty": parameters.presence_penalty,
        "seed": options.random_seed,
    }


def _set(fields: Fields) -> Fields:
    return {name: value for name, value in fields.items() if value is not None}


def _tool(tool: ToolDefinition) -> Fields | None:
    """Return the offer of a tool; None for one without an object, which a model could not call."""
    try:
        parameters = repaired(tool.parameters)
    except UnusableSchema:
        return None
    return {
        "type": "function",
        "function": {"name": tool.name, "description": tool.description, "parameters": parameters},
    }


def _message(message: Message, target: Target, names: Mapping[str, str]) -> Fields:
    match message.role:
        case "system" | "user":
            return {"role": str(message.role), "content": message.content}
        case "tool":
            call_id = message.tool_call_id or ""
            name = offered_tool_name(names.get(call_id) or message.name or "unknown")
            return {"role": "tool", "content": message.content, "tool_name": name, "tool_call_id": call_id}
        case "assistant":
            return _answer(message, target)
        case _:
            assert_never(message.role)


def _answer(message: Message, target: Target) -> Fields:
    """Return an answer with what the same model sent beside text and calls, such as its thinking."""
    pieces = in_order(message, target)
    fields: Fields = {}
    for piece in pieces:
        if isinstance(piece, Verbatim):
            fields |= piece.part
    more = {piece.index: piece.fields for piece in pieces if isinstance(piece, Called)}
    fields |= {"role": "assistant", "content": message.content}
    if message.tool_calls:
        fields["tool_calls"] = [_call(call, more.get(place, {})) for place, call in enumerate(message.tool_calls)]
    return fields


def _call(call: ToolCall, more: Mapping[str, Any]) -> Fields:
    arguments = orjson.Fragment(object_text(call.function.arguments).encode())
    return {**more, "id": call.id, "function": {"name": offered_tool_name(call.function.name), "arguments": arguments}}
