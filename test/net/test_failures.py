"""The words for a failed connection depend on the failure, not on the libraries that wrap it."""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Callable

import pytest

from kubechain.net import failures


def wrapped(error: Exception) -> Exception:
    """As a library raises it: with a text of its own."""
    try:
        try:
            raise error
        except Exception as inner:
            raise OSError("All connection attempts failed") from inner
    except OSError as outer:
        return outer


def bare(error: Exception) -> Exception:
    return error


def grouped(error: Exception) -> Exception:
    return ExceptionGroup("", [error])


@pytest.mark.parametrize("wrap", [wrapped, bare, grouped])
@pytest.mark.parametrize(
    ("error", "words"),
    [
        pytest.param(ConnectionRefusedError(errno.ECONNREFUSED, "10.0.0.7"), "connection refused", id="refused"),
        pytest.param(socket.gaierror(-2, "Name or service not known"), "its name does not resolve", id="DNS"),
        pytest.param(ssl.SSLCertVerificationError(1, "x"), "its TLS certificate is not trusted", id="certificate"),
        pytest.param(ssl.SSLError(1, "wrong version"), "no TLS connection", id="TLS"),
        pytest.param(OSError(errno.ENETUNREACH, "x"), "no route to it", id="network"),
        pytest.param(TimeoutError(), "no connection in time", id="time-out"),
        pytest.param(ConnectionResetError(errno.ECONNRESET, "x"), "the connection broke", id="reset"),
    ],
)
def test_the_system_says_why(error: Exception, words: str, wrap: Callable[[Exception], Exception]) -> None:
    assert failures.cause(wrap(error)) == words


@pytest.mark.parametrize(
    ("code", "words"),
    [
        pytest.param(62, "its TLS certificate is for another name", id="of another host"),
        pytest.param(64, "its TLS certificate is for another name", id="of another address"),
        pytest.param(10, "its TLS certificate has expired, or is not valid yet", id="expired"),
        pytest.param(20, "its TLS certificate is not trusted", id="signed by nobody that is known"),
    ],
)
def test_openssl_says_what_is_wrong_with_a_certificate(code: int, words: str) -> None:
    error = ssl.SSLCertVerificationError(1, "x")
    error.verify_code = code
    assert failures.cause(error) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[SSL: CERTIFICATE_VERIFY_FAILED] x", "its TLS certificate is not trusted"),
        ("certificate is not valid for 'mail.test'", "its TLS certificate is for another name"),
        ("certificate verify failed: certificate has expired", "its TLS certificate has expired, or is not valid yet"),
        ("All connection attempts failed", "connection refused"),
        ("its name does not resolve", "its name does not resolve"),
        ("something 10.0.0.7", "no connection"),
    ],
)
def test_otherwise_the_text_does(text: str, words: str) -> None:
    assert failures.cause(RuntimeError(text)) == words


def test_a_circle_of_causes_ends() -> None:
    first, second = RuntimeError("a"), RuntimeError("b")
    first.__cause__, second.__cause__ = second, first
    assert failures.cause(first) == "no connection"
