"""Credentials from exec plugins and auth providers of a kubeconfig, read by kubernetes-asyncio.

This module is imported only when a kubeconfig names one of the two, and is the only one that imports
`kubernetes_asyncio`: importing `kubernetes_asyncio.config` takes two seconds and 110 MB, which a manager with a service
account, a token or a certificate does not need.
"""

from __future__ import annotations

import asyncio
import math
import ssl
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, cast

from kubernetes_asyncio.client import Configuration
from kubernetes_asyncio.config import ConfigException
from kubernetes_asyncio.config.exec_provider import ExecProvider
from kubernetes_asyncio.config.kube_config import ConfigNode, KubeConfigLoader

from kubechain.net.foreign import cut
from kubechain.runtime.clock import Clock
from kubechain.runtime.credentials import ConfigError, Tokens

EARLY = timedelta(seconds=60)
"""How long before its expiry a credential is fetched again."""

WITHOUT_EXPIRY = timedelta(minutes=10)
"""How long a credential without an expiry is used before it is fetched again."""


REFUSED_SECONDS = 30.0
"""The shortest time between two calls of a plugin whose tokens are refused: a call may ask a person or a service."""


class PluginTokens:
    """Tokens of a plugin, cached until shortly before they expire; at most one call of the plugin runs at a time."""

    def __init__(self, user: dict[str, Any], cluster: dict[str, Any], *, clock: Clock) -> None:
        """Create it for a user of a kubeconfig; the plugin is called by `token`."""
        self._user, self._cluster, self._clock = user, cluster, clock
        self._lock = asyncio.Lock()
        self._token: str | None = None
        self._expires_at: datetime | None = None
        self._renewed_at = -math.inf

    async def token(self) -> str | None:
        """Return a token that has not expired.

        Raises:
            ConfigError: the plugin failed.
        """
        async with self._lock:
            if self._expires_at is None or self._clock.now() >= self._expires_at - EARLY:
                await self._fetch()
        return self._token

    async def renew(self, refused: str | None) -> bool:
        """Call the plugin again, at most once in `REFUSED_SECONDS`; return whether it gave another token."""
        async with self._lock:
            now = self._clock.monotonic()
            if self._token == refused and now - self._renewed_at >= REFUSED_SECONDS:
                self._renewed_at = now
                with suppress(ConfigError):  # a later request calls it again
                    await self._fetch()
        return self._token != refused

    async def _fetch(self) -> None:
        try:
            token, expiry = await (self._from_exec() if self._user.get("exec") else self._from_provider())
        except ConfigException as error:
            raise ConfigError(f"kubeconfig: credential plugin: {cut(str(error))}") from None
        self._token = token
        self._expires_at = expiry or self._clock.now() + WITHOUT_EXPIRY + EARLY

    async def _from_exec(self) -> tuple[str | None, datetime | None]:
        provider = ExecProvider(ConfigNode("exec", self._user["exec"]))
        status = cast("dict[str, Any]", await provider.run())
        if "clientCertificateData" in status:
            raise ConfigError("kubeconfig: credential plugin: client certificates from plugins are not supported")
        expiry = status.get("expirationTimestamp")
        return status.get("token"), datetime.fromisoformat(expiry) if expiry else None

    async def _from_provider(self) -> tuple[str | None, datetime | None]:
        document = {
            "current-context": "it",
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
            "clusters": [{"name": "it", "cluster": self._cluster}],
            "users": [{"name": "it", "user": self._user}],
        }
        loader: Any = KubeConfigLoader(config_dict=document)  # has no types of its own
        configuration: Any = Configuration()
        await loader.load_and_set(configuration)
        bearer: str = configuration.api_key.get("BearerToken", "")
        return bearer.removeprefix("Bearer ").strip() or None, None


def plugin_tokens(user: dict[str, Any], cluster: dict[str, Any], context: ssl.SSLContext, *, clock: Clock) -> Tokens:
    """Return the tokens of a kubeconfig user with a plugin."""
    del context  # would take client certificates from plugins
    return PluginTokens(user, cluster, clock=clock)
