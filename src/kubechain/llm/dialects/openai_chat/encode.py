"""A conversation of ours as the body of `POST …/chat/completions`."""

from __future__ import annotations

import hashlib
import re
import string
from typing import Any

from kubechain.api.message import Message, ToolCall
from kubechain.api.names import offered_tool_name
from kubechain.llm.client import Parameters, ToolDefinition
from kubechain.llm.dialects import output_schemas
from kubechain.llm.dialects.arguments import object_text
from kubechain.llm.dialects.dialect import CompletionRequest, request_json
from kubechain.llm.dialects.openai_chat import extras
from kubechain.llm.dialects.openai_chat.options import ChatOptions, Flavour, options_of
from kubechain.llm.dialects.streaming import is_streamed
from kubechain.llm.endpoints import CHAT_COMPLETIONS
from kubechain.llm.exchange import HttpCall
from kubechain.net.toolschemas import UnusableSchema, repaired

_MISTRAL_ID = re.compile(r"[a-zA-Z0-9]{9}")
_ALPHANUMERIC = string.ascii_letters + string.digits


def encode(request: CompletionRequest) -> HttpCall:
    """See `Dialect.encode`."""
    target = request.target
    body = request_json(completion_body(request))
    return target.endpoint.call("POST", CHAT_COMPLETIONS, model=target.model, api_key=target.api_key, body=body)


def completion_body(request: CompletionRequest) -> dict[str, Any]:
    """Return the JSON of a request; fields that are not set are not sent."""
    target = request.target
    options, schema = options_of(target), output_schemas.field_schema(request)
    if schema is None or options.flavour.wants_schema_in_words:
        request = output_schemas.in_words(request)
    body: dict[str, Any] = {
        "model": target.model,
        "messages": [
            _encode_message(message, extras.to_echo(message, target), options.flavour) for message in request.messages
        ],
        **_encode_parameters(target.parameters, options),
    }
    if tools := [encoded for tool in request.tools if (encoded := _encode_tool(tool))]:
        body["tools"] = tools
    if schema is not None:
        body["response_format"] = {"type": "json_schema", "json_schema": output_schemas.openai_format(schema)}
    if is_streamed(options.stream, is_required=False, is_advised=request.is_stream_advised):
        body["stream"] = True
        if options.flavour.knows_stream_options:
            body["stream_options"] = {"include_usage": True}
    return body


def _encode_parameters(parameters: Parameters, options: ChatOptions) -> dict[str, Any]:
    flavour = options.flavour
    fields: dict[str, Any] = {
        "temperature": parameters.temperature,
        options.token_limit_field: parameters.max_tokens,
        "top_p": parameters.top_p,
        "top_k": parameters.top_k if flavour.knows_top_k else None,
        "frequency_penalty": parameters.frequency_penalty,
        "presence_penalty": parameters.presence_penalty,
        "random_seed": options.random_seed if flavour.knows_random_seed else None,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _encode_tool(tool: ToolDefinition) -> dict[str, Any] | None:
    """Return the offer of a tool; None for one without an object: servers refuse the whole request for it."""
    try:
        parameters = repaired(tool.parameters)
    except UnusableSchema:
        return None
    function = {"name": tool.name, "description": tool.description, "parameters": parameters}
    return {"type": "function", "function": function}


def _encode_message(message: Message, echo: extras.Extras, flavour: Flavour) -> dict[str, Any]:
    out: dict[str, Any] = {"role": str(message.role), "content": message.content or ""}
    if message.tool_calls:
        out["content"] = message.content or None
        out["tool_calls"] = [
            _encode_call(call, echo.call(index), flavour) for index, call in enumerate(message.tool_calls)
        ]
    if echo.content is not None:
        out["content"] = echo.content
    if message.tool_call_id:
        out["tool_call_id"] = _encode_call_id(message.tool_call_id, flavour)
    elif message.name:
        out["name"] = offered_tool_name(message.name)
    return {**echo.message, **out}


def _encode_call(call: ToolCall, echo: extras.CallExtras, flavour: Flavour) -> dict[str, Any]:
    name, arguments = offered_tool_name(call.function.name), object_text(call.function.arguments)
    function = {**echo.function, "name": name, "arguments": arguments}
    return {**echo.call, "id": _encode_call_id(call.id, flavour), "type": "function", "function": function}


def _encode_call_id(call_id: str, flavour: Flavour) -> str:
    """Return the id as it is, or for Mistral a replacement that is the same wherever the id appears."""
    if not flavour.has_short_call_ids or _MISTRAL_ID.fullmatch(call_id):
        return call_id
    number = int.from_bytes(hashlib.sha256(call_id.encode()).digest()[:8])
    digits: list[str] = []
    for _ in range(9):
        number, digit = divmod(number, len(_ALPHANUMERIC))
        digits.append(_ALPHANUMERIC[digit])
    return "".join(digits)
