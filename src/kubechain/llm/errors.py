"""What can go wrong between us and a model provider, sorted by consequence.

    LLMError
      Retryable              another try may work; `retry_after_seconds` is what the provider asked for, if it did
        RateLimited          429
        ServerFailed         408, 409, 425, 5xx, 529
        Unreachable          DNS, connect, TLS, proxy: the request did not reach the provider
          ConnectionLost     reset: the request was sent, and no whole reply came
        TimedOut             the caller's time budget ran out
        InvalidAnswer        a reply came and is not an answer: garbage, empty, cut off
      Final                  the same request fails again until a person changes something
        AuthenticationFailed 401, 403, 407
        ModelNotFound        404
        WrongAddress         404 for the path itself, a web page, a redirect: baseUrl leads to something else
        RequestRefused       400, 413, 422 and other 4xx, a content filter
          ProviderDataRefused  400 for a signature or for reasoning that came with an earlier message
          ContextTooLong       400, 413, 422 for a conversation that is longer than the model's window
        QuotaExhausted       402, or any status whose code or text says that the account has no credit left
        InvalidTarget        the LLM's own settings cannot make a request (baseUrl, key, provider, Azure version)

Messages are short, the same for each retry of the same failure (so that events and statuses are not rewritten), hold
at most 256 characters of the provider's text and never the key; `failures` makes them so.
"""

from __future__ import annotations

from typing import ClassVar

from kubechain.api.usage import Usage


class LLMError(Exception):
    """Base of the exceptions that `LLMClient` raises.

    Attributes:
        http_status: The provider's HTTP status; None when no reply came or the reply's status was not the problem.
        usage: What the call may be billed for: as the provider counts it, else one call where its server had begun to
            work on it; None where it is not billed.
    """

    may_be_billed: ClassVar[bool] = False
    """Whether a provider may bill a call that ends so."""

    def __init__(self, message: str, *, http_status: int | None = None, usage: Usage | None = None) -> None:
        """See the attributes of the class."""
        super().__init__(message)
        self.http_status = http_status
        self.usage = usage or (Usage(model_calls=1) if self.may_be_billed else None)


class Retryable(LLMError):
    """Another try may work.

    Attributes:
        retry_after_seconds: How long the provider asked to wait; None when it did not say.
    """

    def __init__(
        self,
        message: str,
        *,
        http_status: int | None = None,
        retry_after_seconds: float | None = None,
        usage: Usage | None = None,
    ) -> None:
        """See the attributes of the class."""
        super().__init__(message, http_status=http_status, usage=usage)
        self.retry_after_seconds = retry_after_seconds


class RateLimited(Retryable):
    """The provider's limit of requests or tokens is reached for now."""


class ServerFailed(Retryable):
    """The provider failed or is overloaded."""

    may_be_billed = True


class Unreachable(Retryable):
    """No whole reply came: DNS, connect, TLS, proxy or reset."""


class ConnectionLost(Unreachable):
    """The connection broke after the request was sent."""

    may_be_billed = True


class TimedOut(Retryable):
    """The caller's time budget ran out."""

    may_be_billed = True


class InvalidAnswer(Retryable):
    """A reply came, and it holds no answer that can be used."""

    may_be_billed = True


class Final(LLMError):
    """A retry fails again until the LLM, its Secret, its account or the conversation is changed."""


class AuthenticationFailed(Final):
    """The provider does not accept the key, or the key may not use this."""


class ModelNotFound(Final):
    """The provider does not have this model."""


class WrongAddress(Final):
    """What the baseUrl leads to is not the API of a model server."""


class RequestRefused(Final):
    """The provider refuses this very request."""


class ProviderDataRefused(RequestRefused):
    """The provider refuses what came with an earlier message (`Message.providerData`): it expired, or was changed."""


class ContextTooLong(RequestRefused):
    """The conversation is longer than the model's window, or than its server takes: a shorter one may work."""


class QuotaExhausted(Final):
    """The account has no credit left, or has reached its spending limit."""


class InvalidTarget(Final):
    """No request can be made from the LLM's settings."""
