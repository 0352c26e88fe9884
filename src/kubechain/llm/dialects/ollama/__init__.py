"""The ollama dialect: the API of Ollama's own, `POST chat`.

Through its OpenAI-compatible API nobody can say how large the model's window is to be; here `ollama.numCtx` does. Two
fields go along with every request: without `truncate: false` an older part of the conversation that does not fit is
dropped in silence, without `shift: false` an answer goes on while its own beginning is dropped. Servers that are older
than these fields pass over them. The finish reason of an answer with tool calls is `stop`.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass

from kubechain.api.llm import LLM
from kubechain.llm import jsonlines
from kubechain.llm.client import Completion, Target, Verdict
from kubechain.llm.dialects import probing
from kubechain.llm.dialects.dialect import CompletionRequest
from kubechain.llm.dialects.ollama.decode import decode
from kubechain.llm.dialects.ollama.encode import encode
from kubechain.llm.dialects.ollama.options import TAKEN_SETTINGS, OllamaOptions, options_for
from kubechain.llm.dialects.ollama.probe import probe
from kubechain.llm.dialects.ollama.stream import ChatFold
from kubechain.llm.endpoints import CHAT
from kubechain.llm.exchange import HttpCall, HttpReply, Reader


@dataclass(frozen=True, slots=True)
class Ollama:
    """The dialect; stateless."""

    def options(self, llm: LLM) -> OllamaOptions:
        """See `Dialect.options`."""
        return options_for(llm)

    def takes(self, options: OllamaOptions) -> frozenset[str]:
        """See `Dialect.takes`."""
        del options
        return TAKEN_SETTINGS

    def encode(self, request: CompletionRequest) -> HttpCall:
        """See `Dialect.encode`: `POST chat`."""
        return encode(request)

    def decode(self, request: CompletionRequest, reply: HttpReply) -> Completion:
        """See `Dialect.decode`: an object with a `message`."""
        return decode(request.target, reply)

    def reader(self, status: int, headers: Mapping[str, str]) -> Reader:
        """See `Dialect.reader`."""
        return jsonlines.reader(status, headers, ChatFold)

    def probe(self, target: Target) -> Generator[HttpCall, HttpReply, Verdict]:
        """See `Dialect.probe`."""
        return probe(target)

    def judge(self, target: Target, reply: HttpReply) -> Verdict:
        """See `Dialect.judge`."""
        return probing.judge(target, reply, CHAT, is_answer=lambda body: isinstance(body.get("message"), dict))
