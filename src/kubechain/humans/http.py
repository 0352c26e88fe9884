"""Performs one HTTP exchange with a channel's service, under the address policy: no proxy, no redirects, no cookies."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus

import httpx2

from kubechain.humans.model import MESSAGE_TIMEOUT_SECONDS, MayBeSent, NotSent
from kubechain.net.addresses import AddressNotAllowed, AddressPolicy
from kubechain.net.connections import CheckedNetwork, CheckedTransport, origin
from kubechain.net.failures import cause, causes
from kubechain.net.resolution import Lookup, system_lookup
from kubechain.net.retry_after import header_seconds
from kubechain.net.tls import client_context

MAX_REPLY_BYTES = 512 * 1024
"""A page of a Slack channel's history has some hundred kilobytes at most."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The response, with header names in lower case."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx."""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES

    def retry_after_seconds(self, now: datetime) -> float | None:
        """When the service wants to be asked again."""
        return header_seconds(self.headers.get("retry-after"), now=now)


class ChannelHttp:
    """Posts to the services of channels."""

    def __init__(self, policy: AddressPolicy, *, lookup: Lookup = system_lookup) -> None:
        """Create it.

        Args:
            policy: Addresses that connections are allowed to.
            lookup: Resolver; by default the system's.
        """
        self._network = CheckedNetwork(policy, lookup=lookup)
        self._tls: ssl.SSLContext | None = None

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        """Send one request.

        Raises:
            NotSent: There was no connection.
            MayBeSent: The connection broke or timed out afterwards.
        """
        where = _where(url)
        try:
            async with asyncio.timeout(MESSAGE_TIMEOUT_SECONDS):
                return await self._post(url, body, headers)
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.UnsupportedProtocol) as error:
            raise NotSent(f"unreachable: {where}: {_why(error)}") from error
        except AddressNotAllowed as error:
            raise NotSent(str(error)) from error
        except httpx2.InvalidURL:
            raise NotSent(f"unreachable: {where}: it cannot be parsed") from None
        except (httpx2.HTTPError, TimeoutError) as error:
            raise MayBeSent(f"no answer: {where}: {_why(error)}") from error

    async def _post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        if self._tls is None:
            self._tls = client_context()
        async with (
            httpx2.AsyncClient(
                transport=CheckedTransport(self._network, tls=self._tls),
                trust_env=False,
                follow_redirects=False,
                timeout=MESSAGE_TIMEOUT_SECONDS,
            ) as client,
            client.stream("POST", url, content=body, headers=dict(headers)) as response,
        ):
            return Reply(response.status_code, _lower(response.headers), await _read(response))


def _why(error: Exception) -> str:
    refusal = next((one for one in causes(error) if isinstance(one, AddressNotAllowed)), None)
    return str(refusal) if refusal else cause(error)


def _lower(headers: httpx2.Headers) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


async def _read(response: httpx2.Response) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > MAX_REPLY_BYTES:
            break
    return bytes(body[:MAX_REPLY_BYTES])


def _where(url: str) -> str:
    try:
        return origin(httpx2.URL(url))
    except (httpx2.InvalidURL, ValueError):
        return "the address"
