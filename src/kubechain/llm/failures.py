"""A provider's error reply turned into the `LLMError` that says what follows from it.

`provider_errors` reads what the reply says, `meanings` holds what codes and words mean. The status decides where it
tells enough; the codes and words decide where it does not: no credit comes with any status, and a gateway whose
upstream failed may say 200.
"""

from __future__ import annotations

from kubechain.api.usage import Usage
from kubechain.llm import meanings
from kubechain.llm.auth import clear_key
from kubechain.llm.client import Target
from kubechain.llm.endpoints import CHAT_COMPLETIONS
from kubechain.llm.errors import (
    AuthenticationFailed,
    ContextTooLong,
    LLMError,
    ModelNotFound,
    ProviderDataRefused,
    QuotaExhausted,
    RateLimited,
    RequestRefused,
    ServerFailed,
    WrongAddress,
)
from kubechain.llm.exchange import HttpReply
from kubechain.llm.meanings import Meaning
from kubechain.llm.provider_errors import ProviderError, provider_error
from kubechain.llm.redaction import foreign_text
from kubechain.net.retry_after import retry_after_seconds

_AGAIN = frozenset({408, 409, 425, 529})
NO_SUCH_PATH = frozenset({404, 405, 501})
"""Statuses of a server that does not have what was asked for: the model, the path, or the method."""
PASSING = frozenset({408, 409, 425, 429, *range(500, 600)}) - NO_SUCH_PATH
"""Statuses of which the same request may get another one later."""
_CREDIT_STATUSES = range(400, 500)
"""The words of a failing server (5xx) are not taken for those of the account; its codes are."""


def failure(target: Target, reply: HttpReply, *, operation: str = CHAT_COMPLETIONS) -> LLMError:
    """Sort a reply that is not a success; the caller raises what this returns.

    Args:
        operation: What was asked for, for the URL in the message.
    """
    said = provider_error(reply)
    meaning, what = _meaning(reply.status, said), _describe(target, reply, said)
    if _is_wrong_address(target, reply.status, said, meaning):
        return _wrong_address(target, operation, what, reply)
    if reply.status == 400 and meaning is Meaning.REQUEST and meanings.is_stale_data(said):
        return ProviderDataRefused(f"request refused: {what}", http_status=reply.status)
    if _is_too_long(reply.status, said, meaning):
        return ContextTooLong(f"request refused: {what}", http_status=reply.status)
    return _error(target, meaning, what, http_status=reply.status, wait=_wait(reply, said))


def failure_inside(
    target: Target, reply: HttpReply, *, usage: Usage | None = None, operation: str = CHAT_COMPLETIONS
) -> LLMError:
    """Sort an error that came with a success of HTTP: by its own code, else by its words, else as one that may pass.

    Args:
        usage: What the provider counted nevertheless; None where it does not say.
        operation: What was asked for, for the URL in the message.
    """
    error = _failure_inside(target, reply, operation)
    error.usage = usage or error.usage
    return error


def _failure_inside(target: Target, reply: HttpReply, operation: str) -> LLMError:
    said = provider_error(reply)
    if said.is_page:
        return _wrong_address(target, operation, _describe(target, reply, said), reply)
    status = meanings.http_status(said)
    meaning = meanings.by_code(said) or (_meaning(status, said) if status else meanings.by_text(said))
    what = _describe(target, reply, said)
    if _is_too_long(status or 400, said, meaning):
        return ContextTooLong(f"request refused: {what}", http_status=status)
    return _error(target, meaning or Meaning.SERVER, what, http_status=status, wait=_wait(reply, said))


def key_or_credit_failure(target: Target, reply: HttpReply, operation: str) -> LLMError | None:
    """Return the failure of a reply that proves that the key or the account is refused; None for any other reply.

    A 403 proves it only where its words are about the key: a key may be good and yet not allowed to list models.
    """
    if reply.status == 200 and not is_error(reply):
        return None
    sort = failure_inside if reply.status == 200 else failure
    error = sort(target, reply, operation=operation)
    said = provider_error(reply)
    is_about_key = meanings.by_code(said) is Meaning.KEY or meanings.is_key_text(said)
    if isinstance(error, AuthenticationFailed):
        return error if reply.status != 403 or is_about_key else None
    return error if isinstance(error, QuotaExhausted) else None


