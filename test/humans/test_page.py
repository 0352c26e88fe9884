"""The page of a link: what it shows is harmless, and what its form gives is what was asked for."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import Any
from urllib.parse import urlencode

import pytest

from kubechain.api.approval import DecisionChoice
from kubechain.api.humanrequest import HumanRequestType
from kubechain.humans import page
from kubechain.humans.page import BadForm
from test.humans.messages import a_message, asked

FORM = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "title": "Your <name>"},
        "size": {"type": "integer"},
        "fast": {"type": "boolean"},
        "colour": {"type": "string", "enum": ["red", "green"]},
    },
    "required": ["name"],
}


def test_nothing_that_a_model_or_a_server_wrote_becomes_markup() -> None:
    hostile = '</pre><script>alert(1)</script><img src=x onerror="x">\u202e'
    content = asked(
        HumanRequestType.FORM,
        arguments=json.dumps({"x": hostile}),
        message=hostile,
        tool=hostile,
        schema_={"properties": {hostile: {"type": "string", "description": hostile, "enum": [hostile]}}},
        choices=(DecisionChoice.ANSWER,),
    )
    text = page.question(a_message(content, Reject='x"><script>'), "Answer", problem=hostile)
    assert "<script" not in text
    assert "<img" not in text
    assert "\u202e" not in text


def test_the_policy_allows_the_page_s_own_style_and_nothing_else() -> None:
    style = re.search(r"<style>(.*?)</style>", page.notice("x", "y"), re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    policy = page.HEADERS["Content-Security-Policy"]
    assert f"style-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")


def test_the_page_shows_tool_arguments_and_run() -> None:
    text = page.question(a_message(), "Approve")
    for shown in ("github__delete_repo", "&quot;repo&quot;: &quot;old&quot;", "hello-1 in namespace default"):
        assert shown in text


def test_a_form_gives_an_object_with_the_types_of_its_schema() -> None:
    content = asked(HumanRequestType.FORM, schema_=FORM, choices=(DecisionChoice.ANSWER,))
    body = urlencode({"field0": "Ann", "field1": "3", "field3": "red", "comment": " hi "}).encode()
    comment, answer = page.answer_of(content, "Answer", body)
    assert comment == "hi"
    assert json.loads(answer or "") == {"name": "Ann", "size": 3, "fast": False, "colour": "red"}


@pytest.mark.parametrize(
    ("schema", "sent", "value"),
    [
        pytest.param({"type": "string", "default": "x"}, "", "", id="a text whose default was emptied"),
        pytest.param({"type": "string"}, "", None, id="a text that was left out"),
        pytest.param({"type": "number", "default": 2}, "", None, id="a number that was left out: the default counts"),
        pytest.param({"type": "boolean", "default": True}, None, False, id="a box that was unticked"),
        pytest.param({"type": "array", "default": ["a"]}, None, [], id="a list of which nothing is ticked any more"),
        pytest.param({"type": "array"}, "b", ["b"], id="a list with one ticked"),
        pytest.param({"type": "number"}, "1.5", 1.5, id="a number"),
    ],
)
def test_a_field_gives(schema: dict[str, Any], sent: str | None, value: Any) -> None:
    content = asked(HumanRequestType.FORM, schema_={"properties": {"x": schema}}, choices=(DecisionChoice.ANSWER,))
    _, answer = page.answer_of(content, "Answer", urlencode({} if sent is None else {"field0": sent}).encode())
    assert json.loads(answer or "") == ({} if value is None else {"x": value})


def test_choices_have_their_titles() -> None:
    titled = {"oneOf": [{"const": "r", "title": "Red <1>"}, {"const": "g"}], "type": "string", "default": "g"}
    content = asked(HumanRequestType.FORM, schema_={"properties": {"x": titled}}, choices=(DecisionChoice.ANSWER,))
    text = page.question(a_message(content), "Answer")
    assert '<option value="r">Red &lt;1&gt;</option><option value="g" selected>g</option>' in text


def test_a_form_that_cannot_be_read_is_shown_again() -> None:
    text = page.question(a_message(asked(HumanRequestType.QUESTION)), "Answer", problem="x", body=b"a=1&" * 300)
    assert 'name="answer"' in text


@pytest.mark.parametrize(
    ("type", "fields", "complaint"),
    [
        pytest.param(HumanRequestType.QUESTION, {"answer": " "}, "an answer is needed", id="no answer"),
        pytest.param(HumanRequestType.FORM, {}, "name: a value is needed", id="a required field is empty"),
        pytest.param(HumanRequestType.FORM, {"field0": "x", "field1": "x"}, "size: a number is needed", id="no number"),
    ],
)
def test_an_incomplete_form_is_refused(type: HumanRequestType, fields: dict[str, str], complaint: str) -> None:
    content = asked(type, schema_=FORM, choices=(DecisionChoice.ANSWER,))
    with pytest.raises(BadForm, match=complaint):
        page.answer_of(content, "Answer", urlencode(fields).encode())


def test_an_approval_takes_a_comment_and_no_answer() -> None:
    assert page.answer_of(asked(), "Approve", b"answer=x&comment=") == (None, None)


def test_a_form_of_too_many_fields_is_refused() -> None:
    with pytest.raises(BadForm):
        page.answer_of(asked(), "Approve", b"a=1&" * 300)
