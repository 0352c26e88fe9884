"""The openai-responses dialect: `POST responses` of OpenAI, and of Azure's newer API.

Nothing is stored at the provider (`store` is false): the conversation is ours and goes along whole. Reasoning comes
encrypted and goes back in its place. A refusal is the model's answer, as in openai-chat; an answer that the content
filter stopped is a `RequestRefused`.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass

from kubechain.api.llm import LLM
from kubechain.llm import sse
from kubechain.llm.client import Completion, Target, Verdict
from kubechain.llm.dialects import probing
from kubechain.llm.dialects.dialect import CompletionRequest
from kubechain.llm.dialects.openai_responses.decode import decode
from kubechain.llm.dialects.openai_responses.encode import encode
from kubechain.llm.dialects.openai_responses.stream import ResponseFold
from kubechain.llm.dialects.streaming import StreamOptions
from kubechain.llm.endpoints import RESPONSES
from kubechain.llm.exchange import HttpCall, HttpReply, Reader

TAKEN_SETTINGS = frozenset({"parameters.temperature", "parameters.maxTokens", "parameters.topP", "parameters.stream"})
"""Fields of an LLM's spec that are sent. The API has no penalties and no `top_k`."""


@dataclass(frozen=True, slots=True)
class OpenAIResponses:
    """The dialect; stateless."""

    def options(self, llm: LLM) -> StreamOptions:
        """See `Dialect.options`."""
        return StreamOptions(llm.spec.parameters.stream)

    def takes(self, options: StreamOptions) -> frozenset[str]:
        """See `Dialect.takes`."""
        del options
        return TAKEN_SETTINGS

    def encode(self, request: CompletionRequest) -> HttpCall:
        """See `Dialect.encode`: `POST responses`."""
        return encode(request)

    def decode(self, request: CompletionRequest, reply: HttpReply) -> Completion:
        """See `Dialect.decode`: a `response` object."""
        return decode(request.target, reply)

    def reader(self, status: int, headers: Mapping[str, str]) -> Reader:
        """See `Dialect.reader`."""
        return sse.reader(status, headers, ResponseFold)

    def probe(self, target: Target) -> Generator[HttpCall, HttpReply, Verdict]:
        """See `Dialect.probe`."""
        return probing.probe(target, RESPONSES)

    def judge(self, target: Target, reply: HttpReply) -> Verdict:
        """See `Dialect.judge`."""
        return probing.judge(target, reply, RESPONSES, is_answer=lambda body: body.get("object") == "response")
