"""Address and credentials of an API server: the in-cluster config, and the types that a kubeconfig is read into.

It does not use kubernetes-asyncio, because importing its config package costs two seconds and 110 MB. Exec plugins and
auth providers, which do need it, are in `authplugins`. No requests here.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from kubechain.net import tls
from kubechain.runtime.clock import Clock

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where the kubelet puts a pod's token, CA and namespace."""

TOKEN_REREAD_SECONDS = 60.0
"""How often a token file is read again, as in client-go; projected tokens rotate about hourly and overlap."""


class ConfigError(Exception):
    """The configuration of the API server is missing or invalid; the message names file and field."""


class Tokens(Protocol):
    """A source of bearer tokens."""

    async def token(self) -> str | None:
        """Return the token to send now, None for none."""
        ...


@dataclass(frozen=True, slots=True)
class StaticToken:
    """A token that never changes, or none."""

    value: str | None = field(default=None, repr=False)

    async def token(self) -> str | None:
        """Return it."""
        return self.value


class FileToken:
    """A token in a file that is rotated by another process, such as the kubelet."""

    def __init__(self, path: Path, *, clock: Clock) -> None:
        """Read `path` now, and again when the token is asked for and older than a minute.

        Raises:
            ConfigError: it cannot be read.
        """
        self._path, self._clock = path, clock
        self._value = _read(path).strip()
        self._read_at = clock.monotonic()

    async def token(self) -> str | None:
        """Return the content of the file, at most a minute old; while the file cannot be read, the last token."""
        now = self._clock.monotonic()
        if now - self._read_at >= TOKEN_REREAD_SECONDS:
            self._read_at = now
            try:
                self._value = _read(self._path).strip() or self._value
            except ConfigError:
                return self._value  # the file is being replaced: the next read finds it
        return self._value


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
        return f"Bearer {token}" if token else None


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
        tokens=FileToken(folder / "token", clock=clock),
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
