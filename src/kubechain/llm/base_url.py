"""An LLM's `baseUrl`, checked before any request (and any key) goes there.

Whoever may write LLM objects chooses where the operator sends requests from inside the cluster. So addresses that only
serve attacks are refused (`net.addresses.NOT_METADATA`). Loopback and private addresses are allowed: models run there.
What a name resolves to is checked when a connection is made, except through a proxy, which resolves names itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import SplitResult, urlsplit

from kubechain.llm.errors import InvalidTarget
from kubechain.net.addresses import NOT_METADATA, AddressNotAllowed, address_of, unmapped
from kubechain.net.failures import causes

MAX_URL_CHARACTERS = 2048

_NO_TLS_SIGNS = ("wrong_version_number", "wrong version number", "record_layer_failure", "record layer failure")
_NO_HTTP_SIGNS = ("illegal status line", "illegal request line", "illegal response", "illegal header")
_SILENCE_SIGN = "disconnected without sending a response"


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
    try:
        NOT_METADATA.check_host(host)
    except AddressNotAllowed as error:
        raise InvalidTarget(f"baseUrl: {error}") from error
    return Endpoint(url=base_url.strip().rstrip("/"), host=host)


def origin_of(url: str) -> str:
    """Scheme, host and port of a URL that was checked before."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def scheme_advice(url: str, error: BaseException) -> str:
    """Return what to add to a failure when the port seems to speak the other of http and https; empty if not.

    Args:
        url: That was called.
        error: Of the HTTP library, with its causes.
    """
    parts = urlsplit(url)
    text = " ".join(str(link) for link in causes(error)).lower()
    if parts.scheme == "https" and any(sign in text for sign in _NO_TLS_SIGNS):
        return f": port {parts.port or 443} may want http"
    if parts.scheme == "http" and any(sign in text for sign in _NO_HTTP_SIGNS):
        return f": port {parts.port or 80} does not speak HTTP, it may want https"
    if parts.scheme == "http" and _SILENCE_SIGN in text:
        return f": no answer at all; if port {parts.port or 80} speaks TLS, it wants https"
    return ""


def is_loopback(host: str) -> bool:
    """Whether a host, name or address, is this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    address = address_of(host)
    return address is not None and unmapped(address).is_loopback


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
