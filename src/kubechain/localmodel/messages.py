"""Requests of Anthropic's Messages API as chat completions, and the answers back, where an answer must match a schema.

The engine speaks the API itself, but holds no answer to a schema in it. So a request that offers tools, or wants an
answer of a certain form, goes by the other API, where `toolcalls` makes a call of it. A stream is made of the whole
answer: the engine's own has no `message_start`, and so no input tokens, where the first token of an answer is a part of
a character, as with most emoji. Nothing here does I/O.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

Request = Mapping[str, Any]
Message = dict[str, Any]
Block = Mapping[str, Any]

_SAME = ("model", "max_tokens", "temperature", "top_p", "top_k")
_CHOICES = {"auto": "auto", "any": "required", "none": "none"}
_REASONS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}


def needs_schema(request: Request) -> bool:
    """Whether the answer is to be held to a schema."""
    return bool(request.get("tools") or request.get("output_config"))


def as_chat(request: Request) -> dict[str, Any]:
    """The request as the body of `POST v1/chat/completions`."""
    messages = [{"role": "system", "content": _text(request["system"])}] if request.get("system") else []
    messages += [one for turn in request["messages"] for one in _messages(turn["role"], turn["content"])]
    chat = {name: request[name] for name in _SAME if name in request} | {"messages": messages}
    if stops := request.get("stop_sequences"):
        chat["stop"] = stops
    if tools := request.get("tools"):
        chat["tools"] = [_tool(tool) for tool in tools]
    if choice := request.get("tool_choice"):
        chat["tool_choice"] = _choice(choice)
    config: Mapping[str, Any] = request.get("output_config") or {}
    if wanted := config.get("format"):
        chat["response_format"] = {"type": "json_schema", "json_schema": {"name": "answer", "schema": wanted["schema"]}}
    return chat


def from_chat(reply: Mapping[str, Any]) -> dict[str, Any]:
    """A chat completion as a `message` object."""
    choice: Mapping[str, Any] = reply["choices"][0]
    said: Mapping[str, Any] = choice["message"]
    content: list[Block] = [{"type": "text", "text": said["content"]}] if said.get("content") else []
    content += [_tool_use(call) for call in said.get("tool_calls") or ()]
    usage: Mapping[str, Any] = reply.get("usage") or {}
    return {
        "id": reply.get("id"),
        "type": "message",
        "role": "assistant",
        "model": reply.get("model"),
        "content": content,
        "stop_reason": _REASONS.get(str(choice.get("finish_reason")), "end_turn"),
        "stop_sequence": None,
        "usage": {
            "input_tokens": usage.get("prompt_tokens", 0),
            "output_tokens": usage.get("completion_tokens", 0),
        },
    }


def as_events(message: Mapping[str, Any]) -> bytes:
    """A `message` object as the events of a stream, each block in one piece."""
    blocks: Sequence[Block] = message["content"]
    usage: Mapping[str, Any] = message["usage"]
    begun: dict[str, Any] = {**message, "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 0}}
    events: list[dict[str, Any]] = [{"type": "message_start", "message": begun}]
    for index, block in enumerate(blocks):
        opened, delta = _in_pieces(block)
        events += [
            {"type": "content_block_start", "index": index, "content_block": opened},
            {"type": "content_block_delta", "index": index, "delta": delta},
            {"type": "content_block_stop", "index": index},
        ]
    ended = {name: message[name] for name in ("stop_reason", "stop_sequence")}
    events.append({"type": "message_delta", "delta": ended, "usage": {"output_tokens": usage["output_tokens"]}})
    events.append({"type": "message_stop"})
    return "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events).encode()


def _in_pieces(block: Block) -> tuple[Block, Block]:
    """The block as a stream opens it, and what fills it."""
    if block["type"] == "tool_use":
        return {**block, "input": {}}, {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
    return {**block, "text": ""}, {"type": "text_delta", "text": block["text"]}


def _messages(role: str, content: str | Sequence[Block]) -> Iterator[Message]:
    """Yield the messages of a turn: the results of tools are messages of their own there."""
    blocks: Sequence[Block] = [{"type": "text", "text": content}] if isinstance(content, str) else content
    for block in blocks:
        if block["type"] == "tool_result":
            yield {"role": "tool", "tool_call_id": block["tool_use_id"], "content": _text(block.get("content") or "")}
    text = _text(blocks)
    calls = [_call(block) for block in blocks if block["type"] == "tool_use"]
    if text or calls:
        yield {"role": role, "content": text or None} | ({"tool_calls": calls} if calls else {})


def _text(content: str | Iterable[Block]) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(block["text"] for block in content if block["type"] == "text")


def _call(block: Block) -> dict[str, Any]:
    function = {"name": block["name"], "arguments": json.dumps(block["input"])}
    return {"id": block["id"], "type": "function", "function": function}


def _tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    described = {name: tool[name] for name in ("name", "description") if name in tool}
    return {"type": "function", "function": {**described, "parameters": tool["input_schema"]}}


def _choice(choice: Mapping[str, Any]) -> object:
    if choice["type"] == "tool":
        return {"type": "function", "function": {"name": choice["name"]}}
    return _CHOICES[choice["type"]]


def _tool_use(call: Mapping[str, Any]) -> Block:
    function: Mapping[str, Any] = call["function"]
    arguments = json.loads(function["arguments"])
    return {"type": "tool_use", "id": call["id"], "name": function["name"], "input": arguments}
