"""The free check: which requests prove the key and the model, and what their replies prove."""

from __future__ import annotations

from collections.abc import Generator
from urllib.parse import quote

from kubechain.llm.client import Accepted, Target, Unverified, Verdict
from kubechain.llm.dialects.json_values import items, json_object, mapping
from kubechain.llm.dialects.openai_chat.options import options_of
from kubechain.llm.endpoints import MODELS
from kubechain.llm.errors import ModelNotFound
from kubechain.llm.exchange import HttpCall, HttpReply
from kubechain.llm.failures import failure

_NOT_SERVED = frozenset({404, 405, 501})
"""Statuses of a server that does not have what was asked for: the model, or this request at all."""


def probe(target: Target) -> Generator[HttpCall, HttpReply, Verdict]:
    """See `Dialect.probe`: ask for the model's description, and where there is none for the list of models.

    A 404 to the first can mean that the server describes no single models (llama.cpp does not), so the list decides.
    """
    flavour = options_of(target).flavour
    if not flavour.describes_models:
        _require_success(target, (yield _get(target, MODELS)))
        return Accepted()
    described = yield _get(target, f"{MODELS}/{quote(target.model, safe='')}")
    if described.status == 200:
        return Accepted()
    if described.status not in _NOT_SERVED:
        raise failure(target, described)
    listing = yield _get(target, MODELS)
    if listing.status in _NOT_SERVED and not flavour.always_lists_models:
        return Unverified("the server neither describes nor lists its models")
    _require_success(target, listing)
    if target.model not in _listed_models(listing):
        raise ModelNotFound(f'model not found: "{target.model}": the server does not list it', http_status=404)
    return Accepted()


def _get(target: Target, operation: str) -> HttpCall:
    return target.endpoint.call("GET", operation, model=target.model, api_key=target.api_key)


def _require_success(target: Target, reply: HttpReply) -> None:
    if reply.status != 200:
        raise failure(target, reply)


def _listed_models(reply: HttpReply) -> set[str]:
    names: set[str] = set()
    for item in items(json_object(reply).get("data")):
        model = mapping(item)
        names.update(str(name) for name in (model.get("id"), *items(model.get("aliases"))) if name)
    return names
