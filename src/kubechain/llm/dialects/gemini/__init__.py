"""The gemini dialect: Google's Gemini API, and Gemini models on Vertex AI.

How an answer ends: a prompt that is blocked, and every finish reason of a filter, is a `RequestRefused`; `MAX_TOKENS`
cuts an answer; a call that the model wrote wrongly (`MALFORMED_FUNCTION_CALL`, `UNEXPECTED_TOOL_CALL`) is an invalid
answer.

Where the base URL ends and the path of a model begins is the endpoint's: operations are `models/{id}:generateContent`,
and `models/{id}:streamGenerateContent` for an answer that is streamed.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass

from kubechain.api.llm import LLM
from kubechain.llm import sse
from kubechain.llm.client import Completion, Target, Verdict
from kubechain.llm.dialects import probing
from kubechain.llm.dialects.dialect import CompletionRequest
from kubechain.llm.dialects.gemini.decode import decode
from kubechain.llm.dialects.gemini.encode import encode, generate_content
from kubechain.llm.dialects.gemini.stream import ContentFold
from kubechain.llm.dialects.streaming import StreamOptions
from kubechain.llm.exchange import HttpCall, HttpReply, Reader

TAKEN_SETTINGS = frozenset(
    {
        "parameters.temperature",
        "parameters.maxTokens",
        "parameters.topP",
        "parameters.topK",
        "parameters.frequencyPenalty",
        "parameters.presencePenalty",
        "parameters.stream",
    }
)
"""Fields of an LLM's spec that are sent."""


@dataclass(frozen=True, slots=True)
class Gemini:
    """The dialect; stateless.

    Attributes:
        describes_models: Whether the place has `GET models/{id}` and a list of its models.
    """

    describes_models: bool = True

    def options(self, llm: LLM) -> StreamOptions:
        """See `Dialect.options`."""
        return StreamOptions(llm.spec.parameters.stream)

    def takes(self, options: StreamOptions) -> frozenset[str]:
        """See `Dialect.takes`."""
        del options
        return TAKEN_SETTINGS

    def encode(self, request: CompletionRequest) -> HttpCall:
        """See `Dialect.encode`: `POST models/{id}:generateContent`."""
        return encode(request)

    def decode(self, request: CompletionRequest, reply: HttpReply) -> Completion:
        """See `Dialect.decode`: a `GenerateContentResponse`."""
        return decode(request, reply)

    def reader(self, status: int, headers: Mapping[str, str]) -> Reader:
        """See `Dialect.reader`."""
        return sse.reader(status, headers, ContentFold)

    def probe(self, target: Target) -> Generator[HttpCall, HttpReply, Verdict]:
        """See `Dialect.probe`."""
        return probing.probe(target, generate_content(target.model), describes_models=self.describes_models)

    def judge(self, target: Target, reply: HttpReply) -> Verdict:
        """See `Dialect.judge`."""
        return probing.judge(
            target,
            reply,
            generate_content(target.model),
            is_answer=lambda body: bool(body.get("candidates") or body.get("promptFeedback")),
        )
