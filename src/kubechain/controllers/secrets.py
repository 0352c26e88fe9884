"""Reads values of Secrets when they are used, without a copy of every Secret of the cluster in memory.

Where the API server permits to list and watch Secrets, the runtime watches them by their metadata only. A value is read
live when it is needed and kept until the metadata show that the Secret changed, so that a rotated key takes effect at
once and an unchanged one costs no request. Where it permits only to get them, they are read by name: `readings` says
how long a reading counts. A change that is found in this way reaches the control loops as one that was watched does.
What must not go here: any log line.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Any
from weakref import WeakValueDictionary

import orjson
from pydantic import SecretStr

from kubechain.api.llm import LLM
from kubechain.api.meta import ObjectMeta
from kubechain.api.references import NamedValue
from kubechain.controllers.readings import LOOK_AGAIN_MAX_SECONDS, Readings
from kubechain.runtime.client import Client
from kubechain.runtime.clock import Clock
from kubechain.runtime.errors import ApiError, Forbidden, NotFound, TransportError
from kubechain.runtime.keys import Request
from kubechain.runtime.resource import Resource
from kubechain.runtime.sources import Trigger
from kubechain.runtime.store import Lister

UNREADABLE = "unreadable"
"""In place of the resourceVersion of a Secret that the manager may not read."""

JUST_READ_SECONDS = 1.0
"""What was read less long ago is not read again because somebody doubts it."""

CACHED_SECRETS_MAX = 1_000
"""Bounds memory where each tenant has a key; beyond it the least recently used is read again."""


class Secret:
    """A Secret as read; its repr shows nothing.

    Attributes:
        is_readable: Whether the API server lets the manager read it; without that right, nothing else is known.
    """

    __slots__ = ("is_readable", "metadata", "values")
    api_version = "v1"
    kind = "Secret"

    def __init__(self, metadata: ObjectMeta, values: dict[str, str], *, is_readable: bool = True) -> None:
        """Create it from decoded values."""
        self.metadata = metadata
        self.values = values
        self.is_readable = is_readable

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


SECRETS = Resource(
    group="", version="v1", kind="Secret", plural="secrets", decode=_decode, encode=_encode, is_optional=True
)


class SecretUnavailable(Exception):
    """Raised when a Secret or one of its keys is not there. The message names both, never a value.

    Attributes:
        look_again_seconds: When to look again; None where the watch of Secrets tells of a change.
    """

    def __init__(self, message: str, look_again_seconds: float | None = None) -> None:
        """Create it with a message for the status."""
        super().__init__(message)
        self.look_again_seconds = look_again_seconds


class SecretReader:
    """Reads secret values: once for each version of a Secret that is watched, by name from time to time of others.

    Attributes:
        changed: Enqueues the key of a Secret that is not watched, when a reading finds that it changed.
    """

    def __init__(
        self,
        client: Client,
        metadata: Lister[Any],
        clock: Clock,
        follows: Callable[[str], bool] = lambda namespace: True,
    ) -> None:
        """Create a reader without cached values.

        Args:
            client: Reads single Secrets.
            metadata: The Secrets as the watch saw them, metadata only.
            clock: Time, for what is read by name.
            follows: Whether the Secrets of a namespace are watched.
        """
        self.changed = Trigger()
        self._client = client
        self._metadata = metadata
        self._follows = follows
        self._cached: OrderedDict[tuple[str, str], Secret] = OrderedDict()
        self._readings: Readings[Secret | None] = Readings(clock)
        self._locks: WeakValueDictionary[Request, asyncio.Lock] = WeakValueDictionary()

    async def version(self, namespace: str, name: str, *, is_unusable: bool = False) -> str | None:
        """The resourceVersion that is known of a Secret; None when there is no such Secret.

        Args:
            is_unusable: Whether who asks cannot use the Secret as it was: it is read again sooner.

        Returns:
            UNREADABLE where it is known only by a right that is missing.
        """
        if self._follows(namespace):
            return self._watched_version(namespace, name)
        secret = await self._by_name(namespace, name, lambda secret: not is_unusable and secret is not None)
        return secret.metadata.resource_version if secret else None

    async def value(self, namespace: str, name: str, key: str) -> str:
        """The value of one key, without the white space around it.

        Raises:
            SecretUnavailable: The Secret or the key is missing, or the value is empty.
        """
        secret = await self._secret(namespace, name, key)
        if secret is None:
            raise self._unavailable(f'Secret "{name}" not found', namespace, name)
        if not secret.is_readable:
            # No watch tells that a Role was changed.
            seconds = self.look_again_seconds(namespace, name) or LOOK_AGAIN_MAX_SECONDS
            raise SecretUnavailable(f'the manager may not read Secret "{name}"', seconds)
        if key not in secret.values:
            raise self._unavailable(f'key "{key}" not found in Secret "{name}"', namespace, name)
        if not secret.values[key]:
            raise self._unavailable(f'key "{key}" of Secret "{name}" is empty', namespace, name)
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

    def look_again_seconds(self, namespace: str, name: str) -> float | None:
        """When who cannot use a Secret as it is should look again; None where the watch tells of a change."""
        return None if self._follows(namespace) else self._readings.look_again_seconds(Request(namespace, name))

    def doubt(self, namespace: str, name: str, *, older_than_seconds: float = JUST_READ_SECONDS) -> bool:
        """Have a Secret that is not watched read again at its next use: who was shown its value refused it.

        Args:
            namespace: Of the Secret.
            name: Of the Secret.
            older_than_seconds: A younger reading is believed.

        Returns:
            Whether the next use reads it again.
        """
        if self._follows(namespace):
            return False
        return self._readings.doubt(Request(namespace, name), older_than_seconds=older_than_seconds)

    async def has_other_key(self, llm: LLM, used: str | None) -> bool:
        """Whether the key of an LLM is another than the one that its provider refused."""
        if llm.spec.api_key_from is None:
            return False
        self.doubt(llm.metadata.namespace, llm.spec.api_key_from.secret_key_ref.name, older_than_seconds=0.0)
        try:
            return await self.api_key(llm) != used
        except (ApiError, SecretUnavailable, TransportError):
            return False

    async def has_changed(self, namespace: str, names: Iterable[str]) -> bool:
        """Whether Secrets that are not watched turn out to be changed, and the control loops hear of it.

        They are read where that was not done for a while.
        """
        if self._follows(namespace):
            return False
        before = {name: self._readings.version(Request(namespace, name)) for name in names}
        return any([await self.version(namespace, name) != known for name, known in before.items() if known])

    def _unavailable(self, message: str, namespace: str, name: str) -> SecretUnavailable:
        return SecretUnavailable(message, self.look_again_seconds(namespace, name))

    def _watched_version(self, namespace: str, name: str) -> str | None:
        metadata = self._metadata.metadata(namespace, name)
        return metadata.resource_version if metadata else None

    async def _secret(self, namespace: str, name: str, key: str) -> Secret | None:
        if not self._follows(namespace):
            return await self._by_name(namespace, name, lambda secret: bool(secret and secret.values.get(key)))
        version = self._watched_version(namespace, name)
        cached = self._cached.get((namespace, name))
        if cached is not None and cached.metadata.resource_version == version:
            self._cached.move_to_end((namespace, name))
            return cached
        self._cached.pop((namespace, name), None)
        if version is None or (secret := await self._read(namespace, name)) is None:
            return None
        self._cached[(namespace, name)] = secret
        if len(self._cached) > CACHED_SECRETS_MAX:
            self._cached.popitem(last=False)
        return secret

    async def _by_name(self, namespace: str, name: str, is_usable: Callable[[Secret | None], bool]) -> Secret | None:
        """Read a Secret unless the last reading still counts; of those who need it at the same time one reads it."""
        key = Request(namespace, name)
        lock = self._locks.setdefault(key, asyncio.Lock())
        async with lock:
            before = self._readings.get(key)
            is_unusable = before is not None and not is_usable(before.value)
            if (reading := self._readings.fresh(key, is_unusable=is_unusable)) is not None:
                return reading.value
            secret = await self._read(namespace, name)
            if self._readings.keep(key, secret, secret.metadata.resource_version if secret else None):
                self.changed.enqueue(key)
            return secret

    async def _read(self, namespace: str, name: str) -> Secret | None:
        try:
            return await self._client.get(SECRETS, namespace, name)
        except NotFound:
            return None
        except Forbidden:  # a Role may name the Secrets that can be read
            unknown = ObjectMeta(namespace=namespace, name=name, resource_version=UNREADABLE)
            return Secret(unknown, {}, is_readable=False)
