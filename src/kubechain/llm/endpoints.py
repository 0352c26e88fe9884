"""Where a provider's API is: base URL, rule for paths, scheme of authentication, further headers.

A row of `providers.PROVIDERS` makes one for each LLM; a dialect asks it for calls and knows no host and no header of
authentication. Which base URLs may be called at all is in `endpoint`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol
from urllib.parse import quote

from pydantic import SecretStr

from kubechain.llm import base_path
from kubechain.llm.auth import AuthScheme, sendable
from kubechain.llm.base_url import Endpoint
from kubechain.llm.exchange import HttpCall
from kubechain.llm.identity import Grant

CHAT_COMPLETIONS = "chat/completions"
MODELS = "models"
MESSAGES = "messages"
RESPONSES = "responses"
CHAT = "chat"
SHOW = "show"
TAGS = "tags"


class PathRule(Protocol):
    """How a path below the base URL is made."""

    def path(self, operation: str, model: str) -> str:
        """Return path and query of an operation.

        Args:
            operation: The dialect's own path of it, such as `chat/completions`; quoted where it must be.
            model: The provider's name of the model, as it stands in the LLM.
        """
        ...


@dataclass(frozen=True, slots=True)
class PlainPaths:
    """The operation's own path."""

    def path(self, operation: str, model: str) -> str:
        """See `PathRule.path`."""
        del model
        return operation


@dataclass(frozen=True, slots=True)
class Under:
    """The operation's own path below a prefix.

    Attributes:
        prefix: Without slashes at its ends; empty for none.
    """

    prefix: str

    def path(self, operation: str, model: str) -> str:
        """See `PathRule.path`."""
        del model
        return f"{self.prefix}/{operation}" if self.prefix else operation


@dataclass(frozen=True, slots=True)
class AzureDeployments:
    """A deployment stands in the path, the version of the API in the query; the list of models has no deployment."""

    api_version: str

    def path(self, operation: str, model: str) -> str:
        """See `PathRule.path`."""
        middle = "openai" if operation == MODELS else f"openai/deployments/{quote(model, safe='')}"
        return f"{middle}/{operation}?api-version={quote(self.api_version, safe='')}"


@dataclass(frozen=True, slots=True)
class ExtraHeader:
    """A header that a setting of the LLM adds.

    Attributes:
        setting: Name of the setting, for the error when the value cannot be sent.
        operation: The only one that it goes with; None for all.
    """

    name: str
    value: str
    setting: str
    operation: str | None = None


@dataclass(frozen=True, slots=True)
class ProviderEndpoint:
    """How calls to one provider are addressed and authenticated.

    Attributes:
        is_official: Whether it is the provider's own: such a one refuses wrong keys and lists all of its models.
        grant: How the Secret, or the manager's own identity, becomes what `auth` sends; None where the Secret is it.
    """

    base: Endpoint
    auth: AuthScheme
    paths: PathRule = PlainPaths()
    headers: tuple[ExtraHeader, ...] = ()
    is_official: bool = False
    grant: Grant | None = None

    def url(self, operation: str, model: str) -> str:
        """Return the whole URL of an operation."""
        return f"{self.base.url}/{self.paths.path(operation, model)}"

    def likely_repair(self, operation: str = CHAT_COMPLETIONS) -> str:
        """Return what a person should try when the URL of an operation is not there."""
        has_deployments = isinstance(self.paths, AzureDeployments | Under)
        return base_path.likely_repair(self.base.url, operation, has_deployments=has_deployments)

    def call(
        self, method: str, operation: str, *, model: str, api_key: SecretStr | None, body: bytes | None = None
    ) -> HttpCall:
        """Make the call of an operation; a body is sent as JSON.

        Raises:
            InvalidTarget: The key or a header's value is missing or cannot be sent.
        """
        headers = {"accept": "application/json", **self.auth.headers(api_key)}
        sent = (header for header in self.headers if header.operation in (None, operation))
        headers |= {header.name: sendable(header.setting, header.value) for header in sent}
        if body is not None:
            headers["content-type"] = "application/json"
        return HttpCall(method=method, url=self.url(operation, model), headers=headers, body=body)
