"""Reads values of Secrets when they are used, without a copy of every Secret of the cluster in memory.

The runtime watches Secrets by their metadata only. A value is read live when it is needed and kept until the metadata
show that the Secret changed, so that a rotated key takes effect at once and an unchanged one costs no request.
What must not go here: any log line.
"""

from __future__ import annotations

import base64
import binascii
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import orjson
from pydantic import SecretStr

from kubechain.api.llm import LLM
from kubechain.api.meta import ObjectMeta
from kubechain.api.references import NamedValue
from kubechain.runtime.client import Client
from kubechain.runtime.errors import NotFound
from kubechain.runtime.resource import Resource
from kubechain.runtime.store import Lister

CACHED_SECRETS_MAX = 1_000
"""Bounds memory where each tenant has a key; beyond it the least recently used is read again."""


class Secret:
    """A Secret as read; its repr shows nothing."""

    __slots__ = ("metadata", "values")
    api_version = "v1"
    kind = "Secret"

    def __init__(self, metadata: ObjectMeta, values: dict[str, str]) -> None:
        """Create it from decoded values."""
        self.metadata = metadata
        self.values = values

    def __repr__(self) -> str:
        """Return namespace and name only."""
        return f"Secret({self.metadata.namespace}/{self.metadata.name})"


def _decode(data: bytes) -> Secret:
    wire: dict[str, Any] = orjson.loads(data)
    encoded: dict[str, str] = wire.get("data") or {}
    return Secret(ObjectMeta.model_validate(wire["metadata"]), {key: _text(value) for key, value in encoded.items()})


def _text(encoded: str) -> str:
    """The value as text; empty for a binary value, which no API key is."""
    try:
        # A trailing newline is what `echo KEY > file` leaves behind; no key contains one, and no header may.
        return base64.b64decode(encoded).decode().strip()
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _encode(_: Secret) -> bytes:
    raise TypeError("the operator never writes Secrets")


SECRETS = Resource(group="", version="v1", kind="Secret", plural="secrets", decode=_decode, encode=_encode)


class SecretUnavailable(Exception):
    """Raised when a Secret or one of its keys is not there. The message names both, never a value."""


class SecretReader:
    """Reads secret values, once for each version of a Secret."""

    def __init__(self, client: Client, metadata: Lister[Any]) -> None:
        """Create a reader without cached values.

        Args:
            metadata: The Secrets as the watch saw them, metadata only.
        """
        self._client = client
        self._metadata = metadata
        self._cached: OrderedDict[tuple[str, str], Secret] = OrderedDict()

    def version(self, namespace: str, name: str) -> str | None:
        """The resourceVersion that the watch last saw; None when there is no such Secret."""
        metadata = self._metadata.metadata(namespace, name)
        return metadata.resource_version if metadata else None

    async def value(self, namespace: str, name: str, key: str) -> str:
        """The value of one key, without the white space around it.

        Raises:
            SecretUnavailable: The Secret or the key is missing, or the value is empty.
        """
        secret = await self._secret(namespace, name)
        if key not in secret.values:
            raise SecretUnavailable(f'key "{key}" not found in Secret "{name}"')
        if not secret.values[key]:
            raise SecretUnavailable(f'key "{key}" of Secret "{name}" is empty')
        return secret.values[key]

    async def named_values(self, namespace: str, given: Sequence[NamedValue]) -> dict[str, SecretStr]:
        """Variables or headers with their secrets resolved; plain values are wrapped too, since they may be secrets.

        Raises:
            SecretUnavailable: One of them is missing.
        """
        resolved: dict[str, SecretStr] = {}
        for entry in given:
            if entry.value_from is None:
                resolved[entry.name] = SecretStr(entry.value or "")
            else:
                reference = entry.value_from.secret_key_ref
                resolved[entry.name] = SecretStr(await self.value(namespace, reference.name, reference.key))
        return resolved

    async def api_key(self, llm: LLM) -> str | None:
        """The key of an LLM; None where its server needs none.

        Raises:
            SecretUnavailable: The spec names a key that is not there.
        """
        if llm.spec.api_key_from is None:
            return None
        reference = llm.spec.api_key_from.secret_key_ref
        return await self.value(llm.metadata.namespace, reference.name, reference.key)

    async def _secret(self, namespace: str, name: str) -> Secret:
        version = self.version(namespace, name)
        cached = self._cached.get((namespace, name))
        if cached is not None and cached.metadata.resource_version == version:
            self._cached.move_to_end((namespace, name))
            return cached
        self._cached.pop((namespace, name), None)
        if version is None:
            raise SecretUnavailable(f'Secret "{name}" not found')
        try:
            secret = await self._client.get(SECRETS, namespace, name)
        except NotFound as error:
            raise SecretUnavailable(f'Secret "{name}" not found') from error
        self._cached[(namespace, name)] = secret
        if len(self._cached) > CACHED_SECRETS_MAX:
            self._cached.popitem(last=False)
        return secret
