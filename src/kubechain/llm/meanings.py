"""What an error of a model server means, by its status, its codes and its words. Pure tables.

A provider may tell the same failure by any status: no credit comes as 402, 429, 403 or 400, and gateways wrap every
failure in a 200. Codes are compared in lower case and without separators, so `InvalidApiKey` is `invalid_api_key`.
"""

from __future__ import annotations

import re
from enum import Enum

from kubechain.llm.provider_errors import ProviderError


class Meaning(Enum):
    """What follows from an error; ordered by how much a code of it tells."""

    NO_CREDIT = 402
    KEY = 401
    MODEL = 404
    RATE = 429
    SERVER = 503
    REQUEST = 400


_CODES: dict[Meaning, str] = {
    Meaning.NO_CREDIT: """insufficient_quota billing_hard_limit_reached billing_limit_reached billing_not_active
        billing_error insufficient_balance insufficient_balance_error insufficient_credits insufficient_credit
        insufficient_funds insufficient_user_quota exceeded_current_quota_error credit_balance_too_low payment_required
        arrearage account_overdue_error account_arrears out_of_credits no_credits budget_exceeded quota_exhausted
        pre_consume_token_quota_failed enforced_spend_limit_reached contract_spend_limit_reached
        linked_organization_spend_limit_reached linked_organization_billing_unavailable 1113 1008""",
    Meaning.KEY: """invalid_api_key api_key_invalid incorrect_api_key incorrect_api_key_error authentication_error
        invalid_authentication invalid_authentication_error authentication_failed auth_error unauthorized
        unauthorized_error unauthenticated invalid_token token_invalid missing_api_key no_api_key account_deactivated
        invalid_x_api_key invalid_api_key_error permission_error organization_on_hold""",
    Meaning.MODEL: """model_not_found model_not_found_error model_not_exist model_does_not_exist invalid_model
        invalid_model_error unknown_model deployment_not_found model_not_supported resource_not_found_error
        not_found_error 1211""",
    Meaning.RATE: """rate_limit_exceeded rate_limit_error rate_limit_reached rate_limit_reached_error rate_limited
        rate_limit too_many_requests resource_exhausted throttling throttling_rate_quota throttling_allocation_quota
        throttling_exception requests_limit_exceeded request_limit_exceeded tpm_limit rpm_limit tokens_per_min 1302
        1303 1305""",
    Meaning.SERVER: """server_error internal_error internal_server_error internal overloaded overloaded_error
        engine_overloaded_error service_unavailable service_unavailable_error unavailable upstream_error
        bad_gateway bad_response_status_code timeout timeout_error request_timeout model_loading api_error 502 504""",
    Meaning.REQUEST: """invalid_request_error invalid_request bad_request bad_request_error invalid_argument
        invalid_parameter context_length_exceeded content_filter content_policy_violation data_inspection_failed
        unsupported_parameter unsupported_value invalid_prompt bio_policy misalignment_policy_violation
        image_content_policy_violation string_above_max_length request_too_large
        validation_error unprocessable_entity""",
}


def _plain(code: str) -> str:
    return re.sub(r"[^a-z0-9]", "", code.lower())


_MEANING_OF_CODE = {_plain(code): meaning for meaning, codes in _CODES.items() for code in codes.split()}

_NO_CREDIT_TEXT = re.compile(
    r"insufficient (?:account |user )?(?:balance|credits?|funds?|quota)|"
    r"(?:balance|credits?) (?:is|are) (?:too low|insufficient|not enough|exhausted|depleted)|balance is 0\b|"
    r"not enough (?:credits?|balance|funds?)|out of (?:credits?|funds?)|no (?:remaining |more )?credits?\b|"
    r"(?:exceeded|used up|exhausted|depleted) (?:your|the|all|its)[\w\s]{0,24} credits?|requires? more credits|"
    r"payment required|in arrears|arrearage|overdue|account is in good standing|budget has been exceeded|余额不足|欠费",
    re.IGNORECASE,
)
_NO_CREDIT_WEAK_TEXT = re.compile(
    r"exceeded your current quota|check your plan and billing|(?:add|purchase|buy) (?:more )?(?:credits?|funds?)|"
    r"top.?up|recharge|spending limit|billing (?:hard )?limit|\bcredits?\b",
    re.IGNORECASE,
)
"""Said of a limit of requests a minute too, with a code that says so, or with the time to wait."""

_API_KEY = (
    r"(?:invalid|incorrect|wrong|missing|no|bad|expired|unknown|revoked)\b[\w\s-]{0,16}\bapi.?key\b|"
    r"\bapi.?key\b[\w\s-]{0,24}\b(?:invalid|incorrect|not valid|expired|missing|required|not found|revoked)"
)
_API_KEY_TEXT = re.compile(_API_KEY, re.IGNORECASE)

_NO_PATH_TEXT = re.compile(
    r"^\W*(?:(?:404|405|501)?\W*(?:page |file |path |resource |url )?(?:not found|method not allowed))\W*$|"
    r"cannot (?:post|get)\b|no route|route (?:matched|not found)|no such (?:path|endpoint|route)|invalid url|"
    r"unknown (?:request )?(?:url|path|endpoint|route)|unsupported method|method not allowed|not implemented|"
    r"requested (?:url|path|resource)",
    re.IGNORECASE,
)

_STALE_DATA_TEXT = re.compile(
    r"thought.?signature|signature\W{0,3} in \W?(?:redacted_)?thinking|thinking\W? blocks? .{0,80}cannot be modified|"
    r"encrypted.?content|(?:type \W?reasoning|reasoning\W? item).{0,80}without its",
    re.IGNORECASE | re.DOTALL,
)
"""Gemini, Anthropic, OpenAI."""

