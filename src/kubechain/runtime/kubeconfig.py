"""Reads kubeconfig files as kubectl does: merges the files of $KUBECONFIG, selects a context, resolves relative paths.

Supported are tokens, token files, client certificates, CAs, server names, insecure TLS and proxies. Exec plugins and
auth providers are handled by `authplugins`.
"""

from __future__ import annotations

import base64
import binascii
import math
import os
import ssl
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import yaml

from kubechain.runtime.clock import Clock
from kubechain.runtime.credentials import (
    Cluster,
    ConfigError,
    RereadToken,
    StaticToken,
    Tokens,
    client_context,
    file_token,
    in_cluster,
)

DEFAULT_PATH = Path("~/.kube/config")

Entry = dict[str, Any]


def load(
    *, clock: Clock, path: str | None = None, context: str | None = None, environment: Mapping[str, str] = os.environ
) -> Cluster:
    """Return the cluster that kubectl would use, or in a pod the one that client-go would use.

    Args:
        clock: decides when token files are read again.
        path: an explicit kubeconfig; None for $KUBECONFIG, ~/.kube/config, then in-cluster.
        context: None for the current one.
        environment: of the process.

    Raises:
        ConfigError: no usable configuration was found; the message names file and field.
    """
    paths = _paths(path, environment)
    if not path and not any(one.exists() for one in paths) and "KUBERNETES_SERVICE_HOST" in environment:
        return in_cluster(clock=clock, environment=environment)
    return Kubeconfig.read(paths, must_exist=bool(path)).cluster(context, clock=clock)


class Kubeconfig:
    """One or more kubeconfig files, merged: for each name and for the current context, the first file wins."""

    def __init__(self) -> None:
        """Create an empty one; use `read`."""
        self.current_context = ""
        self.clusters: dict[str, Entry] = {}
        self.users: dict[str, Entry] = {}
        self.contexts: dict[str, Entry] = {}
        self.paths: list[Path] = []

    @classmethod
    def read(cls, paths: list[Path], *, must_exist: bool = False) -> Kubeconfig:
        """Read and merge files; those that do not exist are skipped, as kubectl does.

        Raises:
            ConfigError: a file is broken, or none exists.
        """
        config = cls()
        for path in paths:
            if path.exists():
                config._merge(path)
        if not config.paths:
            kind = "kubeconfig" if must_exist else "kubeconfig (and this is no pod)"
            raise ConfigError(f"{kind}: no such file: {', '.join(str(path) for path in paths)}")
        return config

    def cluster(self, context: str | None, *, clock: Clock) -> Cluster:
        """Return the cluster of one context.

        Raises:
            ConfigError: a part is missing or not supported.
        """
        name = context or self.current_context
        where = ", ".join(str(path) for path in self.paths)
        if not name:
            raise ConfigError(f"kubeconfig: no current-context: {where}")
        chosen = _find(self.contexts, name, "context", where)
        cluster = _find(self.clusters, str(chosen.get("cluster", "")), "cluster", where)
        user = _find(self.users, str(chosen["user"]), "user", where) if chosen.get("user") else {}
        if not cluster.get("server"):
            raise ConfigError(f'kubeconfig: cluster "{chosen.get("cluster")}" has no server: {where}')
        context_ssl = _ssl_context(cluster, user)
        return Cluster(
            url=str(cluster["server"]),
            ssl=context_ssl if str(cluster["server"]).startswith("https:") else None,
            tokens=_tokens(user, cluster, context_ssl, clock, lambda: self._token_again(str(chosen["user"]))),
            namespace=str(chosen.get("namespace") or "default"),
            proxy_url=_proxy(cluster),
            tls_server_name=cluster.get("tls-server-name"),
            source=f"{where} ({name})",
        )

    def _token_again(self, user: str) -> str | None:
        """Read the files again, and return the token of a user.

        Raises:
            ConfigError: a file is broken, as it may be while it is written.
        """
        entry = Kubeconfig.read(self.paths).users.get(user) or {}
        return str(entry["token"]) if entry.get("token") else None

    def _merge(self, path: Path) -> None:
        document = _document(path)
        self.paths.append(path)
        self.current_context = self.current_context or str(document.get("current-context") or "")
        for plural, singular, target in (
            ("clusters", "cluster", self.clusters),
            ("users", "user", self.users),
            ("contexts", "context", self.contexts),
        ):
            for entry in _entries(document, plural, path):
                body = cast("Entry", entry.get(singular) or {})
                target.setdefault(str(entry.get("name", "")), _with_absolute_paths(body, path.parent))


def _paths(path: str | None, environment: Mapping[str, str]) -> list[Path]:
    if path:
        return [Path(path).expanduser()]
    listed = [Path(one).expanduser() for one in environment.get("KUBECONFIG", "").split(os.pathsep) if one]
    return listed or [DEFAULT_PATH.expanduser()]


