"""Answers of tools as text for a model."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import SecretStr

from kubechain.mcp.content import call_result, redacted_tool
from kubechain.mcp.model import CallResult, ToolInfo

TEXT = {"type": "text", "text": "hello"}


@pytest.mark.parametrize(
    ("answer", "content"),
    [
        ({"content": [TEXT, {"type": "text", "text": "world"}]}, "hello\nworld"),
        ({"content": []}, ""),
        ({"content": [], "structuredContent": {"a": "é"}}, '{"a": "é"}'),
        ({"content": [], "structuredContent": 0}, "0"),
        ({"content": [TEXT], "structuredContent": {"a": 1}}, "hello"),
        ({"content": [{"type": "image", "mimeType": "image/png", "data": "AAAA"}]}, "[image: image/png, 3 bytes]"),
        ({"content": [{"type": "audio", "mimeType": "audio/wav", "data": "AAA="}]}, "[audio: audio/wav, 2 bytes]"),
        ({"content": [{"type": "resource_link", "uri": "file:///a", "name": "A"}]}, "[resource: file:///a A]"),
        ({"content": [{"type": "resource", "resource": {"uri": "file:///a", "text": "words"}}]}, "words"),
        (
            {"content": [{"type": "resource", "resource": {"uri": "u:x", "blob": "AAAA", "mimeType": "a/b"}}]},
            "[resource: u:x, a/b, 3 bytes]",
        ),
        ({"content": [{"type": "hologram"}]}, "[hologram]"),
    ],
    ids=[
        "text blocks are joined",
        "nothing is nothing",
        "structured content stands in for text",
        "structured content may be false",
        "text says what structured content says",
        "an image is described",
        "sound is described",
        "a link is shown",
        "a text that is a resource is text",
        "a resource that is none is described",
        "what is not known is named",
    ],
)
def test_answers(answer: dict[str, Any], content: str):
    assert call_result(answer) == CallResult(content)


def test_a_tool_that_failed_says_so():
    assert call_result({"content": [TEXT], "isError": True}) == CallResult("hello", is_error=True)


SECRET = SecretStr('pa"ss-wörd')


def test_a_tools_description_and_schema_are_without_secrets():
    schema = {"properties": {"a": {"default": SECRET.get_secret_value(), "enum": [1, json.dumps('pa"ss-wörd')]}}}
    tool = ToolInfo("t", 'uses pa"ss-wörd', schema, read_only=True)
    assert redacted_tool(tool, [SECRET]) == ToolInfo(
        "t",
        "uses [redacted]",
        {"properties": {"a": {"default": "[redacted]", "enum": [1, '"[redacted]"']}}},
        read_only=True,
    )


def test_a_tool_with_a_secret_in_its_name_is_not_offered():
    assert redacted_tool(ToolInfo('call-pa"ss-wörd', "", {}), [SECRET]) is None


def test_without_secrets_a_tool_stays_as_it_is():
    tool = ToolInfo("t", "d", {"type": "object"})
    assert redacted_tool(tool, []) is tool