_TOO_LONG_CODES = """context_length_exceeded context_window_exceeded context_window_exceeded_error 3051 1261
    exceed_context_size_error model_context_window_exceeded request_too_large input_too_long prompt_too_long"""
_TOO_LONG = frozenset(_plain(code) for code in _TOO_LONG_CODES.split())
_TOO_LONG_TEXT = re.compile(
    r"(?:maximum|max|model'?s?) (?:context|prompt|model) (?:length|window|size)|context_?(?: ?window|length)exceeded|"
    r"(?:exceed\w*|longer than|larger than|greater than|beyond|fits? (?:in|into))\b.{0,80}?"
    r"\bcontext (?:window|size|length|limit)|"
    r"context (?:window|length|size)\b.{0,24}\bexceed|exceeded model token limit|"
    r"(?:prompt|input|request|conversation|messages)\W? (?:is|are|was) too (?:long|large)|too many (?:input )?tokens|"
    r"input (?:token count|length|tokens).{0,60}(?:exceed|supports? up to|should be|must be)|"
    r"reduce (?:the length of (?:the|your) (?:messages|prompt|input)|your (?:prompt|message) (?:size|length))|"
    r"tokens?\W? \+ \W?max_(?:new_)?tokens\W? must be|too large for model with|超长",
    re.IGNORECASE | re.DOTALL,
)
"""OpenAI and Azure, Anthropic, Gemini and Vertex, Mistral, Bedrock, xAI, Groq, Moonshot, vLLM, TGI, llama.cpp."""
TOO_LONG_STATUSES = frozenset({400, 413, 422, 500})
"""Statuses that come with these words; llama.cpp said 500."""

_TEXTS: tuple[tuple[Meaning, re.Pattern[str]], ...] = (
    (
        Meaning.KEY,
        re.compile(
            r"(?:invalid|incorrect|wrong|missing|no|bad|expired|unknown|revoked)\b[\w\s-]{0,16}\b(?:token|credentials?)\b"
            rf"|{_API_KEY}|unauthori[sz]ed|authentication|not authenticated|login fail",
            re.IGNORECASE,
        ),
    ),
    (
        Meaning.MODEL,
        re.compile(
            r"(?:model|deployment)\b.{0,200}?(?:does(?: not|n't) exist|do(?: not|n't) exist|not found|not exist|"
            r"is not a valid|not supported|unknown|is not available)|"
            r"(?:no such|unknown|invalid|no) (?:model|deployment)\b|not a valid model|could not find (?:the )?model",
            re.IGNORECASE | re.DOTALL,
        ),
    ),
    (Meaning.RATE, re.compile(r"rate.?limit|too many requests|too frequent|quota exceeded|throttl", re.IGNORECASE)),
    (
        Meaning.SERVER,
        re.compile(
            r"overloaded|internal (?:server )?error|temporarily|unavailable|try again|timed? ?out|upstream|capacity|"
            r"busy|loading",
            re.IGNORECASE,
        ),
    ),
    (
        Meaning.REQUEST,
        re.compile(
            r"context length|maximum context|too long|invalid (?:request|parameter|value)|must be", re.IGNORECASE
        ),
    ),
)


def by_code(said: ProviderError) -> Meaning | None:
    """Return what the codes of an error mean; of several the one that tells most."""
    found = {_MEANING_OF_CODE.get(_plain(code)) for code in said.codes}
    return next((meaning for meaning in Meaning if meaning in found), None)


def by_text(said: ProviderError) -> Meaning | None:
    """Return what the words of an error mean; None where they tell nothing."""
    if is_no_credit_text(said):
        return Meaning.NO_CREDIT
    return next((meaning for meaning, pattern in _TEXTS if pattern.search(said.text)), None)


def is_no_credit_text(said: ProviderError) -> bool:
    """Whether the words of an error say that the account has no credit left."""
    if _NO_CREDIT_TEXT.search(said.text):
        return True
    is_rate = said.retry_after_seconds is not None or by_code(said) is Meaning.RATE
    return not is_rate and _NO_CREDIT_WEAK_TEXT.search(said.text) is not None


def is_key_text(said: ProviderError) -> bool:
    """Whether the words of an error say that the API key is not accepted."""
    return _API_KEY_TEXT.search(said.text) is not None


def is_missing_model(said: ProviderError, model: str) -> bool:
    """Whether an error says that there is no such model: the words of its own code, or its name."""
    return model in said.text or by_code(said) is Meaning.MODEL or by_text(said) is Meaning.MODEL


def is_missing_path(said: ProviderError) -> bool:
    """Whether an error is the one of a server that has no such path: a web page, no words, or those of a router."""
    return said.is_page or not said.text or _NO_PATH_TEXT.search(said.text) is not None


def is_stale_data(said: ProviderError) -> bool:
    """Whether an error says that what the provider sent with an earlier message is not accepted any more."""
    return _STALE_DATA_TEXT.search(" ".join((said.text, *said.codes))) is not None


def is_too_long(said: ProviderError) -> bool:
    """Whether an error says that the conversation is longer than the model's window."""
    return not _TOO_LONG.isdisjoint(map(_plain, said.codes)) or _TOO_LONG_TEXT.search(said.text) is not None


def http_status(said: ProviderError) -> int | None:
    """Return the HTTP status that the codes of an error name, such as `"429"`."""
    numbers = [int(code) for code in said.codes if re.fullmatch(r"[45]\d\d", code, re.ASCII)]
    return max(numbers, default=None)
