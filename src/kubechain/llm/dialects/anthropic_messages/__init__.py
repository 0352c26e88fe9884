"""The anthropic-messages dialect: Anthropic, the clouds that host its models, and servers with its API.

Where a place wants its requests in another form (the model in the path, the version in the body), that is data
(`options.Form`). How an answer ends:
- `refusal` is a `RequestRefused` with the provider's explanation: the classifier may stop an answer in its middle.
- `max_tokens` and `model_context_window_exceeded` cut an answer; a call that is cut in its arguments is none.
- `pause_turn` comes only where the provider runs tools itself, which nobody asks it for.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass

from kubechain.api.llm import LLM
from kubechain.llm import sse
from kubechain.llm.client import Completion, Target, Verdict
from kubechain.llm.dialects import probing
from kubechain.llm.dialects.anthropic_messages.decode import decode
from kubechain.llm.dialects.anthropic_messages.encode import encode
from kubechain.llm.dialects.anthropic_messages.options import (
    PLAIN,
    TAKEN_SETTINGS,
    Form,
    MessagesOptions,
    options_for,
    options_of,
)
from kubechain.llm.dialects.anthropic_messages.stream import MessageFold
from kubechain.llm.dialects.dialect import CompletionRequest
from kubechain.llm.exchange import HttpCall, HttpReply, Reader


@dataclass(frozen=True, slots=True)
class AnthropicMessages:
    """The dialect; stateless.

    Attributes:
        form: Says in which form the place that serves an LLM wants its requests.
    """

    form: Callable[[LLM], Form] = lambda _: PLAIN

    def options(self, llm: LLM) -> MessagesOptions:
        """See `Dialect.options`."""
        return options_for(llm, self.form(llm))

    def takes(self, options: MessagesOptions) -> frozenset[str]:
        """See `Dialect.takes`."""
        del options
        return TAKEN_SETTINGS

    def encode(self, request: CompletionRequest) -> HttpCall:
        """See `Dialect.encode`: `POST v1/messages`."""
        return encode(request)

    def decode(self, request: CompletionRequest, reply: HttpReply) -> Completion:
        """See `Dialect.decode`: a `message` object."""
        return decode(request.target, reply)

    def reader(self, status: int, headers: Mapping[str, str]) -> Reader:
        """See `Dialect.reader`."""
        return sse.reader(status, headers, MessageFold)

    def probe(self, target: Target) -> Generator[HttpCall, HttpReply, Verdict]:
        """See `Dialect.probe`."""
        form = options_of(target).form
        return probing.probe(target, form.operation, describes_models=form.describes_models)

    def judge(self, target: Target, reply: HttpReply) -> Verdict:
        """See `Dialect.judge`."""
        operation = options_of(target).form.operation
        return probing.judge(target, reply, operation, is_answer=lambda body: body.get("type") == "message")
