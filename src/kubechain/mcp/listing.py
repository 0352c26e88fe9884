"""Makes the tools of a `tools/list` result readable for the MCP library, and names those that are not. Pure.

The library refuses a whole list for one tool that does not follow the protocol. `listed` therefore copies what
KubeChain uses of each tool, repairs it where its meaning is clear, and leaves the tool out where it is not. Each of
these is a `Flaw`, which people see in the status of the server.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

from kubechain.mcp.model import Flaw
from kubechain.mcp.replies import shown
from kubechain.net import foreign, toolschemas

_HINTS = ("readOnlyHint", "idempotentHint", "destructiveHint", "openWorldHint")
_NO_ARGUMENTS: dict[str, Any] = {"type": "object", "properties": {}}
NAME_CHARACTERS = 256
"""Maximum length of a tool name in the status of an MCPServer."""

Object = dict[str, Any]


def listed(result: Mapping[str, Any]) -> tuple[Object, tuple[Flaw, ...]]:
    """Return a `tools/list` result that the library accepts, and the flaws of its tools."""
    tools, flaws = _tools(result.get("tools"))
    cursor = result.get("nextCursor")
    readable = {**result, "tools": tools}
    readable.pop("nextCursor", None)
    if cursor is not None and cursor != "":
        readable["nextCursor"] = str(cursor)
    return readable, tuple(flaws)


def _tools(value: Any) -> tuple[Any, list[Flaw]]:
    if value is None:
        return [], []
    if not isinstance(value, list):
        return value, []  # the library refuses the list
    tools: list[Object] = []
    flaws: list[Flaw] = []
    for number, raw in enumerate(cast("list[Any]", value), 1):
        tool = cast(Object, raw) if isinstance(raw, dict) else {}
        name = given if isinstance(given := tool.get("name"), str) and given.strip() else f"#{number}"
        if reason := _why_left_out(tool):
            flaws.append(Flaw(name, reason, is_left_out=True))
            continue
        tools.append(_tool(tool))
        flaws += [Flaw(name, what) for what in _repairs(tool)]
    return tools, flaws


def _why_left_out(tool: Object) -> str:
    """Return why a tool cannot be offered; empty if it can."""
    name = tool.get("name")
    if not isinstance(name, str) or not name.strip():
        return "it has no name"
    if len(name) > NAME_CHARACTERS:
        return f"its name is longer than {NAME_CHARACTERS} characters"
    if not name.isprintable():
        return "its name has characters that cannot be printed"
    if _needs_task(tool.get("execution")):
        return "it needs tasks (execution.taskSupport: required), which are not supported"
    schema = tool.get("inputSchema")
    if schema is not None and not isinstance(schema, dict):
        return f"its inputSchema is no object: {type(schema).__name__}"
    try:
        toolschemas.repaired(cast(Object, schema or {}))
    except toolschemas.UnusableSchema as error:
        return f"its inputSchema {error}"
    return ""


def _needs_task(execution: Any) -> bool:
    return isinstance(execution, dict) and cast(Object, execution).get("taskSupport") == "required"


def _tool(raw: Object) -> Object:
    description, hints = raw.get("description"), raw.get("annotations")
    tool: Object = {"name": raw["name"], "inputSchema": _schema(raw.get("inputSchema"))}
    if description is not None:
        tool["description"] = foreign.harmless(description if isinstance(description, str) else str(description))
    if isinstance(hints, dict):
        named = cast(Object, hints)
        tool["annotations"] = {hint: named[hint] for hint in _HINTS if isinstance(named.get(hint), bool)}
    return tool


def _schema(schema: Object | None) -> Object:
    """Return the schema as it is where it says `object`, or nothing; the library demands the word."""
    if not schema:
        return dict(_NO_ARGUMENTS)
    if schema.get("type") in (None, "object"):
        return {**_NO_ARGUMENTS, **schema, "type": "object"}
    return toolschemas.repaired(schema)


def _repairs(raw: Object) -> Iterable[str]:
    """Name what was repaired or ignored in a tool that is offered."""
    yield from _repairs_of_schema(raw)
    for field in ("outputSchema", "annotations", "_meta", "execution"):
        if raw.get(field) is not None and not isinstance(raw[field], dict):
            yield f"its {field} is no object"
    if isinstance(output := raw.get("outputSchema"), dict) and cast(Object, output).get("type") != "object":
        yield "its outputSchema describes no object"
    if isinstance(hints := raw.get("annotations"), dict):
        yield from _repairs_of_hints(cast(Object, hints))
    if not _are_icons(raw.get("icons")):
        yield "one of its icons has no src"
    for field in ("description", "title"):
        if raw.get(field) is not None and not isinstance(raw[field], str):
            yield f"its {field} is no text"


def _repairs_of_schema(raw: Object) -> Iterable[str]:
    schema = raw.get("inputSchema")
    if not schema:
        yield f"its inputSchema is {'missing' if 'inputSchema' not in raw else 'null' if schema is None else 'empty'}"
    elif "type" not in schema:
        yield "its inputSchema has no type"
    elif schema["type"] != "object":
        yield f"its inputSchema has the type {shown(schema['type'])}"


def _repairs_of_hints(hints: Object) -> Iterable[str]:
    for hint in _HINTS:
        if hints.get(hint) is not None and not isinstance(hints[hint], bool):
            yield f"its annotation {hint} is no boolean"


def _are_icons(icons: Any) -> bool:
    if icons is None:
        return True
    if not isinstance(icons, list):
        return False
    return all(
        isinstance(icon, dict) and isinstance(cast(Object, icon).get("src"), str) for icon in cast("list[Any]", icons)
    )
