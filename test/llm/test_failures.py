"""Which reply has which consequence."""

from __future__ import annotations

import pytest

from kubechain.llm import errors
from kubechain.llm.exchange import HttpReply
from kubechain.llm.failures import failure
from test.llm.builders import CANARY, a_reply, a_target, an_error_reply


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        *(
            pytest.param(an_error_reply(status), kind, id=f"HTTP {status}")
            for status, kind in [
                (400, errors.RequestRefused),
                (401, errors.AuthenticationFailed),
                (402, errors.QuotaExhausted),
                (403, errors.AuthenticationFailed),
                (404, errors.ModelNotFound),
                (405, errors.RequestRefused),
                (408, errors.ServerFailed),
                (409, errors.ServerFailed),
                (413, errors.RequestRefused),
                (422, errors.RequestRefused),
                (425, errors.ServerFailed),
                (429, errors.RateLimited),
                (500, errors.ServerFailed),
                (503, errors.ServerFailed),
                (529, errors.ServerFailed),
                (204, errors.RequestRefused),
                (307, errors.RequestRefused),
            ]
        ),
        pytest.param(an_error_reply(429, code="insufficient_quota"), errors.QuotaExhausted, id="429 without credit"),
        pytest.param(an_error_reply(403, code="billing_not_active"), errors.QuotaExhausted, id="403 without billing"),
        pytest.param(a_reply(500, b"<html>"), errors.ServerFailed, id="an error that is a web page"),
        pytest.param(a_reply(429, []), errors.RateLimited, id="an error that is an empty list"),
    ],
)
def test_status_decides(reply: HttpReply, kind: type[errors.LLMError]) -> None:
    error = failure(a_target(), reply)
    assert type(error) is kind
    assert error.http_status == reply.status


@pytest.mark.parametrize("status", [429, 503])
def test_the_wait_is_taken_along(status: int) -> None:
    error = failure(a_target(), an_error_reply(status, retry_after="7"))
    assert isinstance(error, errors.Retryable)
    assert error.retry_after_seconds == 7


@pytest.mark.parametrize(
    ("body", "said"),
    [
        pytest.param({"error": {"message": "Nope."}}, ': "Nope."', id="OpenAI and Azure"),
        pytest.param({"error": "Nope."}, ': "Nope."', id="an error that is a text"),
        pytest.param({"object": "error", "message": "Nope.", "type": "x"}, ': "Nope."', id="Mistral"),
        pytest.param({"detail": "Nope."}, ': "Nope."', id="FastAPI"),
        pytest.param([{"error": {"message": "Nope."}}], ': "Nope."', id="Gemini's compatible endpoint"),
        pytest.param({"error": {"message": ""}}, "", id="no text"),
        pytest.param({"error": {"message": {"a": 1}}}, "", id="a text that is an object"),
        pytest.param(b"root:x:0:0:root", "", id="not JSON: another server's page is not repeated"),
    ],
)
def test_the_providers_words_are_repeated_where_they_are_found(body: object, said: str) -> None:
    assert str(failure(a_target(), a_reply(400, body))) == f"request refused: HTTP 400{said}"


def test_messages_of_one_failure_are_the_same_with_every_try() -> None:
    first, second = (
        failure(a_target(), an_error_reply(429, f"Please try again in {wait}. (req_{request}abcdefgh)"))
        for wait, request in (("120ms", "x1"), ("3.2s", "y22"))
    )
    assert str(first) == str(second)


def test_the_key_is_not_repeated() -> None:
    error = failure(a_target(), an_error_reply(401, f"Incorrect API key provided: {CANARY}"))
    assert str(error) == 'authentication failed: HTTP 401: "Incorrect API key provided: [redacted]"'