def _document(path: Path) -> Entry:
    try:
        document: object = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"kubeconfig: {path}: {error}") from error
    except yaml.YAMLError as error:  # its text may quote a credential
        mark = getattr(error, "problem_mark", None)
        raise ConfigError(f"kubeconfig: {path}: not YAML{f', line {mark.line + 1}' if mark else ''}") from None
    if not isinstance(document, dict):
        raise ConfigError(f"kubeconfig: {path}: not a mapping")
    return cast("Entry", document)


def _entries(document: Entry, plural: str, path: Path) -> list[Entry]:
    entries: object = document.get(plural) or []
    if not isinstance(entries, list) or not all(isinstance(one, dict) for one in cast("list[object]", entries)):
        raise ConfigError(f"kubeconfig: {path}: {plural} is not a list of mappings")
    return cast("list[Entry]", entries)


def _with_absolute_paths(body: Entry, folder: Path) -> Entry:
    """Make file names absolute: they are relative to the kubeconfig's folder."""
    names = ("certificate-authority", "client-certificate", "client-key", "tokenFile")
    return body | {name: str(folder / str(body[name])) for name in names if body.get(name)}


def _find(entries: dict[str, Entry], name: str, kind: str, where: str) -> Entry:
    if name not in entries:
        raise ConfigError(f'kubeconfig: no {kind} "{name}": {where}')
    return entries[name]


def _ssl_context(cluster: Entry, user: Entry) -> ssl.SSLContext:
    ca_data = cluster.get("certificate-authority-data")
    context = client_context(
        ca_file=Path(cluster["certificate-authority"])
        if cluster.get("certificate-authority") and not ca_data
        else None,
        ca_data=_decoded(ca_data, "certificate-authority-data").decode() if ca_data else None,
        verify=not cluster.get("insecure-skip-tls-verify"),
    )
    _load_client_certificate(context, user)
    return context


def _load_client_certificate(context: ssl.SSLContext, user: Entry) -> None:
    certificate, key = _pem(user, "client-certificate"), _pem(user, "client-key")
    if certificate is None and key is None:
        return
    if certificate is None or key is None:
        raise ConfigError("kubeconfig: client-certificate and client-key go together")
    load_chain(context, certificate, key)


def load_chain(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """Load a client certificate from memory, through a private temporary file: OpenSSL reads files only.

    Raises:
        ConfigError: certificate and key are invalid or do not match.
    """
    with tempfile.NamedTemporaryFile(prefix="kubechain-", suffix=".pem") as file:  # created with mode 0600
        file.write(certificate + b"\n" + key)
        file.flush()
        try:
            context.load_cert_chain(file.name)
        except (ssl.SSLError, OSError) as error:
            raise ConfigError(f"kubeconfig: client certificate: {getattr(error, 'reason', error)}") from None


def _pem(user: Entry, name: str) -> bytes | None:
    if user.get(f"{name}-data"):
        return _decoded(user[f"{name}-data"], f"{name}-data")
    if not user.get(name):
        return None
    try:
        return Path(user[name]).read_bytes()
    except OSError as error:
        raise ConfigError(f"kubeconfig: {name}: {user[name]}: {error.strerror}") from error


def _decoded(value: object, name: str) -> bytes:
    try:
        return base64.b64decode(str(value), validate=True)
    except (ValueError, binascii.Error):
        raise ConfigError(f"kubeconfig: {name} is not base64") from None


def _tokens(
    user: Entry, cluster: Entry, context: ssl.SSLContext, clock: Clock, read_token: Callable[[], str | None]
) -> Tokens:
    """Return the source of tokens, in kubectl's order of preference.

    Args:
        user: of the kubeconfig.
        cluster: of the kubeconfig.
        context: for client certificates.
        clock: decides when tokens are read again.
        read_token: reads the user's `token` from the files again; who logs in anew writes it there.
    """
    if user.get("tokenFile"):
        return file_token(Path(user["tokenFile"]), clock=clock)
    if user.get("token"):
        return RereadToken(read_token, clock=clock, reread_seconds=math.inf)
    if user.get("username") or user.get("password"):
        raise ConfigError("kubeconfig: user name and password: no API server accepts basic authentication any more")
    if user.get("exec") or user.get("auth-provider"):
        from kubechain.runtime.authplugins import plugin_tokens

        return plugin_tokens(user, cluster, context, clock=clock)
    return StaticToken()


def _proxy(cluster: Entry) -> str | None:
    proxy = cluster.get("proxy-url")
    if proxy and not str(proxy).startswith(("http://", "https://")):
        raise ConfigError("kubeconfig: proxy-url: only http and https proxies are supported")
    return str(proxy) if proxy else None
