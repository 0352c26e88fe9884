"""How a schema for the answer is sent: as the field of a dialect where its server has one, else in words. Pure.

That an answer matches is nothing that a dialect promises: the caller validates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import orjson

from kubechain.api.message import Message
from kubechain.llm.dialects.dialect import CompletionRequest
from kubechain.net.schematree import children
from kubechain.net.toolschemas import Schema, repaired

NAME = "answer"
"""Of the schema, where a server wants one."""

WORDS = "Your final answer must be one JSON object that matches this JSON schema, and nothing else:\n{}"

_STRICT_KEYWORDS = frozenset(
    {
        "type",
        "properties",
        "required",
        "additionalProperties",
        "items",
        "enum",
        "const",
        "anyOf",
        "description",
        "title",
        "pattern",
        "format",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
        "minItems",
        "maxItems",
    }
)
"""What OpenAI's strict mode knows."""


def field_schema(request: CompletionRequest) -> Schema | None:
    """Return the schema for the dialect's field; None where there is none, or the server has refused the field."""
    if request.output_schema is None or request.is_schema_refused:
        return None
    return repaired(request.output_schema)


def in_words(request: CompletionRequest) -> CompletionRequest:
    """Return the request with its schema at the end of the system prompt, and in no field."""
    if request.output_schema is None:
        return request
    words = WORDS.format(orjson.dumps(request.output_schema).decode())
    return replace(request, messages=_with_prompt(request.messages, words), is_schema_refused=True)


def openai_format(schema: Schema) -> dict[str, Any]:
    """Return what OpenAI's APIs, and those like them, are told of a schema."""
    return {"name": NAME, "schema": schema, "strict": _is_strict(schema)}


def _with_prompt(messages: Sequence[Message], text: str) -> Sequence[Message]:
    """Add to the system prompt: many templates of models take one, and only at the beginning."""
    if messages and messages[0].role == "system":
        first = messages[0].with_changes(content=f"{messages[0].content}\n\n{text}")
        return [first, *messages[1:]]
    return [Message(role="system", content=text), *messages]


def _is_strict(schema: Mapping[str, Any]) -> bool:
    """Whether OpenAI's strict mode takes a schema: all fields of an object are required, and there are no others."""
    if not schema.keys() <= _STRICT_KEYWORDS:
        return False
    if schema.get("type") == "object" or "properties" in schema:
        is_closed = schema.get("additionalProperties") is False
        if not is_closed or set(schema.get("required", ())) != set(schema.get("properties", ())):
            return False
    return all(_is_strict(inside) for _, inside in children(schema))
