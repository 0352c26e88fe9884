"""Who a call to a provider is made as, where that is more than a key in a header: values, and what a cloud must say.

A row's endpoint may name a `Grant`. It reads the LLM's Secret, or the manager's own surroundings where the LLM names
none, and returns one of three ways to authenticate. `access.AccessStore` goes that way before a dialect encodes its
call; the dialect sees a key in `Target.api_key` and knows nothing of where it comes from.

The manager's own identity is the administrator's, and whoever may write LLMs chooses where calls go. So a token of the
manager's is sent to the provider's own hosts only, and to those that the administrator adds by `IDENTITY_HOSTS`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from pydantic import SecretStr

from kubechain.llm.base_url import Endpoint
from kubechain.llm.errors import InvalidTarget
from kubechain.llm.exchange import HttpCall, HttpReply

IDENTITY_HOSTS = "KUBECHAIN_IDENTITY_HOSTS"
"""Variable of the manager: hosts, divided by commas, that may receive tokens of its own identity, such as a gateway."""


@dataclass(frozen=True, slots=True)
class Token:
    """An access token as a token endpoint gave it.

    Attributes:
        lifetime_seconds: Until it ends, from when it came.
    """

    value: SecretStr
    lifetime_seconds: float


Fetch = Generator[HttpCall, HttpReply, Token]
"""Yields each request to a token endpoint, is sent its reply, and returns the token."""


@dataclass(frozen=True, slots=True)
class KeyAsItIs:
    """The Secret holds what goes into the header."""


@dataclass(frozen=True, slots=True)
class TokenSource:
    """A token is fetched by HTTP.

    Attributes:
        identity: What the token is fetched for, as a digest: sources with the same one share a token.
        fetch: Makes the requests, at a time of the wall clock.
    """

    identity: str
    fetch: Callable[[datetime], Fetch] = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class AwsKeys:
    """Keys that requests to AWS are signed with."""

    access_key_id: str
    secret_access_key: SecretStr
    session_token: SecretStr | None = None


@dataclass(frozen=True, slots=True)
class Signature:
    """Each request is signed by Signature Version 4.

    Attributes:
        keys: From the LLM's Secret; None for those of the manager's own role.
    """

    region: str
    service: str
    keys: AwsKeys | None = None


Way = KeyAsItIs | TokenSource | Signature


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the administrator gave the manager's process.

    Attributes:
        environ: Its environment.
        read: Returns the text of a file; raises `OSError`.
    """

    environ: Mapping[str, str]
    read: Callable[[str], str]

    def text_of(self, path: str, *, named_by: str) -> str:
        """Return the text of a file.

        Raises:
            InvalidTarget: It cannot be read. The message says which setting names the file.
        """
        try:
            return self.read(path).strip()
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidTarget(
                f"manager's own identity: {named_by}: cannot be read: {type(error).__name__}"
            ) from error


class Grant(Protocol):
    """How a cloud gives access."""

    def way(self, secret: SecretStr | None, base: Endpoint, around: Surroundings) -> Way:
        """Return the way to authenticate.

        Args:
            secret: What the LLM's Secret holds; None where it names none.
            base: Where the calls go.
            around: For the manager's own identity.

        Raises:
            InvalidTarget: The Secret holds nothing that can be used, or the manager has no identity for this.
        """
        ...


def check_own_identity(base: Endpoint, around: Surroundings, *, is_official: bool) -> None:
    """Refuse to send a token of the manager's own identity to a host that is not known to be the provider's.

    Raises:
        InvalidTarget: It is not, or the connection is not encrypted.
    """
    added = {host.strip().lower() for host in around.environ.get(IDENTITY_HOSTS, "").split(",")}
    if base.host in added:
        return
    if not is_official:
        raise InvalidTarget(
            f'baseUrl: "{base.host}" does not get the manager\'s own identity: set apiKeyFrom, or have the '
            f"administrator add the host to {IDENTITY_HOSTS}"
        )
    if not base.url.startswith("https://"):
        raise InvalidTarget("baseUrl: the manager's own identity goes over https only")


def digest(*parts: str) -> str:
    """Return what stands for an identity in memory, without its secrets."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
