"""An LLM's `baseUrl`, checked before any request (and any key) goes there.

Whoever may write LLM objects chooses where the operator sends requests from inside the cluster, so addresses that only
serve attacks are refused: link-local ones (cloud metadata services), multicast, unspecified, in any spelling. Loopback
and private addresses are allowed: models run there. A name that resolves to a refused address is not detected here;
network policies are the place for that.
"""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import SplitResult, urlsplit

from kubechain.llm.errors import InvalidTarget

MAX_URL_CHARACTERS = 2048

_METADATA_NAMES = frozenset({"metadata.google.internal", "metadata.goog", "instance-data.ec2.internal"})
_METADATA_ADDRESSES = frozenset(
    {
        ipaddress.ip_address("fd00:ec2::254"),  # AWS, outside the link-local range
        ipaddress.ip_address("100.100.100.200"),  # Alibaba Cloud
        ipaddress.ip_address("168.63.129.16"),  # Azure's wire server
    }
)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A base URL that may be called.

    Attributes:
        url: Without a trailing slash, query or fragment.
        host: In lower case, without brackets.
    """

    url: str
    host: str

    @property
    def origin(self) -> str:
        """Scheme, host and port: what connections are shared by."""
        return origin_of(self.url)

    @property
    def is_loopback(self) -> bool:
        """Whether this is our own machine, which no proxy can reach for us."""
        return is_loopback(self.host)


@lru_cache(maxsize=1024)  # pure, and asked several times a call
def endpoint(base_url: str) -> Endpoint:
    """Check and normalise a base URL.

    Raises:
        InvalidTarget: It must not or cannot be called. The message repeats no credentials that the URL may hold.
    """
    parts = _split(base_url)
    if parts.scheme not in {"http", "https"}:
        raise InvalidTarget('baseUrl: scheme must be "http" or "https"')
    if parts.username is not None or parts.password is not None:
        raise InvalidTarget("baseUrl: must not hold credentials: use apiKeyFrom")
    if parts.query or parts.fragment:
        raise InvalidTarget("baseUrl: must not have a query or a fragment")
    host = (parts.hostname or "").rstrip(".")
    if not host:
        raise InvalidTarget("baseUrl: has no host")
    _refuse_hostile(host)
    return Endpoint(url=base_url.strip().rstrip("/"), host=host)


def origin_of(url: str) -> str:
    """Scheme, host and port of a URL that was checked before."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def is_loopback(host: str) -> bool:
    """Whether a host, name or address, is this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    address = _address(host)
    return address is not None and address.is_loopback


def _split(base_url: str) -> SplitResult:
    text = base_url.strip()
    if len(text) > MAX_URL_CHARACTERS:
        raise InvalidTarget(f"baseUrl: longer than {MAX_URL_CHARACTERS} characters")
    if not text.isascii() or any(c.isspace() or not c.isprintable() or c == "\\" for c in text):
        raise InvalidTarget("baseUrl: holds characters that a URL cannot have")
    try:
        parts = urlsplit(text)
        _ = parts.port  # parsed when asked for
    except ValueError as error:
        raise InvalidTarget("baseUrl: is not a URL") from error
    return parts


def _refuse_hostile(host: str) -> None:
    address = _address(host)
    hostile = host in _METADATA_NAMES if address is None else _is_hostile(address)
    if hostile:
        raise InvalidTarget(f'baseUrl: host is not allowed: "{host}"')


def _is_hostile(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    return address.is_link_local or address.is_multicast or address.is_unspecified or address in _METADATA_ADDRESSES


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address that a host spells, also in the short, octal and hexadecimal forms that resolvers accept."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        try:
            address = ipaddress.IPv4Address(socket.inet_aton(host))
        except OSError:
            return None
    if isinstance(address, ipaddress.IPv6Address):
        return address.ipv4_mapped or address.sixtofour or address
    return address
