"""A conversation of ours as the body of `POST models/{id}:generateContent`.

The results of all calls of a turn stand in one content, because the API counts them against the calls before it. A
model that thinks signs the first call of each turn, and refuses a conversation in which a signature is missing; calls
of another model, or signatures that were lost, get the value that Google gives for this purpose.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, assert_never
from urllib.parse import quote

import orjson

from kubechain.api.message import Message, ToolCall
from kubechain.llm.client import Parameters, Target, ToolDefinition
from kubechain.llm.dialects import output_schemas
from kubechain.llm.dialects.arguments import object_text
from kubechain.llm.dialects.dialect import CompletionRequest, own_options, request_json
from kubechain.llm.dialects.gemini.names import function_name
from kubechain.llm.dialects.pieces import Called, Piece, Said, Verbatim, in_order
from kubechain.llm.dialects.streaming import StreamOptions, is_streamed
from kubechain.llm.exchange import HttpCall
from kubechain.net.toolschemas import UnusableSchema, repaired

Part = dict[str, Any]

NO_SIGNATURE = "skip_thought_signature_validator"
"""Stands for the signature of a call that this model did not write."""

_BEFORE_GEMINI_3 = re.compile(r"(?:.*/)?(?:gemini-[12]\b|gemma)")
"""Models before Gemini 3 need no signature, and take no schema of the answer beside tools."""

_FREE_FORM = ("properties", "patternProperties", "additionalProperties")


def generate_content(model: str) -> str:
    """Return the operation of a model call; a tuned model is named with its collection."""
    path = model.strip("/") if "/" in model else f"models/{model}"
    return f"{quote(path, safe='/')}:generateContent"


def operation_of(request: CompletionRequest) -> str:
    """Return the operation of a request: another one where the answer is streamed."""
    operation = generate_content(request.target.model)
    mode = own_options(request.target, StreamOptions).stream
    if not is_streamed(mode, is_required=False, is_advised=request.is_stream_advised):
        return operation
    return f"{operation.removesuffix('generateContent')}streamGenerateContent?alt=sse"


def encode(request: CompletionRequest) -> HttpCall:
    """See `Dialect.encode`."""
    target = request.target
    body = request_json(content_body(request))
    return target.endpoint.call("POST", operation_of(request), model=target.model, api_key=target.api_key, body=body)


def content_body(request: CompletionRequest) -> dict[str, Any]:
    """Return the JSON of a request; fields that are not set are not sent."""
    schema = output_schemas.field_schema(request)
    if schema is None or (request.tools and _BEFORE_GEMINI_3.match(request.target.model)):
        request, schema = output_schemas.in_words(request), None
    body: dict[str, Any] = {"contents": _contents(request)}
    if system := [_text(one.content) for one in request.messages if one.role == "system" and one.content.strip()]:
        body["systemInstruction"] = {"parts": system}
    if tools := [encoded for tool in request.tools if (encoded := _declaration(tool))]:
        body["tools"] = [{"functionDeclarations": tools}]
    config = _generation_config(request.target.parameters)
    if schema is not None:
        config |= {"responseMimeType": "application/json", "responseJsonSchema": schema}
    if config:
        body["generationConfig"] = config
    return body


def _generation_config(parameters: Parameters) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "temperature": parameters.temperature,
        "topP": parameters.top_p,
        "topK": parameters.top_k,
        "maxOutputTokens": parameters.max_tokens,
        "presencePenalty": parameters.presence_penalty,
        "frequencyPenalty": parameters.frequency_penalty,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _declaration(tool: ToolDefinition) -> dict[str, Any] | None:
    """Return the offer of a tool; None for one without an object: the API refuses the whole request for it."""
    try:
        schema = repaired(tool.parameters)
    except UnusableSchema:
        return None
    declaration: dict[str, Any] = {"name": function_name(tool.name), "description": tool.description}
    if any(schema.get(keyword) for keyword in _FREE_FORM):  # an object without properties is refused
        declaration["parametersJsonSchema"] = schema
    return declaration


def _contents(request: CompletionRequest) -> list[dict[str, Any]]:
    names = {call.id: function_name(call.function.name) for one in request.messages for call in one.tool_calls}
    contents: list[dict[str, Any]] = []
    is_after_result = False
    for message in request.messages:
        role, parts = _role_and_parts(message, request.target, names)
        is_result = message.role == "tool"
        if is_result and is_after_result:
            contents[-1]["parts"] += parts
        elif parts:
            contents.append({"role": role, "parts": parts})
            is_after_result = is_result
    return contents


def _role_and_parts(message: Message, target: Target, names: Mapping[str, str]) -> tuple[str, list[Part]]:
    match message.role:
        case "system":
            return "user", []
        case "user":
            return "user", _texts(message.content)
        case "tool":
            return "user", [_result(message, names)]
        case "assistant":
            return "model", _parts(message, target)
        case _:
            assert_never(message.role)


def _parts(message: Message, target: Target) -> list[Part]:
    """Return the parts of an answer as they came, else from the normal form."""
    if pieces := in_order(message, target):
        return [part for piece in pieces if (part := _part(piece, message.tool_calls))]
    calls = [_call(call) for call in message.tool_calls]
    if calls and not _BEFORE_GEMINI_3.match(target.model):
        calls[0]["thoughtSignature"] = NO_SIGNATURE
    return [*_texts(message.content), *calls]


def _part(piece: Piece, calls: Sequence[ToolCall]) -> Part | None:
    match piece:
        case Said(text, fields):
            # The last signature of an answer may come with an empty text.
            return {**fields, "text": text} if fields or text.strip() else None
        case Called(index, fields):
            return {**fields, **_call(calls[index])}
        case Verbatim(part):
            return dict(part)
        case _:
            assert_never(piece)


def _texts(text: str) -> list[Part]:
    """The part of a text; the API refuses an empty one."""
    return [_text(text)] if text.strip() else []


def _text(text: str) -> Part:
    return {"text": text}


def _call(call: ToolCall) -> Part:
    arguments = orjson.Fragment(object_text(call.function.arguments).encode())
    return {"functionCall": {"id": call.id, "name": function_name(call.function.name), "args": arguments}}


def _result(message: Message, names: Mapping[str, str]) -> Part:
    call_id = message.tool_call_id or ""
    name = names.get(call_id) or function_name(message.name or "unknown")
    answer = {"error" if message.is_error else "output": message.content}
    return {"functionResponse": {"id": call_id, "name": name, "response": answer}}
