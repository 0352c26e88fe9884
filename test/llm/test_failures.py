"""Which reply has which consequence."""

from __future__ import annotations

from typing import Any

import pytest

from kubechain.llm import errors
from kubechain.llm.exchange import HttpReply
from kubechain.llm.failures import failure, failure_inside
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
                (404, errors.WrongAddress),
                (405, errors.WrongAddress),
                (501, errors.WrongAddress),
                (408, errors.ServerFailed),
                (409, errors.ServerFailed),
                (413, errors.ContextTooLong),
                (422, errors.RequestRefused),
                (425, errors.ServerFailed),
                (429, errors.RateLimited),
                (500, errors.ServerFailed),
                (503, errors.ServerFailed),
                (529, errors.ServerFailed),
                (204, errors.RequestRefused),
                (307, errors.WrongAddress),
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
        pytest.param({"code": 400, "msg": "Nope."}, ': "Nope."', id="flat code and msg"),
        pytest.param({"error_code": 110, "error_msg": "Nope."}, ': "Nope."', id="flat error_code and error_msg"),
        pytest.param(
            {"detail": [{"loc": ["body", "messages"], "msg": "Field required"}, {"loc": ["body", 0], "msg": "No."}]},
            ': "body.messages: Field required; body.0: No."',
            id="FastAPI's list",
        ),
        pytest.param({"errors": [{"message": "Nope."}], "success": False}, ': "Nope."', id="a list of errors"),
        pytest.param({"errors": ["Nope.", "No."]}, ': "Nope.; No."', id="a list of texts"),
        pytest.param(
            {"error": {"message": "Provider returned error", "metadata": {"raw": '{"error":{"message":"Nope."}}'}}},
            ': "Provider returned error: Nope."',
            id="the words of the server behind a gateway",
        ),
        pytest.param({"error": {"message": '{"error": {"message": "Nope."}}'}}, ': "Nope."', id="encoded twice"),
        pytest.param({"error": "bad_request", "message": "No such key."}, ': "No such key."', id="a code and a text"),
        pytest.param({"base_resp": {"status_code": 1, "status_msg": "Nope."}}, ': "Nope."', id="MiniMax"),
        pytest.param("Nope.", ': "Nope."', id="a JSON string"),
        pytest.param(b"Nope.\n", ': "Nope."', id="plain text"),
        pytest.param(b"first\nsecond", ': "first"', id="of plain text one line: it may be another server's file"),
        pytest.param(b"\x15\x03\x01\x00\x02\x02P", "", id="bytes of another protocol"),
        pytest.param({"error": {"code": "E42"}}, ": code E42", id="a code without words"),
        pytest.param(
            b"<html><head><title>Bad &amp; ugly</title></head><body>x</body>",
            ': a web page: "Bad & ugly"',
            id="of a web page its title",
        ),
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


# --- by meaning

NO_CREDIT: list[tuple[int, Any]] = [
    (429, {"error": {"message": "Your account is suspended", "type": "exceeded_current_quota_error"}}),
    (429, {"error": {"code": "1113", "message": "余额不足或无可用资源包,请充值。"}}),
    (429, {"error": {"message": "You exceeded your current quota, please check your plan and billing details."}}),
    (402, {}),
    (403, {"error": {"message": "Your credits are exhausted."}}),
    (403, {"code": "30001", "message": "Sorry, your account balance is insufficient", "data": None}),
    (403, {"error": {"code": "insufficient_user_quota", "message": "x"}}),
    (403, {"error": {"code": "AccountOverdueError", "message": "x"}}),
    (
        400,
        {
            "error": {
                "code": "Arrearage",
                "message": "Access denied, please make sure your account is in good standing.",
            }
        },
    ),
    (400, {"type": "error", "error": {"type": "invalid_request_error", "message": "Your credit balance is too low."}}),
    (400, {"error": {"type": "budget_exceeded", "message": "Budget has been exceeded!"}}),
    (500, {"error": {"code": "insufficient_quota"}}),
]


@pytest.mark.parametrize(("status", "body"), NO_CREDIT)
def test_no_credit_is_final_however_it_is_spelled(status: int, body: object) -> None:
    assert type(failure(a_target(), a_reply(status, body))) is errors.QuotaExhausted


def test_a_limit_of_requests_that_speaks_of_a_quota_is_a_limit_of_requests() -> None:
    error = {
        "code": 429,
        "message": "You exceeded your current quota, please check your plan and billing details.",
        "status": "RESOURCE_EXHAUSTED",
        "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34s"}],
    }
    limited = failure(a_target(), a_reply(429, [{"error": error}]))
    assert isinstance(limited, errors.RateLimited)
    assert limited.retry_after_seconds == 34


