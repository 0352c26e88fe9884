"""The free check of the openai-chat dialect: what its replies prove."""

from __future__ import annotations

from typing import Any

import pytest

from kubechain.llm import errors
from kubechain.llm.client import Accepted, Target, Unverified, Verdict
from kubechain.llm.dialects import model_lists
from kubechain.llm.dialects.probing import WRONG_KEY
from kubechain.llm.exchange import HttpCall, HttpReply
from kubechain.llm.providers import row_for
from test.llm.builders import CANARY, a_completion_body, a_reply, a_target, an_error_reply

DIALECT = row_for("openai").dialect
LOCAL = "http://127.0.0.1:8080/v1"
MODEL = {"id": "gpt-4o", "object": "model"}
LISTING = {"object": "list", "data": [{"id": "gpt-4o"}, {"id": "other", "aliases": ["alias"]}]}
NO_PATH = a_reply(404, {"detail": "Not Found"})
PAGE = a_reply(200, b"<!doctype html><html><title>Welcome</title></html>")
REFUSED = an_error_reply(401, "Incorrect API key provided")
NO_SCOPE = an_error_reply(403, "You have insufficient permissions. Missing scopes: api.model.read")


def azure() -> Target:
    settings = {"apiType": "AZURE", "apiVersion": "2024-10-21"}
    return a_target(base_url="https://mine.openai.azure.com", openai=settings)


def local(model: str = "gpt-4o", key: str | None = CANARY) -> Target:
    return a_target(model, base_url=LOCAL, key=key)


def probe(target: Target, *replies: HttpReply | errors.Retryable) -> tuple[list[HttpCall], Verdict]:
    """The requests of a free check that gets these replies, and its verdict."""
    steps = DIALECT.probe(target)
    calls = [next(steps)]
    for reply in replies:
        try:
            calls.append(steps.throw(reply) if isinstance(reply, errors.Retryable) else steps.send(reply))
        except StopIteration as end:
            return calls, end.value
    raise AssertionError(f"a request more than there are replies: {calls[-1].method} {calls[-1].url}")


@pytest.mark.parametrize(
    ("target", "url", "reply"),
    [
        (a_target(), "https://api.openai.com/v1/models/gpt-4o", MODEL),
        (a_target(base_url="https://eu.api.openai.com/v1"), "https://eu.api.openai.com/v1/models/gpt-4o", MODEL),
        (azure(), "https://mine.openai.azure.com/openai/models?api-version=2024-10-21", LISTING),
    ],
)
def test_a_provider_that_is_known_proves_all_by_one_request(target: Target, url: str, reply: object) -> None:
    (call,), verdict = probe(target, a_reply(200, reply))
    assert (call.method, call.url, call.body) == ("GET", url, None)
    assert verdict == Accepted()


def test_a_key_is_proved_where_a_wrong_one_is_refused() -> None:
    calls, verdict = probe(local(), a_reply(200, MODEL), REFUSED)
    assert [call.headers["authorization"] for call in calls] == [
        f"Bearer {CANARY}",
        f"Bearer {WRONG_KEY.get_secret_value()}",
    ]
    assert verdict == Accepted()


def test_a_list_for_everybody_proves_no_key() -> None:
    _, verdict = probe(local(), a_reply(200, MODEL), a_reply(200, MODEL))
    detail = f"the model is there; the key was not checked: GET {LOCAL}/models/gpt-4o accepts any key"
    assert verdict == Unverified(detail)


def test_without_a_key_none_is_proved() -> None:
    assert probe(local(key=None), a_reply(200, MODEL))[1] == Accepted()


def test_a_name_with_a_slash_is_quoted() -> None:
    calls, _ = probe(local("meta/llama 3", key=None), NO_PATH, a_reply(200, {"data": [{"id": "meta/llama 3"}]}))
    assert [call.url for call in calls] == [f"{LOCAL}/models/meta%2Fllama%203", f"{LOCAL}/models"]


SHAPES: list[tuple[Any, set[str] | None]] = [
    (LISTING, {"gpt-4o", "other", "alias"}),
    ([{"id": "a"}, {"name": "b"}], {"a", "b"}),
    (["a", "b"], {"a", "b"}),
    ({"models": [{"name": "models/a"}, {"model": "b"}]}, {"a", "b"}),
    ({"data": {"models": [{"id": "a"}]}}, {"a"}),
    ({"models": {"a": {}}}, {"a"}),
    ({"object": "list", "data": None}, set()),
    ({"data": []}, set()),
    ([], set()),
    ({"error": "no"}, None),
    ({"hello": "world"}, None),
    (b"<html>", None),
]


@pytest.mark.parametrize(("body", "names"), SHAPES)
def test_lists_are_read_in_every_shape(body: Any, names: set[str] | None) -> None:
    assert model_lists.names(a_reply(200, body)) == names


