"""What of a server's questions reaches people: addresses, forms, and replies that are used again."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import SecretStr

from kubechain.mcp.elicitation import (
    FormAsked,
    InputRefused,
    Inputs,
    Item,
    Replies,
    Reply,
    UrlAsked,
    asked_from,
    checked_state,
    flat,
    host_of,
    with_defaults,
)

TOKEN = SecretStr("s3cr3t-canary")


def url(address: Any) -> dict[str, Any]:
    return {"mode": "url", "message": "why", "url": address}


def form(**fields: Any) -> dict[str, Any]:
    return {"type": "object", "properties": fields}


@pytest.mark.parametrize(
    ("address", "host"),
    [
        pytest.param("https://login.example.com/a?b=c#d", "login.example.com", id="https"),
        pytest.param("https://login.example.com:8443/", "login.example.com:8443", id="https on a port"),
        pytest.param("http://127.0.0.1:3000/", "127.0.0.1:3000", id="http on loopback"),
        pytest.param("http://localhost/", "localhost", id="http on localhost"),
    ],
)
def test_an_address_that_a_person_may_open_is_asked_for_with_its_host(address: str, host: str) -> None:
    asked = asked_from("k", url(address), ())
    assert asked == UrlAsked("k", "why", address)
    assert host_of(address) == host


@pytest.mark.parametrize(
    "address",
    [
        pytest.param("http://login.example.com/", id="not encrypted"),
        pytest.param("http://2130706433.example.com/", id="a name that begins like loopback"),
        pytest.param("javascript:alert(1)", id="a script"),
        pytest.param("file:///etc/passwd", id="a file"),
        pytest.param("https://bank.example.com@evil.example.com/", id="a user name that looks like the host"),
        pytest.param("https://bank.example.com\\@evil.example.com/", id="a backslash that browsers read as a slash"),
        pytest.param("https://b\u0430nk.example.com/", id="a letter that looks like another one"),
        pytest.param("https://example.com/\x1b[2K", id="an escape sequence"),
        pytest.param("https://example.com/\n", id="a line break"),
        pytest.param("https://example.com:99999/", id="a port that is none"),
        pytest.param("https:///path", id="no host"),
        pytest.param("https://example.com/" + "a" * 2048, id="too long"),
        pytest.param("https://example.com/?token=s3cr3t-canary", id="a secret of the server's configuration"),
        pytest.param(None, id="none at all"),
    ],
)
def test_an_address_that_may_deceive_is_put_to_nobody(address: Any) -> None:
    with pytest.raises(InputRefused) as refusal:
        asked_from("k", url(address), (TOKEN,))
    assert "s3cr3t" not in str(refusal.value)


def test_a_message_is_foreign_text_and_loses_secrets_and_what_drives_a_terminal() -> None:
    asked = asked_from("k", {"message": "\x1b[31ms3cr3t-canary" + "x" * 5000, "requestedSchema": form()}, (TOKEN,))
    assert asked.message.startswith("[redacted]x")
    assert len(asked.message) == 4096


@pytest.mark.parametrize(
    ("field", "kept"),
    [
        pytest.param(
            {"type": "string", "minLength": 1, "pattern": "(a+)+$", "format": "email"},
            {"type": "string", "minLength": 1, "format": "email"},
            id="text, without its pattern",
        ),
        pytest.param({"type": "integer", "minimum": 0, "default": 3}, None, id="a number"),
        pytest.param({"type": "string", "enum": ["a", "b"], "enumNames": ["A", "B"]}, None, id="a choice"),
        pytest.param({"type": "string", "oneOf": [{"const": "a", "title": "A"}]}, None, id="a choice with titles"),
        pytest.param({"type": "array", "items": {"type": "string", "enum": ["a"]}}, None, id="several of a list"),
        pytest.param(
            {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
            {"default": None, "type": "string"},
            id="text that may be left out, as an SDK writes it",
        ),
    ],
)
def test_a_form_is_reduced_to_flat_fields(field: dict[str, Any], kept: dict[str, Any] | None) -> None:
    reduced = flat({**form(one=field), "required": ["one", "two"], "$defs": {}})
    assert reduced == {"type": "object", "properties": {"one": kept or field}, "required": ["one"]}


@pytest.mark.parametrize(
    "schema",
    [
        pytest.param(None, id="none"),
        pytest.param({"type": "string"}, id="no object"),
        pytest.param(form(one={"type": "object", "properties": {}}), id="an object inside"),
        pytest.param(form(one={"type": "array", "items": {"type": "object"}}), id="a list of objects"),
        pytest.param(form(one={"type": "array", "items": {"type": "string"}}), id="a list of any text"),
        pytest.param(form(one={"$ref": "https://evil.example.com/schema"}), id="a reference"),
        pytest.param(form(one={"type": "string", "description": "x" * 40_000}), id="a huge one"),
    ],
)
def test_a_form_that_is_not_flat_is_put_to_nobody(schema: Any) -> None:
    with pytest.raises(InputRefused):
        asked_from("k", {"message": "fill in", "requestedSchema": schema}, ())


def test_fields_that_a_person_leaves_out_have_the_defaults_of_the_server() -> None:
    schema = form(a={"type": "string", "default": "A"}, b={"type": "boolean", "default": False}, c={"type": "string"})
    assert with_defaults(schema, {"b": True}) == {"a": "A", "b": True}


def test_a_state_that_cannot_be_kept_is_refused() -> None:
    assert checked_state("x" * 1000) == "x" * 1000
    with pytest.raises(InputRefused):
        checked_state("x" * 100_000)


def test_a_state_and_what_is_asked_are_not_shown_by_accident() -> None:
    inputs = Inputs((Item(FormAsked("k", "private", form()), Reply("accept", {"a": "private"})),), "private")
    assert "private" not in repr(inputs)


def test_each_reply_answers_one_question_of_the_same_words_and_form() -> None:
    asked, other = FormAsked("1", "Sure?", form()), FormAsked("3", "Sure?", form(a={"type": "string"}))
    replies = Replies((Item(asked, Reply("accept", {})),))
    assert replies.take(other) is None
    assert replies.take(FormAsked("2", "Sure?", form())) == Reply("accept", {})
    assert replies.take(asked) is None
