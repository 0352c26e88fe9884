"""Requests of Anthropic's Messages API as chat completions, and the answers back, where an answer must match a schema.

The engine speaks the API itself, but holds no answer to a schema in it. So a request that offers tools, or wants an
answer of a certain form, goes by the other API, where `toolcalls` makes a call of it. Nothing here does I/O.
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
    """Whether the answer is to be held to a schema; a stream passes unchanged, as in `toolcalls.offered`."""
    return not request.get("stream") and bool(request.get("tools") or request.get("output_config"))


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
