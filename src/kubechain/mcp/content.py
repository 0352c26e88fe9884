"""Converts results of tools to text for the model, and redacts descriptions of tools. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from pydantic import SecretStr

from kubechain.mcp.model import CallResult, ToolInfo
from kubechain.net import foreign
from kubechain.net.redaction import redacted, redacted_json


def readable_result(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return a result of `tools/call` that the MCP library accepts: what it says, as one block of text.

    A request for input is returned unchanged: it is not a result yet.
    """
    if answer.get("resultType", "complete") != "complete":
        return dict(answer)
    said = call_result(answer)
    readable: dict[str, Any] = {"content": [{"type": "text", "text": said.content}], "isError": said.is_error}
    if "resultType" in answer:
        readable["resultType"] = "complete"
    return readable


def call_result(answer: Mapping[str, Any]) -> CallResult:
    """Convert the result of `tools/call`: join its text, describe other blocks, add what structured content adds.

    What a server sends beside the protocol is kept as JSON: only the model can tell what it means.
    """
    blocks = _blocks(answer.get("content"))
    parts = [_block(block) for block in blocks]
    structured = answer.get("structuredContent")
    if structured is not None and not _is_said(structured, parts):
        parts.append(_json(structured))
    return CallResult(foreign.harmless("\n".join(parts)), is_error=answer.get("isError") in (True, "true", "True"))


def _blocks(content: Any) -> Sequence[Any]:
    match content:
        case None:
            return ()
        case list():
            return cast("list[Any]", content)
        case _:
            return (content,)


def _is_said(structured: Any, parts: Sequence[str]) -> bool:
    """Return whether the text already says what the structured content says; most servers send both."""
    return any(_parsed(text) == structured or _wrapped(structured) == text for text in (*parts, "\n".join(parts)))


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _wrapped(structured: Any) -> Any:
    """Return the text of an object with one field, as SDKs wrap what is no object; None for anything else."""
    if not isinstance(structured, dict) or len(cast("dict[str, Any]", structured)) != 1:
        return None
    (value,) = cast("dict[str, Any]", structured).values()
    return value if isinstance(value, str) else _json(value)


def _block(block: Any) -> str:
    if not isinstance(block, dict):
        return block if isinstance(block, str) else _json(block)
    fields = cast("dict[str, Any]", block)
    match fields.get("type"):
        case "text" if fields.get("text") is None:
            return ""
        case "text":
            return text if isinstance(text := fields["text"], str) else _json(text)
        case "image" | "audio" as kind if isinstance(data := fields.get("data"), str):
            return f"[{kind}: {fields.get('mimeType') or 'unknown type'}, {_bytes(data)} bytes]"
        case "resource_link":
            return f"[resource: {fields.get('uri')} {fields.get('name') or ''}]"
        case "resource" if isinstance(resource := fields.get("resource"), dict):
            return _resource(cast("dict[str, Any]", resource))
        case _:
            return _json(fields)


def _resource(resource: Mapping[str, Any]) -> str:
    if isinstance(text := resource.get("text"), str):
        return text
    mime = resource.get("mimeType") or "unknown type"
    return f"[resource: {resource.get('uri')}, {mime}, {_bytes(resource.get('blob'))} bytes]"


def _bytes(base64_text: Any) -> int:
    """Return how many bytes a Base64 text encodes."""
    return len(base64_text.rstrip("=")) * 3 // 4 if isinstance(base64_text, str) else 0


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def redacted_tool(tool: ToolInfo, secrets: Iterable[SecretStr]) -> ToolInfo | None:
    """Redact the description and the schema of a tool; return None if its name contains a secret.

    Such a tool cannot be offered, because the server does not know it by its redacted name.
    """
    secrets = tuple(secrets)
    if not secrets:
        return tool
    if redacted(tool.name, secrets) != tool.name:
        return None
    schema = cast("dict[str, Any]", redacted_json(tool.input_schema, secrets))
    return replace(tool, description=redacted(tool.description, secrets), input_schema=schema)
