"""A model server that answers as servers were seen to answer, and is as strict as the strictest of them.

Each scene is a conversation: its question names it, and its replies are given one a call. The server refuses what
some server refuses: a history with arguments that are no object, with an id twice or without what it sent itself.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from test.e2e.model import Call, Failure

TOLD = "All is well."


def a_body(message: Mapping[str, Any], finish: str | None = None, **more: Any) -> bytes:
    """A `chat.completion`; without `finish` its message says why it ends."""
    reason = finish or ("tool_calls" if message.get("tool_calls") else "stop")
    choice = {"index": 0, "message": {"role": "assistant", "content": None, **message}, "finish_reason": reason}
    usage = {"prompt_tokens": 20, "completion_tokens": 5, "total_tokens": 25}
    return json.dumps({"object": "chat.completion", "model": "m", "choices": [choice], "usage": usage, **more}).encode()


def said(text: str = TOLD, finish: str | None = None, **more: Any) -> bytes:
    """An answer in text."""
    return a_body({"content": text}, finish, **more)


def a_call(arguments: object = '{"a": 2, "b": 3}', *, id: str = "c1", name: str = "add", **more: Any) -> dict[str, Any]:
    """A tool call on the wire."""
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}, **more}


def asked(*calls: Mapping[str, Any], finish: str | None = None, **message: Any) -> bytes:
    """An answer that asks for tool calls."""
    return a_body({"tool_calls": list(calls), **message}, finish)


@dataclass(frozen=True, slots=True)
class Scene:
    """One conversation.

    Attributes:
        replies: Bodies, one a call; the last one repeats.
        status: The HTTP status that they come with.
        insists: A text that the history must hold from the second turn on.
    """

    replies: tuple[bytes, ...]
    status: int = 200
    insists: str = ""


def scene(*replies: bytes, status: int = 200, insists: str = "") -> Scene:
    """A scene; without a second reply, a tool call is followed by a plain answer."""
    is_call = b'"tool_calls": [{' in b"".join(replies)
    both = (*replies, said()) if is_call and len(replies) == 1 else replies
    return Scene(both, status, insists)


@dataclass(slots=True)
class Stage:
    """Plays the scenes, by the newest question of each conversation.

    Attributes:
        calls: The requests of each scene, in order.
    """

    scenes: Mapping[str, Scene]
    calls: defaultdict[str, list[Call]] = field(default_factory=lambda: defaultdict(list))

    def respond(self, call: Call) -> Failure:
        """The reply to a request: a refusal where a strict server would refuse it."""
        name = next(str(one["content"]) for one in reversed(call.messages) if one["role"] == "user")
        played = self.scenes[name]
        self.calls[name].append(call)
        if complaint := _complaint(call, played):
            return Failure(400, complaint)
        number = min(len(self.calls[name]), len(played.replies)) - 1
        return Failure(played.status, raw=played.replies[number])


def _complaint(call: Call, played: Scene) -> str:
    asked_for = [one for message in call.messages for one in message.get("tool_calls") or ()]
    ids = [one["id"] for one in asked_for]
    if len(set(ids)) < len(ids) or not all(ids):
        return f"ids of tool calls must be unique: {ids}"
    if ids != [one["tool_call_id"] for one in call.messages if one["role"] == "tool"]:
        return "each tool call must be answered"
    if not all(_is_object(one["function"]["arguments"]) for one in asked_for):
        return "arguments must be an object"
    if asked_for and played.insists not in json.dumps(call.messages):
        return f"{played.insists} is missing"
    return "; ".join(problem for tool in call.body.get("tools", ()) if (problem := _schema_problem(tool)))


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


def _schema_problem(tool: Mapping[str, Any]) -> str:
    function = tool["function"]
    schema = function["parameters"]
    if schema.get("type") != "object" or not isinstance(schema.get("properties"), dict):
        return f"{function['name']}: parameters must be an object with properties"
    if schema.keys() & {"anyOf", "oneOf", "allOf", "enum", "not", "$schema", "$ref", "$defs"}:
        return f"{function['name']}: not at the top"
    text = json.dumps(schema)
    bare = any(one.get("type") == "array" and "items" not in one for one in schema["properties"].values())
    return f"{function['name']}: items, references" if bare or '"$ref"' in text else ""
