"""Turns what a tool answers into text for a model. Pure; takes the answer as JSON.

Used by `sdk`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from kubechain.mcp.model import CallResult


def call_result(answer: Mapping[str, Any]) -> CallResult:
    """Read a `CallToolResult`: its text; where there is none its structured content; what is no text is described."""
    blocks: Sequence[Mapping[str, Any]] = answer.get("content") or ()
    parts = [_block(block) for block in blocks]
    structured = answer.get("structuredContent")
    has_text = any(block.get("type") == "text" for block in blocks)
    if structured is not None and not has_text:
        parts.append(json.dumps(structured, ensure_ascii=False))
    return CallResult("\n".join(parts), is_error=bool(answer.get("isError")))


def _block(block: Mapping[str, Any]) -> str:
    match block.get("type"):
        case "text":
            return str(block.get("text", ""))
        case "image" | "audio" as kind:
            return f"[{kind}: {block.get('mimeType', 'unknown type')}, {_bytes(block.get('data'))} bytes]"
        case "resource_link":
            return f"[resource: {block.get('uri')} {block.get('name', '')}]"
        case "resource":
            return _resource(block.get("resource") or {})
        case kind:
            return f"[{kind}]"


def _resource(resource: Mapping[str, Any]) -> str:
    if isinstance(text := resource.get("text"), str):
        return text
    mime = resource.get("mimeType", "unknown type")
    return f"[resource: {resource.get('uri')}, {mime}, {_bytes(resource.get('blob'))} bytes]"


def _bytes(base64_text: Any) -> int:
    """Return how many bytes a Base64 text stands for."""
    return len(base64_text.rstrip("=")) * 3 // 4 if isinstance(base64_text, str) else 0