@pytest.mark.parametrize(
    ("replies", "tried"),
    [
        pytest.param([NO_SCOPE, NO_SCOPE], "Missing scopes", id="a key that may not list models"),
        pytest.param([NO_SCOPE, a_reply(200, {"data": []})], "Missing scopes", id="no scope, and an empty list"),
        pytest.param(
            [NO_PATH, a_reply(200, [{"id": "b"}])], "the model is not listed", id="an alias; the list is bare"
        ),
        pytest.param([NO_PATH, a_reply(200, {"data": []})], "the list is empty", id="an empty list"),
        pytest.param([a_reply(200, {"ok": True}), NO_PATH], "HTTP 200", id="JSON of another shape"),
        pytest.param([an_error_reply(400, "bad path"), NO_PATH], "bad path", id="400 on the quoted slash"),
        pytest.param(
            [an_error_reply(500), a_reply(200, LISTING | {"data": [{"id": "b"}]})], "listed", id="500, and a list"
        ),
        pytest.param([NO_PATH, NO_PATH, a_reply(405, {"detail": "Method Not Allowed"})], "404", id="405 for chat"),
        pytest.param([NO_PATH, NO_PATH, NO_PATH, an_error_reply(400, "messages required")], "404", id="400 for chat"),
        pytest.param([NO_PATH, NO_PATH, NO_PATH, a_reply(200, a_completion_body())], "404", id="chat answers anything"),
        pytest.param([NO_PATH, NO_PATH, NO_PATH, errors.ConnectionLost("reset")], "reset", id="chat breaks on nothing"),
    ],
)
def test_a_server_that_can_be_called_is_unverified_with_what_was_tried(
    replies: list[HttpReply | errors.Retryable], tried: str
) -> None:
    _, verdict = probe(local(), *replies)
    assert isinstance(verdict, Unverified)
    assert tried in verdict.detail
    assert f"GET {LOCAL}/models/gpt-4o: HTTP " in verdict.detail


@pytest.mark.parametrize(
    ("replies", "kind", "said"),
    [
        pytest.param([NO_PATH] * 4, errors.WrongAddress, "check baseUrl", id="no path at all"),
        pytest.param([PAGE] * 4, errors.WrongAddress, "check baseUrl", id="a web page for everything"),
        pytest.param([PAGE, PAGE, PAGE, NO_PATH], errors.WrongAddress, "check baseUrl", id="pages, and no chat"),
        pytest.param([a_reply(302, b"", {"location": "/x"})], errors.WrongAddress, "redirects", id="a redirect"),
        pytest.param([REFUSED], errors.AuthenticationFailed, "401", id="a refused key"),
        pytest.param(
            [an_error_reply(403, "Invalid API key")], errors.AuthenticationFailed, "403", id="403 for the key"
        ),
        pytest.param([NO_PATH, NO_PATH, NO_PATH, REFUSED], errors.AuthenticationFailed, "401", id="refused at chat"),
        pytest.param(
            [a_reply(200, {"error": {"code": "invalid_api_key"}})], errors.AuthenticationFailed, "200", id="inside 200"
        ),
        pytest.param([an_error_reply(402)], errors.QuotaExhausted, "402", id="no credit"),
        pytest.param(
            [an_error_reply(404, "The model `gpt-4o` does not exist"), a_reply(200, {"data": [{"id": "b"}]})],
            errors.ModelNotFound,
            "does not exist",
            id="the server says that it has no such model",
        ),
        pytest.param([an_error_reply(503), an_error_reply(503)], errors.ServerFailed, "503", id="down"),
        pytest.param([an_error_reply(429), an_error_reply(429)], errors.RateLimited, "429", id="busy"),
        pytest.param(
            [NO_PATH, NO_PATH, NO_PATH, a_reply(200, b"hello")],
            errors.WrongAddress,
            "check baseUrl",
            id="another server",
        ),
    ],
)
def test_what_is_proved_is_a_failure(replies: list[HttpReply], kind: type[errors.LLMError], said: str) -> None:
    with pytest.raises(kind, match=said):
        probe(local(), *replies)


def test_openai_itself_lists_all_of_its_models() -> None:
    with pytest.raises(errors.ModelNotFound):
        probe(a_target("nope"), NO_PATH, a_reply(200, LISTING))


def test_a_deployment_that_azure_does_not_have_is_known_when_it_is_called() -> None:
    missing = an_error_reply(404, "The API deployment for this resource does not exist.", "DeploymentNotFound")
    with pytest.raises(errors.ModelNotFound):
        probe(azure(), NO_PATH, NO_PATH, missing)


def test_a_check_that_is_given_up_ends_quietly() -> None:
    steps = DIALECT.probe(a_target())
    next(steps)
    steps.close()


# --- the check by a call


def test_any_answer_proves_key_and_model() -> None:
    assert DIALECT.judge(local(), a_reply(200, a_completion_body({"content": ""}, "length"))) == Accepted()
    assert DIALECT.judge(local(), an_error_reply(400, "max_tokens or model output limit was reached")) == Accepted()


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (REFUSED, errors.AuthenticationFailed),
        (NO_PATH, errors.WrongAddress),
        (PAGE, errors.WrongAddress),
        (a_reply(200, {"error": {"code": "model_not_found"}}), errors.ModelNotFound),
        (a_reply(200, {}), errors.InvalidAnswer),
    ],
)
def test_what_is_no_answer_is_a_failure(reply: HttpReply, kind: type[errors.LLMError]) -> None:
    with pytest.raises(kind):
        DIALECT.judge(local(), reply)
