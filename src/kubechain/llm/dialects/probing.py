"""The free check: which requests prove the key and the model, and what their replies prove.

It asks for the model's description, then for the list of models. Where neither tells anything, it looks whether the
server has the operation of a model call at all, by requests that ask for no answer. A key is proved only where a wrong
one is refused: many servers give their list to everybody.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import Any
from urllib.parse import quote

from pydantic import SecretStr

from kubechain.llm import meanings
from kubechain.llm.client import Accepted, ModelFacts, Target, Unverified, Verdict
from kubechain.llm.dialects import model_lists
from kubechain.llm.dialects.json_values import mapping
from kubechain.llm.endpoints import MODELS
from kubechain.llm.errors import ConnectionLost, InvalidAnswer, ModelNotFound, TimedOut, WrongAddress
from kubechain.llm.exchange import HttpCall, HttpReply
from kubechain.llm.failures import (
    NO_SUCH_PATH,
    PASSING,
    describe,
    failure,
    failure_inside,
    is_error,
    key_or_credit_failure,
)
from kubechain.llm.provider_errors import is_page, provider_error

Probe = Generator[HttpCall, HttpReply, Verdict]

WRONG_KEY = SecretStr("wrong-key-of-kubechain-check")
"""Sent once to see whether the server refuses it; it names its sender to those who read the server's log."""


def probe(target: Target, operation: str, *, describes_models: bool = True) -> Probe:
    """See `Dialect.probe`.

    Args:
        operation: Path of a model call below the base URL.
        describes_models: Whether `GET models/{id}` proves a model; else there is only a list, which proves the key.
    """
    description = f"{MODELS}/{quote(target.model, safe='')}"
    notes: list[str] = []
    described: HttpReply | None = None
    if describes_models:
        described = yield _get(target, description)
        if model_lists.describes(described, target.model):
            return (yield from proof_of_key(target, description, model_lists.facts(described)))
        look_at_refusal(target, described, description)
        notes.append(_note(target, described, description))
    listing = yield _get(target, MODELS)
    notes.append(_note(target, listing, MODELS))
    names = model_lists.names(listing)
    if names is None:
        look_at_refusal(target, listing, MODELS)
    elif described is None or target.model in names:
        return (yield from proof_of_key(target, MODELS, model_lists.facts(listing, target.model)))
    if described is not None and is_denied(target, described):
        raise ModelNotFound(f'model not found: "{target.model}": {notes[0]}', http_status=404)
    replies = [reply for reply in (described, listing) if reply]
    return (yield from _without_proof(target, operation, replies, names, notes))


def _without_proof(
    target: Target, operation: str, replies: list[HttpReply], names: frozenset[str] | None, notes: list[str]
) -> Probe:
    """Decide on a server that shows neither the model nor a list with it."""
    if names is not None:
        if names and target.endpoint.is_official:
            raise ModelNotFound(f'model not found: "{target.model}": the server does not list it', http_status=404)
        notes[-1] += ": the model is not listed" if names else ": the list is empty"
        return Unverified("; ".join(notes))
    if any(_is_answer_of_a_model_server(reply) for reply in replies):
        return Unverified("; ".join(notes))
    if passing := next((reply for reply in replies if reply.status in PASSING), None):
        raise failure(target, passing, operation=MODELS)
    return (yield from _proof_of_address(target, operation, notes))


def proof_of_key(target: Target, operation: str, facts: ModelFacts | None, *, body: bytes | None = None) -> Probe:
    """Ask the same with a wrong key, unless the provider is known to refuse one.

    Args:
        facts: What the verdict says of the model.
        body: Of a request that is a POST; None for a GET.
    """
    method = "GET" if body is None else "POST"
    if target.api_key is None or target.endpoint.is_official:
        return Accepted(facts)
    reply = yield target.endpoint.call(method, operation, model=target.model, api_key=WRONG_KEY, body=body)
    if reply.status in (401, 403, 407) or (reply.status != 200 and key_or_credit_failure(target, reply, operation)):
        return Accepted(facts)
    url = target.endpoint.url(operation, target.model)
    return Unverified(f"the model is there; the key was not checked: {method} {url} accepts any key", facts)


def _proof_of_address(target: Target, operation: str, notes: list[str]) -> Probe:
    """Look for the operation itself, by requests to which no server can give an answer that it would bill."""
    asked = yield _get(target, operation)
    if asked.status in (405, 501):
        return Unverified("; ".join(notes))
    url = target.endpoint.url(operation, target.model)
    try:
        reply = yield target.endpoint.call("POST", operation, model=target.model, api_key=target.api_key, body=b"{}")
    except (ConnectionLost, TimedOut) as error:
        return Unverified(f"{'; '.join(notes)}; POST {url} without a message: {error}")
    look_at_refusal(target, reply, operation)
    if reply.status in NO_SUCH_PATH or is_page(reply):
        sort = failure_inside if reply.status == 200 else failure
        raise sort(target, reply, operation=operation)
    if reply.status in PASSING and reply.status != 500:
        raise failure(target, reply, operation=operation)
    if reply.status == 200 and not _is_object(reply):
        raise WrongAddress(
            f"nothing to call at {url}: the reply is no JSON: check baseUrl: {target.endpoint.likely_repair(operation)}"
        )
    return Unverified("; ".join(notes))


def judge(
    target: Target, reply: HttpReply, operation: str, *, is_answer: Callable[[Mapping[str, Any]], bool]
) -> Accepted:
    """See `Dialect.judge`: whether the reply is an answer, whatever is in it.

    Args:
        operation: Path of the call.
        is_answer: Whether the body of a success has the shape of an answer.
    """
    if reply.status not in (200, 201):
        error = failure(target, reply, operation=operation)
        if reply.status == 400 and "output limit was reached" in str(error):  # one token is too few for some models
            return Accepted()
        raise error
    if is_page(reply):
        raise failure_inside(target, reply, operation=operation)
    if is_answer(mapping(model_lists.body_of(reply))):
        return Accepted()
    if is_error(reply):
        raise failure_inside(target, reply, operation=operation)
    raise InvalidAnswer("invalid answer: not an answer of a model")


def _get(target: Target, operation: str) -> HttpCall:
    return target.endpoint.call("GET", operation, model=target.model, api_key=target.api_key)


def _note(target: Target, reply: HttpReply, operation: str) -> str:
    return f"GET {target.endpoint.url(operation, target.model)}: {describe(target, reply)}"


def look_at_refusal(target: Target, reply: HttpReply, operation: str) -> None:
    """Raise what is proved: the key is refused, the account has no credit, or baseUrl redirects."""
    if 300 <= reply.status < 400:
        raise failure(target, reply, operation=operation)
    if error := key_or_credit_failure(target, reply, operation):
        raise error


def is_denied(target: Target, reply: HttpReply) -> bool:
    """Whether the server says in words that it does not have the model; a 404 alone may be about the path."""
    said = provider_error(reply)
    return (
        reply.status in (400, 404)
        and not meanings.is_missing_path(said)
        and meanings.is_missing_model(said, target.model)
    )


def _is_answer_of_a_model_server(reply: HttpReply) -> bool:
    """Whether a reply, or a refusal, is worded by an API in JSON: there is a server behind it that can be called."""
    if reply.status == 200:
        return _is_object(reply) and not is_error(reply)
    is_refusal = 400 <= reply.status < 500 and reply.status not in NO_SUCH_PATH and reply.status not in PASSING
    return is_refusal and _is_object(reply)


def _is_object(reply: HttpReply) -> bool:
    return isinstance(model_lists.body_of(reply), dict)
