"""Has one tool more after each call, and says so."""

from __future__ import annotations

from raw import Message, say, serve, text, tool

tools = [tool("grow")]


def call(name: str, params: Message) -> Message:
    """Grow."""
    tools.append(tool(f"grown-{len(tools)}"))
    say(method="notifications/tools/list_changed")
    return text("grown")


serve(tools, call)