@pytest.mark.parametrize(
    ("headers", "body", "seconds"),
    [
        pytest.param({"retry-after": "30s"}, {}, 30, id="a duration"),
        pytest.param({"retry-after": "1m30s"}, {}, 90, id="a longer duration"),
        pytest.param({"retry-after": "500ms"}, {}, 0.5, id="milliseconds"),
        pytest.param({"retry-after": "30 seconds"}, {}, 30, id="a unit that is written out"),
        pytest.param({"retry-after": "Sun, 22 Nov 2026 12:00:20 GMT"}, {}, 20, id="a date"),
        pytest.param({"retry-after": "1795348820"}, {}, 20, id="a Unix time"),
        pytest.param({"x-ratelimit-reset-requests": "1s", "x-ratelimit-remaining-requests": "0"}, {}, 1, id="a reset"),
        pytest.param({}, {"error": {"retry_after": 7}}, 7, id="a field of the body"),
        pytest.param({}, {"error": {"metadata": {"headers": {"Retry-After": "9"}}}}, 9, id="a header in the body"),
        pytest.param({}, {"error": {"message": "Please try again in 1.5s."}}, 1.5, id="words"),
        pytest.param({}, {"error": {"message": "Please retry after 20 seconds."}}, 20, id="words with a unit"),
        pytest.param({"retry-after": "soon"}, {}, None, id="nonsense"),
    ],
)
def test_the_wait_is_read_in_every_form(headers: dict[str, str], body: object, seconds: float | None) -> None:
    error = failure(a_target(), a_reply(429, body, headers))
    assert isinstance(error, errors.RateLimited)
    assert error.retry_after_seconds == seconds


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"error": {"code": "invalid_api_key", "message": "x"}}, errors.AuthenticationFailed),
        ({"error": {"code": "429", "message": "x"}}, errors.RateLimited),
        ({"error": {"code": 503, "message": "x"}}, errors.ServerFailed),
        ({"error": "Rate limit exceeded"}, errors.RateLimited),
        ({"error": "Invalid API key"}, errors.AuthenticationFailed),
        ({"error": "something else"}, errors.ServerFailed),
        ({"code": "ModelNotExist", "message": "x"}, errors.ModelNotFound),
        ({"code": 1302, "msg": "x"}, errors.RateLimited),
        ({"code": 401, "msg": "x"}, errors.AuthenticationFailed),
        ({"error": {"code": "insufficient_quota"}}, errors.QuotaExhausted),
        ({"base_resp": {"status_code": 1004, "status_msg": "login fail"}}, errors.AuthenticationFailed),
        ({"error": {"type": "invalid_request_error", "message": "x"}}, errors.RequestRefused),
        (b"<!DOCTYPE html><html></html>", errors.WrongAddress),
    ],
)
def test_an_error_inside_a_success_counts_by_its_meaning(body: object, kind: type[errors.LLMError]) -> None:
    assert type(failure_inside(a_target(), a_reply(200, body))) is kind


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"error": {"message": "The model `gpt-4o` does not exist"}}, errors.ModelNotFound),
        ({"error": {"code": "DeploymentNotFound", "message": "x"}}, errors.ModelNotFound),
        ({"error": {"message": "No endpoints found for gpt-4o."}}, errors.ModelNotFound),
        ({"detail": "Not Found"}, errors.WrongAddress),
        (b"404 page not found", errors.WrongAddress),
        (b"", errors.WrongAddress),
        (b"<html><title>404 Not Found</title></html>", errors.WrongAddress),
        ({"error": {"message": "Invalid URL (POST /chat/completions)"}}, errors.WrongAddress),
    ],
)
def test_a_404_is_about_the_model_only_where_it_says_so(body: object, kind: type[errors.LLMError]) -> None:
    assert type(failure(a_target(), a_reply(404, body))) is kind


@pytest.mark.parametrize(
    ("base_url", "advice"),
    [
        ("http://127.0.0.1:1", 'it should end in "/v1", as the base URLs of most servers do'),
        ("http://127.0.0.1:1/v1/chat/completions", 'leave out "/chat/completions"'),
        ("http://127.0.0.1:1/v1/models", 'leave out "/models"'),
        ("http://127.0.0.1:1/v1", "it should be the address below which the server has chat/completions"),
        (
            "https://x.openai.azure.com",
            'it should end in "/openai/v1"; or set openai.apiType to AZURE, and leave the path out',
        ),
    ],
)
def test_a_wrong_base_url_is_named_with_its_likely_repair(base_url: str, advice: str) -> None:
    error = failure(a_target(base_url=base_url), a_reply(404, {"detail": "Not Found"}))
    assert (
        str(error) == f'nothing to call at {base_url}/chat/completions: HTTP 404: "Not Found": check baseUrl: {advice}'
    )


def test_the_path_that_azure_adds_must_not_be_given() -> None:
    settings = {"apiType": "AZURE", "apiVersion": "2024-10-21"}
    target = a_target(base_url="https://x.openai.azure.com/openai", openai=settings)
    error = str(failure(target, a_reply(404, {"error": {"code": "404", "message": "Resource not found"}})))
    assert error.endswith(': check baseUrl: leave out "/openai", which openai.apiType AZURE adds')
