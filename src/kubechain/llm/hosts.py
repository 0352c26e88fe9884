"""Hosts whose ways are known without a question: those of OpenAI, Azure, Mistral and Anthropic. Pure."""

from __future__ import annotations

OPENAI = "api.openai.com"
MISTRAL = "api.mistral.ai"
ANTHROPIC = "api.anthropic.com"

_AZURE = (".openai.azure.com", ".cognitiveservices.azure.com", ".services.ai.azure.com", ".openai.azure.us")


def is_openai(host: str) -> bool:
    """Whether a host is OpenAI's own, in any region (`eu.api.openai.com`)."""
    return host == OPENAI or host.endswith(f".{OPENAI}")


def is_azure(host: str) -> bool:
    """Whether a host is one of a resource on Azure."""
    return host.endswith(_AZURE)


def is_mistral(host: str) -> bool:
    """Whether a host is Mistral's own."""
    return host == MISTRAL or host.endswith(".mistral.ai")


def is_anthropic(host: str) -> bool:
    """Whether a host is Anthropic's own."""
    return host == ANTHROPIC
