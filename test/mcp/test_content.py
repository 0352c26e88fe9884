"""Answers of tools as text for a model."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import SecretStr

from kubechain.mcp.content import call_result, readable_result, redacted_tool
from kubechain.mcp.model import CallResult, ToolInfo

TEXT = {"type": "text", "text": "hello"}


@pytest.mark.parametrize(
    ("answer", "content"),
    [
        ({"content": [TEXT, {"type": "text", "text": "world"}]}, "hello\nworld"),
        ({"content": []}, ""),
        ({"content": [], "structuredContent": {"a": "é"}}, '{"a": "é"}'),
        ({"content": [], "structuredContent": 0}, "0"),
        ({"content": [TEXT], "structuredContent": {"a": 1}}, 'hello\n{"a": 1}'),
        ({"content": [{"type": "text", "text": '{"a": 1}'}], "structuredContent": {"a": 1}}, '{"a": 1}'),
        ({"content": [TEXT], "structuredContent": {"result": "hello"}}, "hello"),
        ({"content": [TEXT], "structuredContent": {"content": "hello"}}, "hello"),
        ({"content": [TEXT], "structuredContent": [1, 2]}, "hello\n[1, 2]"),
        ({}, ""),
        ({"content": None, "structuredContent": None}, ""),
        ({"content": [{"type": "text", "text": None}, {"type": "text"}, TEXT]}, "\n\nhello"),
        ({"content": [{"type": "text", "text": 7}]}, "7"),
        ({"content": "hello"}, "hello"),
        ({"content": TEXT}, "hello"),
        ({"content": ["hello", 7, None]}, "hello\n7\nnull"),
        ({"content": [{"type": "image"}]}, '{"type": "image"}'),
        ({"content": [{"type": "image", "mimeType": "image/png", "data": "AAAA"}]}, "[image: image/png, 3 bytes]"),
        ({"content": [{"type": "audio", "mimeType": "audio/wav", "data": "AAA="}]}, "[audio: audio/wav, 2 bytes]"),
        ({"content": [{"type": "resource_link", "uri": "file:///a", "name": "A"}]}, "[resource: file:///a A]"),
        ({"content": [{"type": "resource", "resource": {"uri": "file:///a", "text": "words"}}]}, "words"),
        (
            {"content": [{"type": "resource", "resource": {"uri": "u:x", "blob": "AAAA", "mimeType": "a/b"}}]},
            "[resource: u:x, a/b, 3 bytes]",
        ),
        ({"content": [{"type": "hologram", "beam": 1}]}, '{"type": "hologram", "beam": 1}'),
    ],
    ids=[
        "text blocks are joined",
        "nothing is nothing",
        "structured content stands in for text",
        "structured content may be false",
        "structured content may say more than text",
        "text says what structured content says",
        "text says what a wrapped value says",
        "text says what a value in another wrapping says",
        "structured content may be a list",
        "no content",
        "content is null",
        "a text is null or missing",
        "a text is a number",
        "content is a text",
        "content is one block",
        "blocks are no objects",
        "an image without data",
        "an image is described",
        "sound is described",
        "a link is shown",
        "a text that is a resource is text",
        "a resource that is none is described",
        "what is not known is kept",
    ],
)
def test_answers(answer: dict[str, Any], content: str):
    assert call_result(answer) == CallResult(content)


@pytest.mark.parametrize("flag", [True, "true"])
def test_a_tool_that_failed_says_so(flag: Any):
    assert call_result({"content": [TEXT], "isError": flag}) == CallResult("hello", is_error=True)


def test_a_result_becomes_one_text_that_the_library_takes():
    answer = {"content": [TEXT, {"type": "hologram"}], "isError": None, "structuredContent": [1], "_meta": 7}
    assert readable_result(answer) == {
        "content": [{"type": "text", "text": 'hello\n{"type": "hologram"}\n[1]'}],
        "isError": False,
    }


def test_a_request_for_input_is_no_result_yet():
    request: dict[str, Any] = {"resultType": "input_required", "inputRequests": {}}
    assert readable_result(request) == request


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
