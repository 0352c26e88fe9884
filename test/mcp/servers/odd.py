"""Lists odd tools, and answers oddly."""

from __future__ import annotations

from oddities import answer, every_tool
from raw import initialized, messages, say

for message in messages():
    match message:
        case {"method": "initialize", "id": id}:
            say(id=id, result=initialized(message))
        case {"method": "tools/list", "id": id}:
            say(id=id, result={"tools": every_tool()})
        case {"method": "tools/call", "id": id, "params": {"name": name}}:
            say(id=id, result=answer(name))
        case {"method": method, "id": id}:
            say(id=id, error={"code": -32601, "message": f"no {method}"})
        case _:
            pass
