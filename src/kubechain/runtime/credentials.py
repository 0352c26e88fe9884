"""Address and credentials of an API server: the in-cluster config, and the types that a kubeconfig is read into.

It does not use kubernetes-asyncio, because importing its config package costs two seconds and 110 MB. Exec plugins and
auth providers, which do need it, are in `authplugins`. No requests here.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from kubechain.net import tls
from kubechain.runtime.clock import Clock

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where the kubelet puts a pod's token, CA and namespace."""

TOKEN_REREAD_SECONDS = 60.0
"""How often a token file is read again, as in client-go; projected tokens rotate about hourly and overlap."""


REFUSED_REREAD_SECONDS = 1.0
"""The shortest time between two reads of a token that the server refuses."""


class ConfigError(Exception):
    """The configuration of the API server is missing or invalid; the message names file and field."""


_SCHEME = "Bearer "


class Tokens(Protocol):
    """A source of bearer tokens."""

    async def token(self) -> str | None:
        """Return the token to send now, None for none."""
        ...

    async def renew(self, refused: str | None) -> bool:
        """Look for another token than the one that the server refused; return whether there is one."""
        ...


@dataclass(frozen=True, slots=True)
class StaticToken:
    """A token that is given and never changes, or none."""

    value: str | None = field(default=None, repr=False)

    async def token(self) -> str | None:
        """Return it."""
        return self.value

    async def renew(self, refused: str | None) -> bool:
        """Return False: there is no other."""
        del refused
        return False


class RereadToken:
    """A token that somebody else replaces where it is stored, such as the kubelet in a file."""

    def __init__(
        self, read: Callable[[], str | None], *, clock: Clock, reread_seconds: float = TOKEN_REREAD_SECONDS
    ) -> None:
        """Read the token now, and again when it is asked for and old, or was refused.

        Args:
            read: reads it; may raise ConfigError later, while the file is being replaced.
            clock: decides when it is old.
            reread_seconds: how old that is.

        Raises:
            ConfigError: it cannot be read.
        """
        self._read, self._clock, self._reread_seconds = read, clock, reread_seconds
        self._value = read()
        self._read_at = clock.monotonic()

    async def token(self) -> str | None:
        """Return the token; while it cannot be read, the last one."""
        self._read_after(self._reread_seconds)
        return self._value

    async def renew(self, refused: str | None) -> bool:
        """Read the token again, at most once in `REFUSED_REREAD_SECONDS`."""
        if self._value == refused:
            self._read_after(REFUSED_REREAD_SECONDS)
        return self._value != refused

    def _read_after(self, seconds: float) -> None:
        now = self._clock.monotonic()
        if now - self._read_at < seconds:
            return
        self._read_at = now
        with suppress(ConfigError):
            self._value = self._read() or self._value


def file_token(path: Path, *, clock: Clock) -> RereadToken:
    """Return the token in a file.

    Raises:
        ConfigError: it cannot be read.
    """
    return RereadToken(lambda: _read(path).strip(), clock=clock)


@dataclass(frozen=True, slots=True)
class Cluster:
    """One API server and how to reach it; satisfies `http.Server`."""

    url: str
    ssl: ssl.SSLContext | None
    tokens: Tokens = field(default_factory=StaticToken)
    namespace: str = "default"
    """The default namespace of the context."""
    proxy_url: str | None = None
    tls_server_name: str | None = None
    """The name to verify in the server's certificate instead of the URL's host."""
    source: str = ""
    """Origin of the configuration, for logs: a file and context, or `in-cluster`."""

    async def authorization(self) -> str | None:
        """Return the value of the `Authorization` header, None for none."""
        token = await self.tokens.token()
        return f"{_SCHEME}{token}" if token else None

    async def renew_authorization(self, refused: str | None) -> bool:
        """Look for other credentials than the `Authorization` that was refused; return whether there are any."""
        return await self.tokens.renew(refused.removeprefix(_SCHEME) if refused else None)


def in_cluster(*, clock: Clock, environment: Mapping[str, str] = os.environ, folder: Path = SERVICE_ACCOUNT) -> Cluster:
    """Return the cluster that this pod runs in.

    Args:
        clock: decides when the token is read again.
        environment: has the server's address, set by the kubelet.
        folder: has token and CA, written by the kubelet.

    Raises:
        ConfigError: this is no pod, or it has no service account token.
    """
    host, port = environment.get("KUBERNETES_SERVICE_HOST"), environment.get("KUBERNETES_SERVICE_PORT")
    if not host or not port:
        raise ConfigError("in-cluster config: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set")
    bracketed = f"[{host}]" if ":" in host else host
    return Cluster(
        url=f"https://{bracketed}:{port}",
        ssl=client_context(ca_file=folder / "ca.crt"),
        tokens=file_token(folder / "token", clock=clock),
        namespace=own_namespace(folder) or "default",
        source="in-cluster",
    )


def own_namespace(folder: Path = SERVICE_ACCOUNT) -> str | None:
    """Return the namespace of the pod that this process runs in, None outside of pods."""
    try:
        return _read(folder / "namespace").strip() or None
    except ConfigError:
        return None


def client_context(*, ca_file: Path | None = None, ca_data: str | None = None, verify: bool = True) -> ssl.SSLContext:
    """Return a TLS context that trusts one CA, or the system's where none is given.

    Args:
        ca_file: certificates that are trusted.
        ca_data: the same as PEM text.
        verify: False accepts any certificate; for `insecure-skip-tls-verify` only.

    Raises:
        ConfigError: the CA cannot be read.
    """
    try:
        context = tls.client_context(ca_file=str(ca_file) if ca_file else None, ca_data=ca_data)
    except (OSError, ValueError) as error:
        raise ConfigError(f"certificate authority: {ca_file or 'inline data'}: {error}") from error
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from error
