"""Tools and answers as servers in use were seen to send them; shared by the peers over stdio and over HTTP."""

from __future__ import annotations

from typing import Any

OBJECT = {"type": "object"}

TOOLS: list[Any] = [
    {"name": "good", "inputSchema": OBJECT},
    {"name": "schema-missing"},
    {"name": "schema-empty", "inputSchema": {}},
    {"name": "schema-null", "inputSchema": None},
    {"name": "schema-untyped", "inputSchema": {"properties": {"a": {"type": "string"}}}},
    {"name": "schema-text", "inputSchema": "object"},
    {"name": "schema-of-a-text", "inputSchema": {"type": "string"}},
    {"name": "output-list", "inputSchema": OBJECT, "outputSchema": []},
    {"name": "output-of-a-list", "inputSchema": OBJECT, "outputSchema": {"type": "array"}},
    {"name": "annotation", "inputSchema": OBJECT, "annotations": {"readOnlyHint": "yes"}},
    {"name": "icon", "inputSchema": OBJECT, "icons": [{}]},
    {"name": "task", "inputSchema": OBJECT, "execution": {"taskSupport": "required"}},
    {"name": "task-if-wanted", "inputSchema": OBJECT, "execution": {"taskSupport": "optional"}},
    {"name": "bell\a\u202e", "inputSchema": OBJECT},
    {"name": "foreign", "inputSchema": OBJECT, "description": "A \x1b[31mred\x1b[0m bell\a, \u202eturned."},
    {"inputSchema": OBJECT},
    None,
]
LEFT_OUT = {"schema-text", "schema-of-a-text", "task", "bell", "#16", "#17"}
REPAIRED = {
    *("schema-missing", "schema-empty", "schema-null", "schema-untyped", "output-list", "output-of-a-list"),
    *("annotation", "icon"),
}
OFFERED = ["good", *sorted(REPAIRED), "task-if-wanted", "foreign"]

SCHEMAS: dict[str, Any] = {
    "any-of": {"anyOf": [{"properties": {"a": {"type": "string"}}, "required": ["a"]}, {"required": ["b"]}]},
    "type-str": {"type": "object", "properties": {"a": {"type": "str"}}, "required": ["a"]},
    "type-dict": {"type": "dict", "properties": {"a": {"type": "string"}}},
    "dangling": {"type": "object", "properties": {"a": {"$ref": "#/$defs/gone"}}},
    "remote": {"type": "object", "properties": {"a": {"$ref": "https://example.com/schema.json"}}},
}
"""Schemas that no model takes, by the name of their tool; each can be called with `{"a": "x"}`."""

TEXT = {"type": "text", "text": "hello"}
ANSWERS: dict[str, tuple[Any, str]] = {
    "content-missing": ({}, ""),
    "content-null": ({"content": None}, ""),
    "text-null": ({"content": [{"type": "text", "text": None}, TEXT]}, "hello"),
    "unknown-block": ({"content": [TEXT, {"type": "hologram", "beam": 1}]}, '"hologram"'),
    "structured-list": ({"content": [], "structuredContent": [1, 2]}, "[1, 2]"),
    "structured-beside": ({"content": [TEXT], "structuredContent": {"a": 1}}, '"a": 1'),
    "result-text": ("done", 'The tool ran; the server\'s answer is no object: "done"'),
    "result-list": ([1], "The tool ran; the server's answer is no object: [1]"),
    "result-null": (None, "The tool ran; the server's answer is no object: null"),
    "terminal": ({"content": [{"type": "text", "text": "a\a \u202eb \x1b]0;title\a\x1b[31mred\x1b[0m"}]}, "a b red"),
}
"""Results by the name of the tool that gives them, and what must be in the answer for the model."""


def every_tool() -> list[Any]:
    """All of them, the odd ones first."""
    schemas = [{"name": name, "inputSchema": schema} for name, schema in SCHEMAS.items()]
    return [*TOOLS, *schemas, *({"name": name, "inputSchema": OBJECT} for name in ANSWERS)]


def answer(name: str) -> Any:
    """The result of a tool."""
    return ANSWERS[name][0] if name in ANSWERS else {"content": [TEXT]}
