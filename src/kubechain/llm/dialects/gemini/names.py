"""Names of functions as Gemini takes them, and back. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from kubechain.api.names import offered_tool_name
from kubechain.llm.client import ToolDefinition


def function_name(name: str) -> str:
    """Return the name of a tool on the wire: it must begin with a letter or an underscore."""
    offered = offered_tool_name(name)
    return offered if offered[:1].isalpha() or offered.startswith("_") else offered_tool_name(f"_{offered}")


def offered_name(called: str, tools: Sequence[ToolDefinition]) -> str:
    """Return the name under which we offered the tool that the model calls; names of no tool stay as they are."""
    if any(tool.name == called for tool in tools):
        return called
    return next((tool.name for tool in tools if function_name(tool.name) == called), called)
