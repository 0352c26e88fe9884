"""Access to AWS: a Bedrock API key, keys to sign with, or the role of the manager's own pod.

A Secret holds a Bedrock API key, or JSON as `aws configure export-credentials` prints it. Without a Secret the role of
the manager's pod signs (IRSA, EKS Pod Identity, or keys in the environment), found by botocore, which the extra `aws`
installs. The role of the node is not used: nobody gave it to KubeChain.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

import orjson
from pydantic import SecretStr

from kubechain.llm import hosts
from kubechain.llm.base_url import Endpoint
from kubechain.llm.errors import InvalidTarget, Retryable
from kubechain.llm.identity import AwsKeys, KeyAsItIs, Signature, Surroundings, Way, check_own_identity

_OF_A_POD = frozenset({"env", "assume-role-with-web-identity", "container-role"})
"""The providers of botocore that are asked, by their names."""


@dataclass(frozen=True, slots=True)
class AwsGrant:
    """See `identity.Grant`.

    Attributes:
        service: The name that a signature names the service by.
    """

    region: str
    service: str

    def way(self, secret: SecretStr | None, base: Endpoint, around: Surroundings) -> Way:
        """See `Grant.way`."""
        if secret is None:
            check_own_identity(base, around, is_official=hosts.is_bedrock(base.host))
            return Signature(self.region, self.service)
        text = secret.get_secret_value().strip()
        return Signature(self.region, self.service, _keys(text)) if text.startswith("{") else KeyAsItIs()


def _keys(text: str) -> AwsKeys:
    try:
        fields: Any = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise InvalidTarget("apiKeyFrom: is not a JSON object") from None
    key_id, secret, token = (fields.get(name) for name in ("AccessKeyId", "SecretAccessKey", "SessionToken"))
    if not (isinstance(key_id, str) and isinstance(secret, str) and key_id and secret):
        raise InvalidTarget("apiKeyFrom: AccessKeyId and SecretAccessKey: missing")
    return AwsKeys(key_id, SecretStr(secret), SecretStr(token) if isinstance(token, str) and token else None)


class OwnRole:
    """The keys of the manager's own role, kept and renewed by botocore. Blocks: called in a thread."""

    def __init__(self) -> None:
        """Ask nothing yet."""
        self._credentials: Any = None

    def keys(self) -> AwsKeys:
        """Return keys that are good now.

        Raises:
            InvalidTarget: botocore is not installed, or the pod has no role.
            Retryable: The keys could not be fetched.
        """
        exceptions = _botocore("exceptions")
        try:
            self._credentials = self._credentials or _found()
            frozen = self._credentials.get_frozen_credentials()
        except exceptions.BotoCoreError as error:
            raise Retryable(f"no keys of the manager's own role: {type(error).__name__}") from error
        except exceptions.ClientError as error:
            code = error.response.get("Error", {}).get("Code", "?")
            raise Retryable(f"no keys of the manager's own role: {str(code)[:64]}") from error
        return AwsKeys(
            frozen.access_key, SecretStr(frozen.secret_key), SecretStr(frozen.token) if frozen.token else None
        )

    def forget(self) -> None:
        """Look for the role anew with the next call."""
        self._credentials = None


def _found() -> Any:
    resolver = _botocore("session").Session().get_component("credential_provider")
    for provider in [one.METHOD for one in resolver.providers if one.METHOD not in _OF_A_POD]:
        resolver.remove(provider)
    credentials = resolver.load_credentials()
    if credentials is None:
        raise InvalidTarget("apiKeyFrom: required, because the manager's pod has no role of AWS")
    return credentials


def _botocore(module: str) -> Any:
    try:
        return importlib.import_module(f"botocore.{module}")
    except ModuleNotFoundError:
        raise InvalidTarget(
            "apiKeyFrom: required, because the manager is without botocore: install kubechain[aws] to sign by its own "
            "role"
        ) from None
