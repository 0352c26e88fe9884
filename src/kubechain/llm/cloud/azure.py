"""Access to Azure by Entra: a token as it is, a client's secret, or the manager's workload identity.

With `openai.clientId` and `openai.tenantId` the Secret holds the secret of that client, else a token that somebody
else keeps fresh. Without a Secret, the token that Kubernetes projects into the manager's pod is exchanged
(`AZURE_FEDERATED_TOKEN_FILE`, `AZURE_CLIENT_ID`, `AZURE_TENANT_ID`: the webhook of Azure Workload Identity sets them).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from pydantic import SecretStr

from kubechain.llm import hosts
from kubechain.llm.base_url import Endpoint
from kubechain.llm.cloud.oauth import form_call, token_of
from kubechain.llm.errors import InvalidTarget
from kubechain.llm.identity import Fetch, KeyAsItIs, Surroundings, TokenSource, Way, check_own_identity, digest

AUTHORITY = "https://login.microsoftonline.com"
TOKEN_FILE = "AZURE_FEDERATED_TOKEN_FILE"  # noqa: S105 a name

_JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_NAME = re.compile(r"[A-Za-z0-9._-]{1,256}")


@dataclass(frozen=True, slots=True)
class EntraGrant:
    """See `identity.Grant`.

    Attributes:
        tenant_id: `openai.tenantId`; None for the manager's own.
        client_id: `openai.clientId`; None for the manager's own.
    """

    tenant_id: str | None = None
    client_id: str | None = None

    def way(self, secret: SecretStr | None, base: Endpoint, around: Surroundings) -> Way:
        """See `Grant.way`."""
        if secret is None:
            return self._workload_identity(base, around)
        if not self.client_id and not self.tenant_id:
            return KeyAsItIs()
        value = secret.get_secret_value().strip()
        url = self._url(base, around)
        return self._source(url, base, value, lambda: {"client_secret": value}, around)

    def _workload_identity(self, base: Endpoint, around: Surroundings) -> TokenSource:
        path = around.environ.get(TOKEN_FILE)
        if not path:
            raise InvalidTarget(f"apiKeyFrom: required, because the manager has no identity: {TOKEN_FILE} is not set")
        check_own_identity(base, around, is_official=hosts.is_azure(base.host))

        def assertion() -> dict[str, str]:
            projected = around.text_of(path, named_by=TOKEN_FILE)
            return {"client_assertion_type": _JWT_BEARER, "client_assertion": projected}

        return self._source(self._url(base, around), base, path, assertion, around)

    def _source(
        self, url: str, base: Endpoint, proof: str, fields: Callable[[], dict[str, str]], around: Surroundings
    ) -> TokenSource:
        client = _name("openai.clientId", self.client_id or around.environ.get("AZURE_CLIENT_ID"))
        scope = f"https://cognitiveservices.azure.{'us' if _is_government(base) else 'com'}/.default"

        def fetch(now: datetime) -> Fetch:
            del now
            proofs = fields()
            request = {"grant_type": "client_credentials", "client_id": client, "scope": scope, **proofs}
            reply = yield form_call(url, request)
            return token_of(url, reply, secret=proofs.get("client_secret") or proofs.get("client_assertion", ""))

        return TokenSource(digest("azure", url, client, scope, proof), fetch)

    def _url(self, base: Endpoint, around: Surroundings) -> str:
        tenant = _name("openai.tenantId", self.tenant_id or around.environ.get("AZURE_TENANT_ID"))
        own = "https://login.microsoftonline.us" if _is_government(base) else AUTHORITY
        return f"{around.environ.get('AZURE_AUTHORITY_HOST', own).rstrip('/')}/{tenant}/oauth2/v2.0/token"


def _is_government(base: Endpoint) -> bool:
    return base.host.endswith(".azure.us")


def _name(setting: str, value: str | None) -> str:
    if not value:
        raise InvalidTarget(f"{setting}: missing, and the manager's environment does not say it")
    if not _NAME.fullmatch(value):
        raise InvalidTarget(f"{setting}: holds characters that an ID cannot have")
    return value
