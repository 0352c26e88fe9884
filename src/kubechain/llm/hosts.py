"""Hosts whose ways are known without a question: those of the providers themselves. Pure."""

from __future__ import annotations

OPENAI = "api.openai.com"
MISTRAL = "api.mistral.ai"
ANTHROPIC = "api.anthropic.com"
OLLAMA = "ollama.com"
GOOGLE = "generativelanguage.googleapis.com"

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


def is_ollama(host: str) -> bool:
    """Whether a host is Ollama's own, where models run in its cloud."""
    return host == OLLAMA or host.endswith(f".{OLLAMA}")


def is_vertex(host: str) -> bool:
    """Whether a host is Vertex AI: global, of a region, or of a group of regions."""
    is_group = host.startswith("aiplatform.") and host.endswith(".rep.googleapis.com")
    return host == "aiplatform.googleapis.com" or host.endswith("-aiplatform.googleapis.com") or is_group


def gives_google_tokens(host: str) -> bool:
    """Whether a host is one of Google's token endpoints."""
    return host in {"oauth2.googleapis.com", "www.googleapis.com", "accounts.google.com"}


def is_bedrock(host: str) -> bool:
    """Whether a host is Amazon Bedrock, in any region."""
    return host.startswith("bedrock-") and host.endswith((".api.aws", ".amazonaws.com", ".amazonaws.com.cn"))


def is_google(host: str) -> bool:
    """Whether a host is that of Google's Gemini API."""
    return host == GOOGLE
