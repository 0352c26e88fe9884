"""Answers with a line of as many megabytes as it is asked for."""

from __future__ import annotations

import sys

from raw import Message, serve, text, tool

MEGABYTE = "x" * 1_000_000


def call(name: str, params: Message) -> Message | None:
    """Write the line in pieces, so that this process stays small itself."""
    if name == "small":
        return text("small")
    write = sys.stdout.write
    id = params["id"]
    head = f'{{"jsonrpc":"2.0","id":{id},"result":' if name == "huge" else '{"result":'
    write(head + '{"content":[{"type":"text","text":"')
    for _ in range(params["arguments"]["megabytes"]):
        write(MEGABYTE)
    write('"}]}' + ("" if name == "huge" else f',"jsonrpc":"2.0","id":{id}') + "}\n")
    sys.stdout.flush()
    return None


serve([tool("huge"), tool("headless"), tool("small")], call)
