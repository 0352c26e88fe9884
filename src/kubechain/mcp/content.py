"""Converts results of tools to text for the model, and redacts descriptions of tools. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from pydantic import SecretStr

from kubechain.mcp.model import CallResult, ToolInfo
from kubechain.net.redaction import redacted


def call_result(answer: Mapping[str, Any]) -> CallResult:
    """Convert a `CallToolResult`: join its text, describe other blocks; without text, add the structured content."""
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
    """Return how many bytes a Base64 text encodes."""
    return len(base64_text.rstrip("=")) * 3 // 4 if isinstance(base64_text, str) else 0


def redacted_tool(tool: ToolInfo, secrets: Iterable[SecretStr]) -> ToolInfo | None:
    """Redact the description and the schema of a tool; return None if its name contains a secret.

    Such a tool cannot be offered, because the server does not know it by its redacted name.
    """
    secrets = tuple(secrets)
    if not secrets:
        return tool
    if redacted(tool.name, secrets) != tool.name:
        return None
    schema = cast("dict[str, Any]", _redacted_json(tool.input_schema, secrets))
    return replace(tool, description=redacted(tool.description, secrets), input_schema=schema)


def _redacted_json(value: Any, secrets: Sequence[SecretStr]) -> Any:
    match value:
        case str():
            return redacted(value, secrets)
        case dict():
            pairs = cast("dict[str, Any]", value).items()
            return {redacted(key, secrets): _redacted_json(item, secrets) for key, item in pairs}
        case list():
            return [_redacted_json(item, secrets) for item in cast("list[Any]", value)]
        case _:
            return value
