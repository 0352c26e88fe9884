"""TLS on loopback: a self-made authority and a server certificate.

kubectl sends bearer tokens over TLS only. The authority's private key is discarded after signing, so that no further
certificate can be issued that the kubeconfig trusts.
"""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from kubechain_apiserver.http.private_files import write_private

VALID_DAYS: Final = 365
RENEW_BEFORE: Final = timedelta(days=7)
"""A certificate with less time left is replaced at start-up, together with the kubeconfig."""

_CLOCK_SKEW: Final = timedelta(hours=1)
_ADDRESSES: Final = ("127.0.0.1", "::1")
_NAMES: Final = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc")


@dataclass(frozen=True, slots=True)
class Certificates:
    """Paths of the PEM files."""

    authority: Path
    server: Path
    key: Path

    def context(self) -> ssl.SSLContext:
        """Return the server's TLS context."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.server, self.key)
        return context


def ensure(folder: Path, *, now: datetime) -> Certificates:
    """Return the certificates of a folder; they are created if missing, unreadable or about to expire."""
    files = Certificates(folder / "ca.crt", folder / "server.crt", folder / "server.key")
    if not _is_usable(files, now):
        _write(files, now)
    return files


def _is_usable(files: Certificates, now: datetime) -> bool:
    try:
        certificate = x509.load_pem_x509_certificate(files.server.read_bytes())
    except (OSError, ValueError):
        return False
    return files.authority.exists() and files.key.exists() and now < certificate.not_valid_after_utc - RENEW_BEFORE


def _write(files: Certificates, now: datetime) -> None:
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority = _authority(authority_key, now)
    key = ec.generate_private_key(ec.SECP256R1())
    server = _server(key.public_key(), authority, authority_key, now=now)
    files.key.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_private(files.key, _pem(key))
    files.authority.write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    files.server.write_bytes(server.public_bytes(serialization.Encoding.PEM))


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _builder(subject: str, issuer: str, public: ec.EllipticCurvePublicKey, *, now: datetime) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + timedelta(days=VALID_DAYS))
    )


def _authority(key: ec.EllipticCurvePrivateKey, now: datetime) -> x509.Certificate:
    builder = _builder("kubechain-embedded-ca", "kubechain-embedded-ca", key.public_key(), now=now)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(signs_certificates=True), critical=True)
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return builder.add_extension(identifier, critical=False).sign(key, hashes.SHA256())


def _server(
    public: ec.EllipticCurvePublicKey, authority: x509.Certificate, key: ec.EllipticCurvePrivateKey, *, now: datetime
) -> x509.Certificate:
    addresses = [x509.IPAddress(ipaddress.ip_address(one)) for one in _ADDRESSES]
    names = [x509.DNSName(one) for one in _NAMES]
    builder = _builder("kubechain-embedded", "kubechain-embedded-ca", public, now=now)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_usage(signs_certificates=False), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    builder = builder.add_extension(x509.SubjectAlternativeName([*addresses, *names]), critical=False)
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
    return builder.add_extension(identifier, critical=False).sign(key, hashes.SHA256())


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
