"""What every dialect does, and what it is given. See the package's docstring for what must not be in one."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import orjson

from kubechain.api.llm import LLM
from kubechain.api.message import Message
from kubechain.llm.client import Completion, Target, ToolDefinition, Verdict
from kubechain.llm.errors import RequestRefused
from kubechain.llm.exchange import HttpCall, HttpReply, Reader


@dataclass(frozen=True, slots=True)
class CompletionRequest:
    """A model call before it is encoded.

    Attributes:
        is_stream_advised: Whether a whole reply to such a call was cut before, so that a stream may come through.
        output_schema: JSON schema that the answer in text is to match; None for any text.
        is_schema_refused: Whether the server has refused the field for it, so that it is told in words.
    """

    target: Target
    messages: Sequence[Message]
    tools: Sequence[ToolDefinition] = ()
    is_stream_advised: bool = False
    output_schema: Mapping[str, Any] | None = None
    is_schema_refused: bool = False


_Options = TypeVar("_Options")


def own_options(target: Target, sort: type[_Options]) -> _Options:
    """Return the options that a dialect made for a target.

    Args:
        sort: The class of the dialect's options.

    Raises:
        TypeError: Another dialect made them: the rows of providers are wired wrongly.
    """
    if not isinstance(target.options, sort):
        raise TypeError(f"target of another dialect: {type(target.options).__name__}")
    return target.options


def request_json(body: Mapping[str, Any]) -> bytes:
    """Return the body of a model call as it is sent.

    Raises:
        RequestRefused: A part of it cannot be JSON, such as an integer over 64 bits in a tool's schema.
    """
    try:
        return orjson.dumps(body)
    except orjson.JSONEncodeError as error:
        raise RequestRefused(f"conversation or tools cannot be sent as JSON: {error}") from error


class Dialect(Protocol):
    """A provider's wire format. Pure: no I/O, no clock, no state."""

    def options(self, llm: LLM) -> object:
        """Return the dialect's own settings for an LLM.

        They come back in `Target.options`; the dialect alone looks into them.

        Raises:
            InvalidTarget: The LLM's settings cannot make a request.
        """
        ...

    def takes(self, options: Any) -> frozenset[str]:
        """Return the fields of an LLM's `spec` that the dialect sends, such as `parameters.topK`.

        Args:
            options: What `options` returned for the LLM.
        """
        ...

    def encode(self, request: CompletionRequest) -> HttpCall:
        """Encode a model call.

        Raises:
            InvalidTarget: The target's settings cannot make a request.
            RequestRefused: The conversation or the tools cannot be sent.
        """
        ...

    def decode(self, request: CompletionRequest, reply: HttpReply) -> Completion:
        """Decode the reply to `encode`.

        Raises:
            LLMError: The reply is a failure, or is no answer.
        """
        ...

    def reader(self, status: int, headers: Mapping[str, str]) -> Reader:
        """Return the reader of one reply to `encode`: a `ReaderFactory`."""
        ...

    def probe(self, target: Target) -> Generator[HttpCall, HttpReply, Verdict]:
        """Find out by requests that cost nothing whether the key and the model are accepted.

        Yields each request, is sent its reply or thrown the `Retryable` in its place, and returns the verdict; the
        client performs the requests.

        Raises:
            Final: The provider refuses the key or has no such model.
            Retryable: Nothing was learned.
        """
        ...

    def judge(self, target: Target, reply: HttpReply) -> Verdict:
        """Say what the reply to a call proves of key and model, whatever the answer is.

        Raises:
            LLMError: The reply is a failure.
        """
        ...
