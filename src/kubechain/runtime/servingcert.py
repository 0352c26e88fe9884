"""The certificate that the metrics server shows: one of an administrator's, or one that is made at the start.

One that is made is signed by nobody: it encrypts, and does not prove who serves. As controller-runtime does.
"""

from __future__ import annotations

import ssl
import tempfile
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from kubechain.runtime.credentials import ConfigError

CERTIFICATE, KEY = "tls.crt", "tls.key"
"""Files of a Secret of type kubernetes.io/tls that is mounted."""

VALIDITY = timedelta(days=365)
"""Longer than a process lives: each start makes another one."""


class BadCertificate(ConfigError):
    """Certificate and key cannot be used; the message names the folder and no content."""


def context(folder: str | None) -> ssl.SSLContext:
    """Return the context of a server.

    Args:
        folder: has `tls.crt` and `tls.key`, which are read again when they are replaced; None makes a certificate.

    Raises:
        BadCertificate: they cannot be read, or do not belong together.
    """
    if folder is None:
        with tempfile.TemporaryDirectory(prefix="kubechain-tls-") as made:
            _make(Path(made))
            return _loaded(Path(made))
    place = Path(folder)
    served = _loaded(place)
    current, seen = served, _stamp(place)

    def follow(connection: ssl.SSLSocket | ssl.SSLObject, name: str | None, first: ssl.SSLContext) -> None:
        """At each handshake: a certificate that was renewed counts from the next connection on."""
        nonlocal current, seen
        del name, first
        if (stamp := _stamp(place)) != seen:
            with suppress(BadCertificate):  # half written: the one before is still shown
                current, seen = _loaded(place), stamp
        connection.context = current

    served.sni_callback = follow
    return served


def _stamp(folder: Path) -> tuple[int, ...]:
    try:
        return tuple((folder / name).stat().st_mtime_ns for name in (CERTIFICATE, KEY))
    except OSError:
        return ()


def _loaded(folder: Path) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        made.load_cert_chain(folder / CERTIFICATE, folder / KEY)
    except OSError as error:  # an SSLError is one
        raise BadCertificate(f'certificate of the metrics: {error.strerror or "unusable"}: "{folder}"') from error
    return made


def _make(folder: Path) -> None:
    # Here, because the import takes longer than all the rest of a start, and few managers make a certificate.
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kubechain-metrics")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + VALIDITY)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("kubechain-metrics")]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / CERTIFICATE).write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    encoded = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / KEY).touch(mode=0o600)
    (folder / KEY).write_bytes(encoded)