def describe(target: Target, reply: HttpReply) -> str:
    """Return status and words of a reply, redacted and cut."""
    return _describe(target, reply, provider_error(reply))


def is_error(reply: HttpReply) -> bool:
    """Whether the body of a reply speaks of an error, whatever its status."""
    said = provider_error(reply)
    return said.is_page or bool(said.text) or meanings.by_code(said) is not None


def _meaning(status: int, said: ProviderError) -> Meaning:
    code = meanings.by_code(said)
    is_credit_text = status in _CREDIT_STATUSES and meanings.is_no_credit_text(said)
    if status == 402 or code is Meaning.NO_CREDIT or is_credit_text:
        return Meaning.NO_CREDIT
    match status:
        case 429:
            return Meaning.RATE
        case 403 if code is Meaning.RATE:
            return Meaning.RATE
        case 401 | 403 | 407:
            return Meaning.KEY
        case 404:
            return Meaning.MODEL
        case 400 | 422 if code in (Meaning.KEY, Meaning.MODEL):
            return code
        case 400 if meanings.is_key_text(said):
            return Meaning.KEY
        case _ if status >= 500 or status in _AGAIN:
            return Meaning.SERVER
        case _:
            return Meaning.REQUEST


def _is_too_long(status: int, said: ProviderError, meaning: Meaning | None) -> bool:
    """Whether a shorter conversation may be taken. A gateway with a limit of its own says 413 and nothing else."""
    if meaning in (Meaning.NO_CREDIT, Meaning.KEY, Meaning.MODEL) or status not in meanings.TOO_LONG_STATUSES:
        return False
    return status == 413 or meanings.is_too_long(said)


def _is_wrong_address(target: Target, status: int, said: ProviderError, meaning: Meaning) -> bool:
    if 300 <= status < 400:
        return True
    if status not in NO_SUCH_PATH or meaning is Meaning.NO_CREDIT:
        return False
    return meanings.is_missing_path(said) or not meanings.is_missing_model(said, target.model)


def _wrong_address(target: Target, operation: str, what: str, reply: HttpReply) -> LLMError:
    url = target.endpoint.url(operation, target.model).partition("?")[0]
    if 300 <= reply.status < 400:
        location = foreign_text(reply.headers.get("location", ""), secret=clear_key(target.api_key))
        to = f' to "{location}"' if location else ""
        return WrongAddress(f"baseUrl redirects{to}, name its final address: {url}: {what}", http_status=reply.status)
    repair = target.endpoint.likely_repair(operation)
    return WrongAddress(f"nothing to call at {url}: {what}: check baseUrl: {repair}", http_status=reply.status)


def _error(target: Target, meaning: Meaning, what: str, *, http_status: int | None, wait: float | None) -> LLMError:
    match meaning:
        case Meaning.NO_CREDIT:
            return QuotaExhausted(f"quota exhausted: {what}", http_status=http_status)
        case Meaning.KEY:
            return AuthenticationFailed(f"authentication failed: {what}", http_status=http_status)
        case Meaning.MODEL:
            return ModelNotFound(f'model not found: "{target.model}": {what}', http_status=http_status)
        case Meaning.RATE:
            return RateLimited(f"rate limited: {what}", http_status=http_status, retry_after_seconds=wait)
        case Meaning.SERVER:
            return ServerFailed(f"provider failed: {what}", http_status=http_status, retry_after_seconds=wait)
        case Meaning.REQUEST:
            return RequestRefused(f"request refused: {what}", http_status=http_status)


def _wait(reply: HttpReply, said: ProviderError) -> float | None:
    told = retry_after_seconds(reply.headers, now=reply.received_at)
    return said.retry_after_seconds if told is None else told


def _describe(target: Target, reply: HttpReply, said: ProviderError) -> str:
    # A rate limit's text tells what was used and how long to wait: other numbers each time, the same failure.
    secret = clear_key(target.api_key)
    text = foreign_text(said.text, secret=secret, mask_numbers=reply.status == 429)
    what = f"HTTP {reply.status}: a web page" if said.is_page else f"HTTP {reply.status}"
    if text:
        return f'{what}: "{text}"'
    codes = foreign_text(", ".join(sorted(said.codes)), secret=secret)
    return f"{what}: code {codes}" if codes else what
