"""A conversation of ours as the body of `POST v1/messages`.

The API knows two roles that take turns. Results of tools stand in the user's turn, all of one turn together and before
any text; the system prompt stands beside the messages.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from kubechain.api.message import Message, ToolCall
from kubechain.api.names import offered_tool_name
from kubechain.llm.client import Parameters, ToolDefinition
from kubechain.llm.dialects import output_schemas
from kubechain.llm.dialects.anthropic_messages import caching
from kubechain.llm.dialects.anthropic_messages.options import STREAM_ABOVE_TOKENS, max_tokens_of, options_of
from kubechain.llm.dialects.anthropic_messages.schemas import closed
from kubechain.llm.dialects.anthropic_messages.thinking import blocks_in_order
from kubechain.llm.dialects.arguments import object_text
from kubechain.llm.dialects.dialect import CompletionRequest, request_json
from kubechain.llm.dialects.streaming import is_streamed
from kubechain.llm.exchange import HttpCall
from kubechain.net.toolschemas import UnusableSchema, repaired

Block = dict[str, Any]

_ID = re.compile(r"[a-zA-Z0-9_-]{1,256}")


def encode(request: CompletionRequest) -> HttpCall:
    """See `Dialect.encode`."""
    target, body = request.target, messages_body(request)
    form = options_of(target).form
    operation = form.stream_operation if body.get("stream") else form.operation
    content = request_json(body)
    return target.endpoint.call("POST", operation, model=target.model, api_key=target.api_key, body=content)


def messages_body(request: CompletionRequest) -> dict[str, Any]:
    """Return the JSON of a request; fields that are not set are not sent."""
    target, schema = request.target, output_schemas.field_schema(request)
    grammar = closed(schema) if schema is not None else None
    if grammar is None:
        request = output_schemas.in_words(request)
    options, max_tokens = options_of(target), max_tokens_of(target)
    body: dict[str, Any] = {"model": target.model} if options.form.has_model_in_body else {}
    if options.form.version_in_body:
        body["anthropic_version"] = options.form.version_in_body
    body |= {"max_tokens": max_tokens, "messages": _turns(request), **_sampling(target.parameters)}
    if system := [_text(message.content) for message in request.messages if _is_prompt(message)]:
        body["system"] = system
    if tools := [encoded for tool in request.tools if (encoded := _tool(tool))]:
        body["tools"] = tools
    if grammar is not None:
        body["output_config"] = {"format": {"type": "json_schema", "schema": grammar}}
    is_required = max_tokens > STREAM_ABOVE_TOKENS
    if is_streamed(options.stream, is_required=is_required, is_advised=request.is_stream_advised):
        body["stream"] = True
    caching.mark(body)
    return body


def _sampling(parameters: Parameters) -> dict[str, Any]:
    fields = {"temperature": parameters.temperature, "top_p": parameters.top_p, "top_k": parameters.top_k}
    return {name: value for name, value in fields.items() if value is not None}


def _is_prompt(message: Message) -> bool:
    return message.role == "system" and bool(message.content.strip())


def _tool(tool: ToolDefinition) -> dict[str, Any] | None:
    """Return the offer of a tool; None for one without an object: the API refuses the whole request for it."""
    try:
        schema = repaired(tool.parameters)
    except UnusableSchema:
        return None
    described = {"description": tool.description} if tool.description.strip() else {}
    return {"name": tool.name, **described, "input_schema": schema}


def _turns(request: CompletionRequest) -> list[dict[str, Any]]:
    """Return the messages in two roles that take turns."""
    turns: list[dict[str, Any]] = []
    for message in request.messages:
        role, blocks = _blocks(message, request)
        if not blocks:
            continue
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += blocks
        else:
            turns.append({"role": role, "content": blocks})
    for turn in turns:
        if turn["role"] == "user":
            turn["content"] = _results_first(turn["content"])
    return turns


def _blocks(message: Message, request: CompletionRequest) -> tuple[str, list[Block]]:
    match message.role:
        case "system":
            return "user", []
        case "user":
            return "user", _texts((message.content,))
        case "tool":
            return "user", [_result(message)]
        case "assistant":
            calls = [_call(call) for call in message.tool_calls]
            in_order = blocks_in_order(message, request.target, calls)
            return "assistant", in_order or [*_texts((message.content,)), *calls]


def _texts(texts: Iterable[str]) -> list[Block]:
    """Blocks of text; the API refuses blank ones."""
    return [_text(text) for text in texts if text.strip()]


def _text(text: str) -> Block:
    return {"type": "text", "text": text}


def _result(message: Message) -> Block:
    block: Block = {"type": "tool_result", "tool_use_id": _call_id(message.tool_call_id or "")}
    if message.content.strip():
        block["content"] = message.content
    return block | {"is_error": True} if message.is_error else block


def _results_first(blocks: Sequence[Block]) -> list[Block]:
    """The API wants what answers tools before anything else in a turn."""
    return sorted(blocks, key=lambda block: block["type"] != "tool_result")


def _call(call: ToolCall) -> Block:
    arguments = orjson.Fragment(object_text(call.function.arguments).encode())
    name = offered_tool_name(call.function.name)
    return {"type": "tool_use", "id": _call_id(call.id), "name": name, "input": arguments}


def _call_id(call_id: str) -> str:
    """Return the id as it is, or one that the API takes, the same wherever the id appears."""
    return call_id if _ID.fullmatch(call_id) else f"toolu_{hashlib.sha256(call_id.encode()).hexdigest()[:24]}"
