"""Describes why a connection failed: the same text for each attempt, without addresses, secrets or library messages.

Libraries wrap the errors of other libraries. `cause` therefore searches the chain of causes, first for known exception
types and system error numbers, then for known words in the messages.
"""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Iterator
from typing import cast

REFUSED = "connection refused"
UNKNOWN_NAME = "its name does not resolve"
UNTRUSTED = "its TLS certificate is not trusted"
ANOTHER_NAME = "its TLS certificate is for another name"
OUT_OF_DATE = "its TLS certificate has expired, or is not valid yet"
NO_TLS = "no TLS connection"
UNREACHABLE = "no route to it"
TOO_SLOW = "no connection in time"
BROKEN = "the connection broke"
OTHER = "no connection"

_BY_NUMBER = {
    errno.ECONNREFUSED: REFUSED,
    errno.EHOSTUNREACH: UNREACHABLE,
    errno.ENETUNREACH: UNREACHABLE,
    errno.ETIMEDOUT: TOO_SLOW,
    errno.ECONNRESET: BROKEN,
    errno.EPIPE: BROKEN,
    errno.ECONNABORTED: BROKEN,
}
_BY_VERIFICATION = {9: OUT_OF_DATE, 10: OUT_OF_DATE, 62: ANOTHER_NAME, 64: ANOTHER_NAME}
"""By the `X509_V_ERR` numbers of OpenSSL; all others are about who signed the certificate."""

_BY_TEXT = (
    ("certificate is not valid for", ANOTHER_NAME),
    ("certificate has expired", OUT_OF_DATE),
    ("certificate", UNTRUSTED),
    ("ssl", NO_TLS),
    ("tls", NO_TLS),
    ("does not resolve", UNKNOWN_NAME),
    ("name or service", UNKNOWN_NAME),
    ("getaddrinfo", UNKNOWN_NAME),
    ("name resolution", UNKNOWN_NAME),
    ("nodename", UNKNOWN_NAME),
    ("no address", UNKNOWN_NAME),
    ("refused", REFUSED),
    ("all connection attempts failed", REFUSED),
)


def cause(error: BaseException) -> str:
    """Return a short description of why a connection could not be opened, or broke."""
    chain = list(causes(error))
    found = [words for read in (_by_type, _by_text) for link in chain if (words := read(link)) is not None]
    return found[0] if found else OTHER


def _by_type(error: BaseException) -> str | None:
    match error:
        case ssl.SSLCertVerificationError():
            return _BY_VERIFICATION.get(getattr(error, "verify_code", 0), UNTRUSTED)
        case ssl.SSLError():
            return NO_TLS
        case socket.gaierror():
            return UNKNOWN_NAME
        case OSError(errno=number) if number is not None:
            return _BY_NUMBER.get(number)
        case TimeoutError():
            return TOO_SLOW
        case _:
            return None


def _by_text(error: BaseException) -> str | None:
    text = str(error).lower()
    return next((words for sign, words in _BY_TEXT if sign in text), None)


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield the error and its causes, outermost first, including the members of exception groups."""
    seen: set[int] = set()
    pending = [error]
    while pending:
        link = pending.pop(0)
        if link is None or id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        if isinstance(link, BaseExceptionGroup):
            pending.extend(cast("BaseExceptionGroup[BaseException]", link).exceptions)
        pending.append(link.__cause__ or link.__context__)
