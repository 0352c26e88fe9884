"""Model providers as one server on loopback: each under a path of its own, with the replies of its own API.

A provider takes its own key, in its own header, and refuses any other in its own words. `test_provider_doubles.py` has
the providers' SDKs call them. Vertex AI is in `vertex`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import parse_qs

from test.e2e.servers.loopback import LoopbackHandler, LoopbackServer

ANSWER = "The moon has no capital."

CLIENT_SECRET = "secret-of-the-client"
ENTRA_TOKEN = "eyJ0-token-of-entra"
TENANT, CLIENT = "11111111-2222-3333-4444-555555555555", "66666666-7777-8888-9999-000000000000"

Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Double:
    """One provider.

    Attributes:
        header: Carries the key; empty for a server that wants none.
        key: All that the header holds.
        described: Path of what costs nothing, below the provider's own.
        description: What it says.
        called: Path of a model call.
        answer: Of the model.
        refusal: Status and body for another key.
        unknown: Body of a 404.
    """

    described: str
    description: Body
    called: str
    answer: Body
    header: str = "authorization"
    key: str = ""
    refusal: tuple[int, Body] = (401, {})
    unknown: Body = field(default_factory=lambda: {"error": {"message": "Not Found"}})

    def reply(self, path: str, headers: Mapping[str, str]) -> tuple[int, Body]:
        """Answer a request."""
        if self.key and headers.get(self.header) != self.key:
            return self.refusal
        found = {self.described: self.description, self.called: self.answer}.get(path)
        return (404, self.unknown) if found is None else (200, found)


def _openai_error(message: str, code: str) -> Body:
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": code}}


def chat_answer(model: str) -> Body:
    """An answer in the words of openai-chat."""
    message = {"role": "assistant", "content": ANSWER}
    choices = [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}]
    usage = {"prompt_tokens": 31, "completion_tokens": 7, "total_tokens": 38}
    about = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1795953600, "model": model}
    return {**about, "choices": choices, "usage": usage}


def _a_model(name: str, **more: Any) -> Body:
    return {"id": name, "object": "model", "created": 1715367049, "owned_by": "system", **more}


def _a_list(*models: Body) -> Body:
    return {"object": "list", "data": models}


_CLAUDE = "claude-opus-5-5"
_GEMINI = "gemini-3-pro-preview"
_MISTRAL = "mistral-large-latest"
_AZURE_REFUSAL = "Access denied due to invalid subscription key or wrong API endpoint."
_GOOGLE_REASON = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}


def _on_azure(header: str, key: str) -> Double:
    return Double(
        header=header,
        key=key,
        described="/openai/v1/models",
        description=_a_list(_a_model("gpt-4o-2024-11-20")),
        called="/openai/v1/chat/completions",
        answer=chat_answer("gpt-4o-2024-11-20"),
        refusal=(401, {"error": {"code": "401", "message": _AZURE_REFUSAL}}),
    )


DOUBLES: Mapping[str, Double] = {
    "openai": Double(
        key="Bearer sk-key-of-openai",
        described="/v1/models/gpt-4o",
        description=_a_model("gpt-4o"),
        called="/v1/chat/completions",
        answer=chat_answer("gpt-4o-2024-11-20"),
        refusal=(401, _openai_error("Incorrect API key provided.", "invalid_api_key")),
        unknown=_openai_error("The model 'gpt-4' does not exist", "model_not_found"),
    ),
    "compatible": Double(
        described="/v1/models",
        description=_a_list(_a_model("SmolLM2-135M-Instruct", max_model_len=8192)),
        called="/v1/chat/completions",
        answer=chat_answer("SmolLM2-135M-Instruct"),
    ),
    "anthropic": Double(
        header="x-api-key",
        key="sk-ant-key-of-anthropic",
        described=f"/v1/models/{_CLAUDE}",
        description={
            "type": "model",
            "id": _CLAUDE,
            "display_name": "Claude Opus 5.5",
            "created_at": "2026-09-01T00:00:00Z",
            "max_input_tokens": 1_000_000,
            "max_tokens": 128_000,
        },
        called="/v1/messages",
        answer={
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": _CLAUDE,
            "content": [{"type": "text", "text": ANSWER}],
            "stop_reason": "end_turn",
            "stop_sequence": None,
            "usage": {"input_tokens": 31, "output_tokens": 7},
        },
        refusal=(401, {"type": "error", "error": {"type": "authentication_error", "message": "invalid x-api-key"}}),
    ),
    "google": Double(
        header="x-goog-api-key",
        key="AIza-key-of-google",
        described=f"/v1beta/models/{_GEMINI}",
        description={
            "name": f"models/{_GEMINI}",
            "displayName": "Gemini 3 Pro Preview",
            "inputTokenLimit": 1_048_576,
            "outputTokenLimit": 65_536,
            "supportedGenerationMethods": ["generateContent", "countTokens"],
        },
        called=f"/v1beta/models/{_GEMINI}:generateContent",
        answer={
            "candidates": [{"content": {"role": "model", "parts": [{"text": ANSWER}]}, "finishReason": "STOP"}],
            "usageMetadata": {"promptTokenCount": 31, "candidatesTokenCount": 7, "totalTokenCount": 38},
            "modelVersion": _GEMINI,
        },
        refusal=(
            400,
            {
                "error": {
                    "code": 400,
                    "message": "API key not valid. Please pass a valid API key.",
                    "status": "INVALID_ARGUMENT",
                    "details": [_GOOGLE_REASON],
                }
            },
        ),
    ),
    "mistral": Double(
        key="Bearer key-of-mistral",
        described=f"/v1/models/{_MISTRAL}",
        description=_a_model(_MISTRAL, type="base", max_context_length=262_144, deprecation=None, capabilities={}),
        called="/v1/chat/completions",
        answer=chat_answer(_MISTRAL),
        refusal=(401, {"detail": "Unauthorized"}),
    ),
    "azure": _on_azure("api-key", "key-of-azure"),
    "entra": _on_azure("authorization", f"Bearer {ENTRA_TOKEN}"),
    "bedrock": Double(
        key="Bearer key-of-bedrock",
        described="/openai/v1/models/openai.gpt-oss-120b",
        description=_a_model("openai.gpt-oss-120b"),
        called="/openai/v1/chat/completions",
        answer=chat_answer("openai.gpt-oss-120b"),
        refusal=(401, _openai_error("Invalid bearer token", "invalid_api_key")),
    ),
    "ollama": Double(
        described="/api/show",
        description={
            "details": {"family": "qwen3", "parameter_size": "8.2B"},
            "model_info": {"qwen3.context_length": 40_960},
            "capabilities": ["completion", "tools", "thinking"],
        },
        called="/api/chat",
        answer={
            "model": "qwen3:8b",
            "created_at": "2026-11-29T12:00:00Z",
            "message": {"role": "assistant", "content": ANSWER},
            "done": True,
            "done_reason": "stop",
            "prompt_eval_count": 31,
            "eval_count": 7,
        },
    ),
}
"""Each provider by the first segment of its path."""


@dataclass(slots=True)
class Providers:
    """The server.

    Attributes:
        calls: The paths of the model calls that were answered.
    """

    calls: list[str] = field(default_factory=list[str])
    _server: _Server | None = None

    def __enter__(self) -> Self:
        self._server = _Server(self)
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.stop()

    @property
    def url(self) -> str:
        """The address; a provider's name follows it."""
        assert self._server is not None
        return self._server.url

    def reply(self, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, Body]:
        """Answer a request; a query makes no difference."""
        path = path.partition("?")[0]
        if path == f"/{TENANT}/oauth2/v2.0/token":
            return _token(parse_qs(body.decode()))
        name, _, rest = path.removeprefix("/").partition("/")
        if (double := DOUBLES.get(name)) is None:
            return 404, {"error": {"message": f"no such provider: {name}"}}
        status, said = double.reply(f"/{rest}", headers)
        if said is double.answer:
            self.calls.append(path)
        return status, said


def _token(form: Mapping[str, Sequence[str]]) -> tuple[int, Body]:
    expected = {
        "grant_type": ["client_credentials"],
        "client_id": [CLIENT],
        "client_secret": [CLIENT_SECRET],
        "scope": ["https://cognitiveservices.azure.com/.default"],
    }
    if form == expected:
        return 200, {"token_type": "Bearer", "expires_in": 3599, "access_token": ENTRA_TOKEN}
    return 401, {"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret provided."}


class _Server(LoopbackServer):
    def __init__(self, providers: Providers) -> None:
        super().__init__(_Handler)
        self.providers = providers


class _Handler(LoopbackHandler):
    def get(self) -> None:
        self._answer(b"")

    def post(self, body: bytes) -> None:
        self._answer(body)

    def _answer(self, body: bytes) -> None:
        assert isinstance(self.server, _Server)
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.reply_json(*self.server.providers.reply(self.path, headers, body))
