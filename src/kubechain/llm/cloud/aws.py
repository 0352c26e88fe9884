"""Access to AWS: a Bedrock API key, keys to sign with, or the role of the manager's own pod.

A Secret holds a Bedrock API key, or JSON as `aws configure export-credentials` prints it. Without a Secret the role of
the manager's pod signs (IRSA, EKS Pod Identity, or keys in the environment), found by botocore, which the extra `aws`
installs. The role of the node is not used: nobody gave it to KubeChain.
"""

from __future__ import annotations

import importlib
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from pydantic import SecretStr

from kubechain.llm import hosts
from kubechain.llm.base_url import Endpoint
from kubechain.llm.errors import AuthenticationFailed, InvalidTarget, LLMError, Retryable
from kubechain.llm.identity import AwsKeys, KeyAsItIs, Signature, Surroundings, Way, check_own_identity

_OF_A_POD = frozenset({"env", "assume-role-with-web-identity", "container-role"})
"""The providers of botocore that are asked, by their names."""

TOKEN_FILE = "AWS_WEB_IDENTITY_TOKEN_FILE"  # noqa: S105 a name

CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS, ATTEMPTS = 5.0, 10.0, 2
"""Of a request for keys. botocore's own are a minute, a minute and five."""

_WHOSE = "manager's own identity"

_AGAIN = frozenset({"IDPCommunicationError", "Throttling", "ThrottlingException", "RequestLimitExceeded"})
"""Codes that STS gives with status 400 and that another try may get past."""


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
            InvalidTarget: botocore is not installed, or the pod has no role, or not all that belongs to it.
            AuthenticationFailed: AWS refuses the token of the pod.
            Retryable: The keys could not be fetched.
        """
        exceptions = _botocore("exceptions")
        try:
            self._credentials = self._credentials or _found()
            frozen = self._credentials.get_frozen_credentials()
        except exceptions.BotoCoreError as error:
            raise Retryable(f"no keys of the manager's own role: {type(error).__name__}") from error
        except exceptions.ClientError as error:
            # Not chained: what STS says may repeat the token.
            raise _refusal(error.response) from None
        except OSError as error:
            raise InvalidTarget(f"{_WHOSE}: {_token_file()}: cannot be read: {type(error).__name__}") from error
        return AwsKeys(
            frozen.access_key, SecretStr(frozen.secret_key), SecretStr(frozen.token) if frozen.token else None
        )

    def forget(self) -> None:
        """Look for the role anew with the next call."""
        self._credentials = None


def _found() -> Any:
    if TOKEN_FILE in os.environ and not os.environ.get("AWS_ROLE_ARN"):
        raise InvalidTarget(f"{_WHOSE}: AWS_ROLE_ARN: not set, and {TOKEN_FILE} is")
    session = _botocore("session").Session()
    session.set_default_client_config(
        _botocore("config").Config(
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
            read_timeout=READ_TIMEOUT_SECONDS,
            retries={"total_max_attempts": ATTEMPTS},
        )
    )
    # It logs a failed renewal, with what STS says, and raises it as well.
    logging.getLogger("botocore.credentials").setLevel(logging.CRITICAL)
    resolver = session.get_component("credential_provider")
    for provider in [one.METHOD for one in resolver.providers if one.METHOD not in _OF_A_POD]:
        resolver.remove(provider)
    credentials = resolver.load_credentials()
    if credentials is None:
        raise InvalidTarget("apiKeyFrom: required, because the manager's pod has no role of AWS")
    return credentials


def _refusal(response: Mapping[str, Any]) -> LLMError:
    """What an answer of STS other than keys means."""
    code = str(response.get("Error", {}).get("Code", "?"))[:64]
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    if code in _AGAIN or not isinstance(status, int) or status == 429 or status >= 500:
        return Retryable(f"no keys of the manager's own role: {code}", http_status=status)
    return AuthenticationFailed(f"token refused: the manager's own role: {code}", http_status=status)


def _token_file() -> str:
    """The variable that names the file of the pod's token: of IRSA, or of EKS Pod Identity."""
    return TOKEN_FILE if TOKEN_FILE in os.environ else "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"


def _botocore(module: str) -> Any:
    try:
        return importlib.import_module(f"botocore.{module}")
    except ModuleNotFoundError:
        raise InvalidTarget(
            "apiKeyFrom: required, because the manager is without botocore: install kubechain[aws] to sign by its own "
            "role"
        ) from None
