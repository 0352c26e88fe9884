"""The free check of Ollama: the model's description, else the list of models; and what they say of the window."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from kubechain.llm import hosts
from kubechain.llm.client import ModelFacts, Target
from kubechain.llm.dialects import model_lists, probing
from kubechain.llm.dialects.dialect import own_options, request_json
from kubechain.llm.dialects.json_values import count, mapping
from kubechain.llm.dialects.ollama.options import OllamaOptions
from kubechain.llm.endpoints import SHOW, TAGS
from kubechain.llm.errors import ModelNotFound
from kubechain.llm.exchange import HttpReply
from kubechain.llm.failures import NO_SUCH_PATH, describe, failure, failure_inside

DEFAULT_NUM_CTX = 4_096
"""The least that a server gives a model for which nobody says more. It does not tell; some machines get more."""

_NUM_CTX = re.compile(r"^\s*num_ctx\s+(\d{1,9})\s*$", re.MULTILINE)
_DESCRIPTION = ("model_info", "details", "capabilities")


def probe(target: Target) -> probing.Probe:
    """See `Dialect.probe`."""
    body = request_json({"model": target.model})
    shown = yield target.endpoint.call("POST", SHOW, model=target.model, api_key=target.api_key, body=body)
    description = mapping(model_lists.body_of(shown))
    if shown.status == 200 and any(isinstance(description.get(name), (dict, list)) for name in _DESCRIPTION):
        return (yield from probing.proof_of_key(target, SHOW, facts_of(target, description), body=body))
    probing.look_at_refusal(target, shown, SHOW)
    if probing.is_denied(target, shown):
        raise _not_pulled(target, describe(target, shown))
    if shown.status in NO_SUCH_PATH:
        return (yield from _by_list(target, shown))
    sort = failure_inside if shown.status == 200 else failure
    raise sort(target, shown, operation=SHOW)


def _by_list(target: Target, shown: HttpReply) -> probing.Probe:
    """Look for the model in the list: what stands before a server may let nothing else through."""
    listing = yield target.endpoint.call("GET", TAGS, model=target.model, api_key=target.api_key)
    names = model_lists.names(listing)
    if names is None:
        raise failure(target, shown, operation=SHOW)
    if names & {target.model, f"{target.model}:latest"}:
        return (yield from probing.proof_of_key(target, TAGS, None))
    raise _not_pulled(target, "the server does not list it")


def _not_pulled(target: Target, why: str) -> ModelNotFound:
    advice = "pull it on the server (ollama pull), or correct parameters.model"
    return ModelNotFound(f'model not found: "{target.model}": {why}: {advice}', http_status=404)


def facts_of(target: Target, description: Mapping[str, Any]) -> ModelFacts | None:
    """Return the window that the model really has: the server cuts what does not fit into it."""
    info = mapping(description.get("model_info"))
    most = next((count(value) for name, value in info.items() if name.endswith(".context_length")), 0)
    if description.get("remote_host") or hosts.is_ollama(target.endpoint.base.host):
        return ModelFacts(context_window=most) if most else None
    given = own_options(target, OllamaOptions).num_ctx or _of_model(description) or DEFAULT_NUM_CTX
    return ModelFacts(context_window=min(given, most) if most else given)


def _of_model(description: Mapping[str, Any]) -> int:
    """Return the window that the model's own parameters set; 0 where they set none."""
    found = _NUM_CTX.search(str(description.get("parameters") or ""))
    return int(found[1]) if found else 0
