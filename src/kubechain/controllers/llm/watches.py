"""The index of LLMs by their Secret, and the maps from a changed Secret or fallback to the LLMs that name it."""

from __future__ import annotations

from collections.abc import Callable

from kubechain.api.llm import LLM
from kubechain.controllers import fallbackusers
from kubechain.runtime.keys import Request
from kubechain.runtime.metadata import Metadata
from kubechain.runtime.store import Lister

BY_KEY_SOURCE = "llms-by-key-source"


def secret_index(llm: LLM) -> list[str]:
    """The Secret that holds the key of an LLM."""
    source = llm.spec.api_key_from
    return [f"{llm.metadata.namespace}/{source.secret_key_ref.name}"] if source else []


def llm_requests_for_secret(llms: Lister[LLM], secret: Metadata | Request) -> list[Request]:
    """The LLMs whose key is in a Secret."""
    key = f"{secret.namespace}/{secret.name}"
    return [Request(llm.metadata.namespace, llm.metadata.name) for llm in llms.by_index(BY_KEY_SOURCE, key)]


def llm_requests_for_fallback(llms: Lister[LLM]) -> Callable[[LLM], list[Request]]:
    """From a changed LLM to those that have it as a fallback."""
    return lambda llm: [
        Request(user.metadata.namespace, user.metadata.name) for user in fallbackusers.users_of(llms, llm)
    ]
