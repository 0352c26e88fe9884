"""Speaks an older revision: its tools ask people by requests of their own, while the call is held open.

It says how often its tools ran, and what it was told of people at the handshake. With the argument "changing" it says
with its first question that its tools have changed: there is one more from then on.
"""

from __future__ import annotations

import json
import sys
from itertools import count
from typing import Any

from raw import Message, initialized, say, text, tool

NAMES = ("paint", "sign_in", "capabilities", "runs")
FIRST = 1000
IDS = count(FIRST)
FORM = {"type": "object", "properties": {"color": {"type": "string"}}, "required": ["color"]}
PAGE = {"mode": "url", "elicitationId": "e-1", "url": "https://login.example.com/", "message": "Sign in"}

capabilities: Message = {}
runs: dict[str, int] = {}


def read() -> Message | None:
    """Read one message."""
    line = sys.stdin.readline()
    return json.loads(line) if line else None


def ask(**params: Any) -> Message:
    """Ask a person, and wait for the answer; the client says nothing else meanwhile."""
    question = next(IDS)
    say(id=question, method="elicitation/create", params=params)
    if sys.argv[1:] == ["changing"] and question == FIRST:
        say(method="notifications/tools/list_changed")
    while (message := read()) is not None:
        if message.get("id") == question:
            return message.get("result") or {"error": message["error"]}
    raise SystemExit


def paint() -> Message:
    """Ask twice before it does anything."""
    color = ask(message="Which color?", requestedSchema=FORM)
    if color.get("action") != "accept":
        return text(f"not painted: {json.dumps(color)}")
    sure = ask(message="Sure?", requestedSchema={"type": "object", "properties": {"sure": {"type": "boolean"}}})
    return text(f"painted {color['content']['color']}: {sure.get('content')}")


def call(name: str) -> Message | None:
    """Answer a call; None where the answer is an error."""
    runs[name] = runs.get(name, 0) + 1
    match name:
        case "paint":
            return paint()
        case "sign_in":
            return None if runs[name] == 1 else text("signed in")
        case "capabilities":
            return text(json.dumps(capabilities))
        case _:
            return text(json.dumps(runs))


while (received := read()) is not None:
    match received:
        case {"method": "initialize", "id": id}:
            capabilities = received["params"]["capabilities"]
            say(id=id, result=initialized(received))
        case {"method": "tools/list", "id": id}:
            say(id=id, result={"tools": [tool(name) for name in (*NAMES, "more")[: 5 if runs else 4]]})
        case {"method": "tools/call", "id": id, "params": {"name": name}}:
            if (result := call(name)) is not None:
                say(id=id, result=result)
            else:
                say(id=id, error={"code": -32042, "message": "sign in first", "data": {"elicitations": [PAGE]}})
        case {"method": method, "id": id}:
            say(id=id, error={"code": -32601, "message": f"no {method}"})
        case _:
            pass
