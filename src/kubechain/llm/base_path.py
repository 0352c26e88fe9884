"""The path of a base URL that leads nowhere: what is wrong with it in all likelihood. Pure."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from kubechain.llm.hosts import is_azure

_OPERATIONS = ("/chat/completions", "/completions", "/responses", "/messages", "/embeddings", "/models", "/chat")
_VERSION = re.compile(r"/(?:v\d+\w*|openai)(?:/|$)")


def versioned(base_url: str, version: str = "v1") -> str:
    """Return a base URL that ends in a version: people write it with and without."""
    text = base_url.strip().rstrip("/")
    return text if re.search(r"/v\d+\w*$", text) else f"{text}/{version}"


def with_api(base_url: str) -> str:
    """Return a base URL of Ollama that ends in its API, which stands beside the `/v1` that other clients are given."""
    return re.sub(r"/(?:v1|api)$", "", base_url.strip().rstrip("/")) + "/api"


def likely_repair(base_url: str, operation: str = "chat/completions", *, has_deployments: bool) -> str:
    """Return advice, without a full stop.

    Args:
        base_url: As it stands in the LLM, checked before.
        operation: What was not found below it.
        has_deployments: Whether the paths are those of Azure with an API version.
    """
    parts = urlsplit(base_url)
    path = parts.path.rstrip("/")
    surplus = next((one for one in _OPERATIONS if path.endswith(one)), None)
    if surplus:
        return f'leave out "{surplus}"'
    if has_deployments:
        return _of_azure(path)
    if is_azure(parts.hostname or ""):
        return 'it should end in "/openai/v1"; or set openai.apiType to AZURE, and leave the path out'
    if _VERSION.search(path):
        return f"it should be the address below which the server has {operation}"
    return 'it should end in "/v1", as the base URLs of most servers do'


def _of_azure(path: str) -> str:
    if "/openai" in path:
        return f'leave out "{path[path.index("/openai") :]}", which openai.apiType AZURE adds'
    return "it should be the address of the Azure resource, such as https://name.openai.azure.com"
