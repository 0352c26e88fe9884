"""The openai-chat dialect: OpenAI, Azure's hosting of it, Mistral, and every server that is compatible with them.

What differs between the families of servers is data (`options.Flavour`); how an error reply is sorted is in
`failures`. Two decisions about answers that are neither plain text nor tool calls:
- A refusal (`message.refusal`) is the model's answer: it becomes the assistant's text, with finish reason `refusal`.
- `content_filter` is a `RequestRefused`: the provider cut the answer, and a cut answer must not pass for a whole one.
An answer cut by the token limit (`length`) is an answer, except that a tool call cut in its arguments is not.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass

from kubechain.api.llm import LLM, LLMSpec
from kubechain.llm import sse
from kubechain.llm.client import Completion, Target, Verdict
from kubechain.llm.dialects import probing
from kubechain.llm.dialects.dialect import CompletionRequest
from kubechain.llm.dialects.openai_chat.decode import decode
from kubechain.llm.dialects.openai_chat.encode import encode
from kubechain.llm.dialects.openai_chat.options import ChatOptions, Flavour, options_of
from kubechain.llm.dialects.openai_chat.stream import ChatFold
from kubechain.llm.endpoints import CHAT_COMPLETIONS
from kubechain.llm.exchange import HttpCall, HttpReply, Reader


@dataclass(frozen=True, slots=True)
class OpenAIChat:
    """The dialect; stateless, one instance serves a whole row of providers.

    Attributes:
        flavour: Says which family of servers an LLM is served by.
    """

    flavour: Callable[[LLMSpec], Flavour]

    def options(self, llm: LLM) -> ChatOptions:
        """See `Dialect.options`."""
        seed = llm.spec.mistral.random_seed if llm.spec.mistral else None
        field = llm.spec.openai.max_tokens_field if llm.spec.openai else None
        flavour, stream = self.flavour(llm.spec), llm.spec.parameters.stream
        return ChatOptions(flavour=flavour, random_seed=seed, max_tokens_field=field, stream=stream)

    def takes(self, options: ChatOptions) -> frozenset[str]:
        """See `Dialect.takes`."""
        return options.taken_settings()

    def encode(self, request: CompletionRequest) -> HttpCall:
        """See `Dialect.encode`: `POST …/chat/completions`."""
        return encode(request)

    def decode(self, request: CompletionRequest, reply: HttpReply) -> Completion:
        """See `Dialect.decode`: a `chat.completion` object."""
        return decode(request.target, reply)

    def reader(self, status: int, headers: Mapping[str, str]) -> Reader:
        """See `Dialect.reader`."""
        return sse.reader(status, headers, ChatFold)

    def probe(self, target: Target) -> Generator[HttpCall, HttpReply, Verdict]:
        """See `Dialect.probe`."""
        describes_models = options_of(target).flavour.describes_models
        return probing.probe(target, CHAT_COMPLETIONS, describes_models=describes_models)

    def judge(self, target: Target, reply: HttpReply) -> Verdict:
        """See `Dialect.judge`."""
        return probing.judge(target, reply, CHAT_COMPLETIONS, is_answer=lambda body: bool(body.get("choices")))
