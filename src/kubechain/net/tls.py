"""The TLS contexts of all connections that KubeChain opens: API servers, providers, MCP servers, HTTP tools.

Python 3.13 checks certificates more strictly than 3.12, Go and OpenSSL do by default: it refuses a CA without the
extensions `keyUsage` or `authorityKeyIdentifier`. The CAs of many clusters and companies have neither, and `openssl req
-x509` makes them so. Every context of this module therefore checks as Go does, whatever the Python.
"""

from __future__ import annotations

import ssl


def client_context(*, ca_file: str | None = None, ca_data: str | None = None) -> ssl.SSLContext:
    """Return a context for connections to servers. It takes tens of milliseconds: reuse it.

    Args:
        ca_file: Certificates that are trusted, and no others.
        ca_data: The same as PEM text. Without either: the certificates that `SSL_CERT_FILE` or `SSL_CERT_DIR` names,
            else those that the system trusts.

    Raises:
        OSError: The certificates cannot be read.
        ValueError: `ca_data` holds no certificate.
    """
    if ca_file or ca_data:
        return as_go_checks(ssl.create_default_context(cafile=ca_file, cadata=ca_data))
    import httpx2  # knows where the certificates of each system are

    return as_go_checks(httpx2.create_ssl_context())


def as_go_checks(context: ssl.SSLContext) -> ssl.SSLContext:
    """Make a context accept what Go's TLS accepts: CAs that break RFC 5280, and an intermediate CA that is trusted."""
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context
